"""What a terminal shows from a command's first moment on, until the command itself has something to say.

Only the standard library is imported here, and little of it: this comes before anything that takes time.
"""

from __future__ import annotations

import io
import os
import sys
import threading
import time
from typing import cast

from flows._server.flags import HELP, HELP_ALL

FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
SECONDS_A_FRAME = 0.1
CLEARED = "\r\x1b[K"
_MUTE = HELP | HELP_ALL | {"--quiet"}


class Spinner:
    """A line that says what starts and for how long it has; it is gone before anything else is written."""

    def __init__(self, what: str, descriptor: int) -> None:
        """Draws from now on."""
        self._what, self._descriptor, self._began = what, descriptor, time.monotonic()
        self._over, self._drawing = threading.Event(), threading.RLock()  # signals interrupt
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        n = 0
        while not self._over.is_set():
            with self._drawing:
                if not self._over.is_set():
                    seconds = time.monotonic() - self._began
                    self._put(f"{CLEARED}{FRAMES[n % len(FRAMES)]} {self._what}: starting, {seconds:.0f} s")
            n += 1
            self._over.wait(SECONDS_A_FRAME)

    def end(self) -> None:
        """Clears the line; the first call only."""
        with self._drawing:
            if not self._over.is_set():
                self._over.set()
                self._put(CLEARED)

    def _put(self, text: str) -> None:
        try:
            os.write(self._descriptor, text.encode())
        except OSError:  # whoever looked has left
            self._over.set()


class _Heralded(io.TextIOWrapper):
    """A stream before whose first words the spinner ends."""

    spinner: Spinner

    def write(self, text: str) -> int:
        self.spinner.end()
        return super().write(text)


_spinner: Spinner | None = None


def begin(what: str) -> None:
    """Shows that something starts, at a terminal, unless help or quiet was asked for.

    `sys.stderr`, whatever it is, ends it when it is written to; who writes elsewhere calls `end`.
    """
    global _spinner  # noqa: PLW0603 - a process has one terminal
    if _MUTE & {*sys.argv} or os.environ.get("TERM") == "dumb" or not (sys.stderr and sys.stderr.isatty()):
        return
    _spinner = Spinner(what, sys.stderr.fileno())
    heralded = _Heralded(
        cast("io.TextIOWrapper", sys.stderr).detach(), encoding="utf-8", errors="backslashreplace", line_buffering=True
    )
    heralded.spinner, sys.stderr = _spinner, heralded


def end() -> None:
    """Ends what is shown, if anything is."""
    if _spinner:
        _spinner.end()
