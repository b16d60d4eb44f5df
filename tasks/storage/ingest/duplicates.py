"""Duplicates, conflicts and overlap between splits, counted in little memory: hashes in partitions on disk."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.hashing import Hashes, is_among

PARTITIONS = 64
BUFFERED_ROWS = 4_096  # of a partition, before they are written

_ROW = np.dtype([("source", np.uint64), ("pair", np.uint64), ("split", np.int8)])


class Repeats(NamedTuple):
    """Counted over all splits, by 64-bit hashes; nothing is dropped for it.

    duplicates: pairs that repeat an earlier one.
    conflicts: different sources that appear with two targets or more.
    validation_overlap, test_overlap: rows of that split whose source training has too.
    """

    duplicates: int
    conflicts: int
    validation_overlap: int
    test_overlap: int


class RepeatCounter:
    """Takes the hashes of all rows, in any order, and counts what comes again.

    Rows with the same source fall into the same partition, so that one partition at a time is enough.
    """

    def __init__(self, folder: Path) -> None:
        """Works in `folder`, which it makes and empties again."""
        folder.mkdir()
        self._folder = folder
        self._buffers: list[list[NDArray[np.void]]] = [[] for _ in range(PARTITIONS)]
        self._buffered = np.zeros(PARTITIONS, np.int64)

    def add(self, source: Hashes, pair: Hashes, split: NDArray[np.int8]) -> None:
        """Takes in rows: hashes of their sources and pairs, and their split, an index into `SPLITS`."""
        rows = np.empty(len(source), _ROW)
        rows["source"], rows["pair"], rows["split"] = source, pair, split
        partition = (source % np.uint64(PARTITIONS)).astype(np.int64)
        order = np.argsort(partition, kind="stable")
        ends = np.cumsum(np.bincount(partition, minlength=PARTITIONS))
        for i, rows_of in enumerate(np.split(rows[order], ends[:-1])):
            if len(rows_of):
                self._buffers[i].append(rows_of)
                self._buffered[i] += len(rows_of)
                if self._buffered[i] >= BUFFERED_ROWS:
                    self._write(i)

    def finish(self) -> Repeats:
        """The counts over everything that was added."""
        totals = np.zeros(len(Repeats._fields), np.int64)
        for i in range(PARTITIONS):
            self._write(i)
            path = self._folder / str(i)
            totals += _count(np.fromfile(path, _ROW))
            path.unlink()
        self._folder.rmdir()
        return Repeats(*totals.tolist())

    def _write(self, partition: int) -> None:
        with (self._folder / str(partition)).open("ab") as file:
            for rows in self._buffers[partition]:
                rows.tofile(file)
        self._buffers[partition], self._buffered[partition] = [], 0


def count_repeats(source: Hashes, pair: Hashes) -> Repeats:
    """The counts over rows that are all in memory and of one split."""
    rows = np.zeros(len(source), _ROW)
    rows["source"], rows["pair"] = source, pair
    return Repeats(*_count(rows))


def _count(rows: NDArray[np.void]) -> tuple[int, int, int, int]:
    trained = np.sort(rows["source"][rows["split"] == 0])
    overlaps = [int(is_among(rows["source"][rows["split"] == split], trained).sum()) for split in (1, 2)]
    rows = rows[np.argsort(rows["pair"])]
    is_first = np.append(True, rows["pair"][1:] != rows["pair"][:-1])[: len(rows)]
    sources = np.sort(rows["source"][is_first])  # once a target
    again = sources[1:] == sources[:-1]
    conflicts = again & ~np.append(False, again[:-1])[: len(again)]  # counted once a source
    return len(rows) - len(sources), int(conflicts.sum()), overlaps[0], overlaps[1]
