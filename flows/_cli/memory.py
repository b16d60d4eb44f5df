"""The peak memory of a command, over all of its processes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

SECONDS_BETWEEN_SAMPLES = 0.1


@dataclass
class Peak:
    """Largest sums of resident memory seen, MiB; a page that processes share counts in each."""

    all_mib: float = 0.0
    without_server_mib: float = 0.0
    server_mib: float = 0.0


@contextlib.contextmanager
def watch_memory(server_pid: int | None) -> Iterator[Peak]:
    """Samples this process and its children while the block runs."""
    peak, stop = Peak(), threading.Event()

    def sample() -> None:
        me = psutil.Process()
        while True:
            server = others = 0
            for process in (me, *me.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    resident = process.memory_info().rss
                    if process.pid == server_pid:
                        server += resident
                    else:
                        others += resident
            peak.all_mib = max(peak.all_mib, (server + others) / 2**20)
            peak.without_server_mib = max(peak.without_server_mib, others / 2**20)
            peak.server_mib = max(peak.server_mib, server / 2**20)
            if stop.wait(SECONDS_BETWEEN_SAMPLES):
                return

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()
