"""How many cores this process may use, and what they can do."""

from __future__ import annotations

import os

_share: list[int] = []


def available_cores() -> int:
    """The cores that this process may keep busy, at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([cores, *_share])


def use_at_most(cores: int) -> None:
    """Has this process keep to its share of the machine, where others like it work beside it."""
    _share[:] = [max(1, cores)]


def cpu_flags() -> frozenset[str]:
    """What the processor can do, by Linux' names; nothing where the system does not say."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:  # noqa: PTH123 - the domain knows no paths
            lines = [line for line in file if line.startswith(("flags", "Features"))]
    except OSError:
        return frozenset()
    return frozenset(lines[0].partition(":")[2].split()) if lines else frozenset()
