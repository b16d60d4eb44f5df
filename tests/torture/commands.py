"""Commands as processes of their own, which are killed and run again, and what they leave."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

ROOT = Path(__file__).parents[2]
MARK = "SEQ2SEQ_TORTURE"  # in the environment of a command and all that it starts
ORPHAN_SECONDS = 15.0


class Ran(NamedTuple):
    """A command that came to its end: how, what it said, and how long it took."""

    code: int
    said: str
    seconds: float


class Command:
    """A command of the project, in an environment that tells its processes from all others."""

    def __init__(self, folder: Path, flow: str, *words: object) -> None:
        """Takes a folder for Prefect, the flow's name, and its words."""
        self._words = [sys.executable, "-m", f"flows.{flow}", *map(str, words)]
        self._mark = f"{folder.name}-{os.getpid()}-{time.time_ns():x}"
        own = ("PREFECT_", "SEQ2SEQ_")
        plain = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        self._environment = {**plain, "PREFECT_HOME": str(folder / "prefect"), MARK: self._mark, "TMPDIR": str(folder)}

    def run(self, seconds: float = 600) -> Ran:
        """Runs it to its end."""
        began = time.perf_counter()
        done = subprocess.run(
            self._words,
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
        return Ran(done.returncode, done.stdout + done.stderr, time.perf_counter() - began)

    def kill_after(self, seconds: float) -> bool:
        """Starts it and kills it with SIGKILL; says whether it was still running."""
        process = subprocess.Popen(
            self._words, cwd=ROOT, env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return False
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True

    def orphans(self) -> list[str]:
        """Processes that it started and that live on, after the time that they have to notice."""
        deadline = time.monotonic() + ORPHAN_SECONDS
        while (found := self._alive()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return found

    def _alive(self) -> list[str]:
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(MARK) == self._mark:
                    found.append(" ".join(process.cmdline()))
        return found


def leftovers(folders: Sequence[Path]) -> list[str]:
    """Temporary files and folders, which a rerun should have removed."""
    paths = [path for folder in folders for path in folder.rglob("*")]
    return [str(path) for path in paths if path.name.endswith(".tmp") or path.name.startswith(".making")]
