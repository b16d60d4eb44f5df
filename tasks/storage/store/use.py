"""Artifacts in use: who has opened one holds its manifest, so that nobody removes it meanwhile.

The lock is shared, needs no right to write, and is let go by the kernel when the process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from tasks.storage.store.manifest import MANIFEST

_HELD: dict[tuple[int, int], int] = {}  # descriptors by device and inode


def hold(folder: Path) -> None:
    """Holds an artifact until this process ends; of one that is not there, or that cannot be locked, nothing."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder / MANIFEST, os.O_RDONLY | os.O_CLOEXEC)
        if not _keeps(descriptor):
            os.close(descriptor)


def _keeps(descriptor: int) -> bool:
    """Whether the descriptor is the one that holds its file; another one may do so already."""
    there = os.fstat(descriptor)
    file = (there.st_dev, there.st_ino)
    if file in _HELD:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)  # waits only while an artifact is being removed
    except OSError:
        return False
    return _HELD.setdefault(file, descriptor) == descriptor


@contextlib.contextmanager
def unused(folder: Path) -> Iterator[bool]:
    """Whether no process holds an artifact; while this lasts, none comes to hold it."""
    try:
        descriptor = os.open(folder / MANIFEST, os.O_RDWR | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):  # nobody could open it
        yield True
        return
    except OSError:
        yield False
        return
    try:
        yield _is_locked_now(descriptor)
    finally:
        os.close(descriptor)


def _is_locked_now(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
