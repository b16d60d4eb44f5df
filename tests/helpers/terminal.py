"""A terminal of its own for a program."""

import os
import pty
import subprocess
import sys
from typing import Any

from tests.conftest import ROOT


def at_a_terminal(words, **environment):
    """What Python, called with these words, shows at a terminal; it must succeed.

    A variable of the environment that is given as None is not set.
    """
    ours, theirs = pty.openpty()
    given = {**os.environ, "TERM": "xterm-256color", "PREFECT_LOGGING_LEVEL": "INFO", **environment}
    given = {name: value for name, value in given.items() if value is not None}
    streams: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), theirs)
    with subprocess.Popen([sys.executable, *words], cwd=ROOT, env=given, **streams) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                shown += os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
        os.close(ours)
    assert process.returncode == 0, shown
    return shown.decode()
