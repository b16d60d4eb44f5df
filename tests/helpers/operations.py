"""The guide for operators as a machine of its own would meet it: its commands, run with other places, ports and users."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

from tests.conftest import ROOT

# The pages for operators, in the order in which their commands are run.
GUIDE = "".join((ROOT / "docs" / name).read_text() for name in ("operations.md", "upkeep.md"))
LABELLED = re.findall(r"<!-- (run|by hand): ([^>]+) -->\n```sh\n(.*?)```", GUIDE, re.DOTALL)
FILES = dict(re.findall(r"<!-- file: ([\w.-]+) -->\n```ini\n(.*?)```", GUIDE, re.DOTALL))


def commands(label):
    """The blocks of the guide with this label, in its order."""
    return [block for kind, name, block in LABELLED if (kind, name) == ("run", label)]


def free_port():
    """A port that nobody listens on just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Machine:
    """A folder in place of `/`, with a checkout in /opt, and no users of its own."""

    def __init__(self, root):
        self.root, self.port, self.database_port = root, free_port(), free_port()
        self.checkout, self.state = root / "opt", root / "lib"
        self.settings, self.backup = root / "etc", root / "backups"
        for folder in (self.checkout, self.state, self.settings, self.backup):
            folder.mkdir()
        for name in ("flows", "tasks", "prefect.yaml"):
            (self.checkout / name).symlink_to(ROOT / name)
        (self.checkout / ".venv").symlink_to(sys.prefix)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "SEQ2SEQ_"))}
        self.environment = {**kept, "PGHOST": str(root), "PGPORT": str(self.database_port), "PGUSER": "postgres"}

    def here(self, text):
        """Text of the guide with this machine's places, ports and users: all that a test may change in it."""
        for theirs, ours in {
            "/opt/nightly-seq2seq": str(self.checkout),
            "/var/lib/nightly-seq2seq": str(self.state),
            "/etc/nightly-seq2seq": str(self.settings),
            "/var/backups/nightly-seq2seq": str(self.backup),
            "127.0.0.1:5432": f"127.0.0.1:{self.database_port}",
            "4200": str(self.port),
            "promotions g2p": "promotions integers",
            " -o nightly -g nightly": "",
            "runuser -u nightly -- ": "",
            "runuser -u postgres -- ": "",
        }.items():
            text = text.replace(theirs, ours)
        return text

    def run(self, script, *, fails=False):
        """Runs commands of the guide in a shell; gives what they print."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.here(script)],
            env=self.environment, cwd=self.root, capture_output=True, text=True, check=False, timeout=240,
        )  # fmt: skip
        assert bool(done.returncode) is fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    def start(self, unit, log):
        """Starts what a unit would start, as systemd would: with the variables of its file, in its folder."""
        lines = dict(line.split("=", 1) for line in self.here(FILES[unit]).splitlines() if "=" in line)
        with open(lines["EnvironmentFile"], encoding="utf-8") as file:  # noqa: PTH123 - a path in text
            variables = dict(line.rstrip("\n").split("=", 1) for line in file)
        with log.open("ab") as output:
            return subprocess.Popen(
                lines["ExecStart"].split(),
                cwd=lines["WorkingDirectory"],
                env={**self.environment, **variables},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def ask(self, path, *, method="GET", **headers):
        """The status that the API answers with."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/{path}", method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None


def until(is_so, seconds=90):
    """Waits until something is so."""
    ends = time.monotonic() + seconds
    while not (found := is_so()):
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.3)
    return found


def end(process, with_signal=signal.SIGTERM, seconds=60):
    """Ends a process that `start` started, and all that it started, and gives its exit code."""
    process.send_signal(with_signal)
    try:
        return process.wait(seconds)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
