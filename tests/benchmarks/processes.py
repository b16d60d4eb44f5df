"""Starting, timing and ending the processes that are measured."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from warden import end_groups

ROOT = Path(__file__).parents[2]
WARDEN = Path(__file__).with_name("warden.py")
OWN_SETTINGS = ("PREFECT_", "SEQ2SEQ_")
LIMIT_SECONDS = 1800.0
SHOWN_LINES = 15


class MeasurementError(Exception):
    """A process that was to be measured did not do what it should."""


@dataclass(frozen=True)
class Running:
    """A process and the files that it prints to."""

    process: subprocess.Popen[bytes]
    output: Path
    errors: Path

    def last_lines(self) -> str:
        """What it printed last, to tell why it failed."""
        text = self.output.read_text(errors="replace") + self.errors.read_text(errors="replace")
        return "\n".join(text.splitlines()[-SHOWN_LINES:])


class Processes:
    """Processes in groups of their own, none of which outlives this one.

    Args:
        folder: for their output; it is removed at the end, like everything in it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()

    def __enter__(self) -> Self:
        self._warden = subprocess.Popen(
            [sys.executable, str(WARDEN), str(self._folder)],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        return self

    def __exit__(self, *_error: object) -> None:
        self._warden.stdin.close()
        self._warden.wait()

    def seconds(self, command: list[str], environment: dict[str, str] | None = None) -> float:
        """Seconds from the start of a process to its end.

        Raises:
            MeasurementError: it fails, or takes longer than `LIMIT_SECONDS`.
        """
        return self._measured(command, environment)[0]

    def result(self, script: str, *arguments: str) -> dict[str, Any]:
        """The JSON object that a script of this folder prints as its last line.

        Raises:
            MeasurementError: as in `seconds`.
        """
        _, run = self._measured([sys.executable, str(Path(__file__).with_name(script)), *arguments])
        return json.loads(run.output.read_text(encoding="utf-8").splitlines()[-1])

    def _measured(self, command: list[str], environment: dict[str, str] | None = None) -> tuple[float, Running]:
        began = time.perf_counter()
        with self.running(command, environment) as run:
            # A wait with a timeout polls, which would be measured too.
            limit = threading.Timer(LIMIT_SECONDS, end_groups, args=([run.process.pid],))
            limit.start()
            try:
                code = run.process.wait()
                seconds = time.perf_counter() - began
            finally:
                limit.cancel()
        if code:
            raise MeasurementError(f"`{' '.join(command)}` ended with {code}:\n{run.last_lines()}")
        return seconds, run

    @contextlib.contextmanager
    def running(self, command: list[str], environment: dict[str, str] | None = None) -> Iterator[Running]:
        """A process that is ended with the block, with all others of its group."""
        number = next(self._numbers)
        output, errors = self._folder / f"{number}.out.txt", self._folder / f"{number}.err.txt"
        with output.open("w") as to_output, errors.open("w") as to_errors:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=clean_environment() | {"TMPDIR": str(self._folder)} | (environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=to_output,
                stderr=to_errors,
                start_new_session=True,
            )
        self._tell(f"+{process.pid}")
        try:
            yield Running(process, output, errors)
        finally:
            # It is waited for meanwhile: a process that ended and that nobody waited for still counts as there.
            threading.Thread(target=process.wait, daemon=True).start()
            end_groups([process.pid])
            process.wait()
            self._tell(f"-{process.pid}")

    def _tell(self, line: str) -> None:
        print(line, file=self._warden.stdin, flush=True)


def clean_environment() -> dict[str, str]:
    """The environment without settings of Prefect and of this project."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OWN_SETTINGS)}
