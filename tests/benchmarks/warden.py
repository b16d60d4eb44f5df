"""Ends what a benchmark started, however the benchmark ends: `python warden.py FOLDER`.

Standard input is the lifeline. It brings a line `+ID` or `-ID` for each process group that begins or has
ended; the kernel closes it when the benchmark is gone, SIGKILL included. Then the groups that still run are
ended, and FOLDER is removed.
"""

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

GRACE_SECONDS = 10.0


def main() -> None:
    """Listens until the benchmark is gone, then tidies up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # they are for the benchmark, which ends this one
    groups: set[int] = set()
    for line in sys.stdin:
        (groups.add if line.startswith("+") else groups.discard)(int(line[1:]))
    end_groups(groups)
    shutil.rmtree(Path(sys.argv[1]), ignore_errors=True)


def end_groups(groups: Iterable[int]) -> None:
    """Asks the process groups to end, and kills those that have not within `GRACE_SECONDS`."""
    left = {group for group in groups if send(group, signal.SIGTERM)}
    until = time.monotonic() + GRACE_SECONDS
    while left and time.monotonic() < until:
        time.sleep(0.05)
        left = {group for group in left if send(group, 0)}
    for group in left:
        send(group, signal.SIGKILL)


def send(group: int, number: int) -> bool:
    """Sends a signal to a process group; gives whether there is such a group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)
        return True
    return False


if __name__ == "__main__":
    main()
