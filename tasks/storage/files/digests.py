"""Digests of files, each of which a process reads once for as long as nothing has changed it."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

_SETTLED_NS = 100_000_000  # longer than a step of the clock by which a file system says when a file was changed
_MOST_KNOWN = 65_536
_File = tuple[int, int, int, int, int]
_known: dict[_File, str] = {}


def file_digest(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal.

    It is known by the file, its size and the times of its last changes, which the kernel notes. A file that was changed
    a moment ago is read again: another change within a step of the clock would not show.
    """
    with path.open("rb") as file:
        before = _identity(file.fileno())
        if found := _known.get(before):
            return found
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if _identity(file.fileno()) == before and time.time_ns() - before[-1] > _SETTLED_NS:
            _remember(before, digest)
    return digest


def _identity(descriptor: int) -> _File:
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _remember(file: _File, digest: str) -> None:
    if len(_known) >= _MOST_KNOWN:
        _known.pop(next(iter(_known)), None)  # the oldest; another thread may have taken it
    _known[file] = digest
