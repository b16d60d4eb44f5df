"""A command that is told to end at some moment, and what is left of it."""

import signal
import time
from pathlib import Path
from typing import NamedTuple

import psutil

from flows._cli.interruption import LINE
from tests.helpers.processes import wait_for


class Ended(NamedTuple):
    """How a process ended: its exit code, what it said, after how many seconds, and which of its children live on."""

    code: int
    said: str
    seconds: float
    alive: list[psutil.Process]


def tell_to_end(process, number, seconds=0.0):
    """Sends a signal some seconds from now, but not before a first line of the program has run."""
    time.sleep(seconds)
    wait_for(lambda: process.poll() is not None or watches(process.pid))
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    began = time.monotonic()
    said, _ = process.communicate(timeout=60)
    _, alive = psutil.wait_procs(children, timeout=max(0.1, 5 - (time.monotonic() - began)))
    return Ended(process.returncode, said, time.monotonic() - began, alive)


def watches(pid):
    """Whether a process has a handler of its own for SIGTERM."""
    with Path(f"/proc/{pid}/status").open(encoding="ascii") as status:
        caught = next(line for line in status if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def check_end(ended, number, folder):
    """In good order: one line last, no traceback, in time, and nothing half made below a folder."""
    assert ended.code == 128 + number, ended.said
    assert ended.said.splitlines()[-1] == LINE, ended.said
    assert ended.said.count(LINE) == 1
    assert "Traceback" not in ended.said
    assert ended.seconds < 5
    assert ended.alive == []
    assert [path for path in folder.rglob("*") if ".making-" in path.name or path.suffix == ".tmp"] == []
