"""Ctrl-C and SIGTERM: one line that says how to go on, exit code 130 or 143, within 5 seconds, whatever is under way.

While a command imports, nothing is raised: libraries that are interrupted there end with pages of errors of their own.
A thread, which the kernel's signal wakes even while the main one is in native code, then ends the process. Once work is
under way the main thread is interrupted, so that Prefect hears of the end and what was begun is removed; the thread
ends what takes too long.

Only the standard library is imported here, and little of it: this comes before anything else.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from flows._cli import sign_of_life

LINE = "interrupted; finished steps are kept, run the same command again to go on"
SIGNALS = (signal.SIGINT, signal.SIGTERM)
SECONDS_TO_UNWIND = 2.0
EXIT_BY_SIGNAL = 128  # and the signal's number, as shells have it


class Interrupted(KeyboardInterrupt):
    """The process was told to end."""


class _Watch:
    """What came, and what is to be done before the process ends."""

    def __init__(self) -> None:
        self.is_on = False
        self.code: int | None = None
        self.is_working = False
        self.has_raised = False
        self.endings: list[Callable[[], None]] = []
        self.telling = threading.RLock()


_watch = _Watch()


def watch_for_signals() -> None:
    """Has Ctrl-C and SIGTERM end this process in good order; call it in the main thread, before anything else."""
    _watch.is_on = True
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as it is in the background of a shell
            signal.signal(number, _handle)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=_end_when_told, args=(reading,), daemon=True).start()


def is_watching() -> bool:
    """Whether this process is a command's."""
    return _watch.is_on


def interrupted_by() -> int | None:
    """The exit code where the process was told to end."""
    return _watch.code


def end_process(line: str, code: int) -> None:
    """Says one line and ends the process from any thread, whatever the others do."""
    _tell(line, code)
    _end_now()


def before_the_end(ending: Callable[[], None]) -> None:
    """Has something called before a process ends that was told to, where it could not be unwound in time."""
    _watch.endings.append(ending)


@contextlib.contextmanager
def working() -> Iterator[None]:
    """While work is under way the main thread is interrupted by an exception."""
    _watch.is_working = True
    try:
        if _watch.code is not None:
            raise Interrupted
        yield
    finally:
        _watch.is_working = False


def end(code: int) -> int:
    """Gives the exit code; where the process was told to end it does so here, with the code of that."""
    if _watch.code is None:
        return code
    _end_now()
    return code


def _handle(number: int, _frame: FrameType | None) -> None:
    _tell(LINE, EXIT_BY_SIGNAL + number)
    if _watch.is_working and not _watch.has_raised:
        _watch.has_raised = True
        raise Interrupted


def _tell(line: str, code: int) -> None:
    """Says why the process ends, once.

    What is said after it, by Prefect, by libraries that were interrupted, or by an end that fails, is not news.
    """
    with _watch.telling:
        if _watch.code is not None:
            return
        _watch.code = code
        sign_of_life.end()
        descriptor = sys.stderr.fileno() if sys.stderr else 2
        with contextlib.suppress(OSError):
            os.write(descriptor, f"{line}\n".encode())
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for silenced in {2, descriptor}:
            os.dup2(nowhere, silenced)


def _end_when_told(reading: int) -> None:
    number = _next_signal(reading)
    is_working = _watch.is_working
    _tell(LINE, EXIT_BY_SIGNAL + number)
    if is_working:
        _wait_for_impatience(reading)
    _end_now()


def _next_signal(reading: int) -> int:
    while (number := os.read(reading, 1)[0]) not in SIGNALS:
        pass
    return number


def _wait_for_impatience(reading: int) -> None:
    """Returns after a while, and at once on a second Ctrl-C; Prefect sends a second SIGTERM itself."""
    impatient = threading.Event()

    def wait() -> None:
        while _next_signal(reading) != signal.SIGINT:
            pass
        impatient.set()

    threading.Thread(target=wait, daemon=True).start()
    impatient.wait(SECONDS_TO_UNWIND)


def _end_now() -> None:
    for ending in _watch.endings:
        with contextlib.suppress(Exception):
            ending()
    os._exit(interrupted_by() or 0)
