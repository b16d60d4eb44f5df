"""Splits of the user's pairs, by source, and what is worth knowing of them: repeats, conflicts, overlap."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.hashing import Hashes, row_hashes, unit_interval
from tasks.seq2seq.vocabulary import Integers

SPLITS = ("train", "validation", "test")


class Repeats(NamedTuple):
    """Counted over all splits; nothing is dropped for it.

    duplicates: pairs that stand there again, beyond their first time.
    conflicts: different sources that appear with two targets or more.
    test_overlap, validation_overlap: rows of that split whose source training has too.
    """

    duplicates: int
    conflicts: int
    validation_overlap: int
    test_overlap: int


def assign_splits(source: Integers, seed: int, validation_fraction: float, test_fraction: float) -> NDArray[np.int8]:
    """The split of each row, an index into `SPLITS`, `(n,) int8`; equal sources share their split.

    Args:
        source: source sequences, `(n, length)`.
        seed: another seed gives another split.
        validation_fraction: share of sources that go to validation, in [0, 1).
        test_fraction: share of sources that go to test, in [0, 1).
    """
    place = unit_interval(row_hashes(source, seed))
    result = np.zeros(len(source), np.int8)
    result[place < test_fraction + validation_fraction] = 1
    result[place < test_fraction] = 2
    return result


def count_repeats(splits: dict[str, tuple[Integers, Integers]]) -> Repeats:
    """Compares sources and pairs by 64-bit hash; `splits` maps `SPLITS` to sources and targets."""
    sources = {name: row_hashes(source) for name, (source, _) in splits.items()}
    pairs = [row_hashes(target, seed=1) ^ sources[name] for name, (_, target) in splits.items()]
    every_source, every_pair = np.concatenate(list(sources.values())), np.concatenate(pairs)
    different, first = np.unique(every_pair, return_index=True)
    _, targets = np.unique(every_source[first], return_counts=True)
    return Repeats(
        duplicates=len(every_pair) - len(different),
        conflicts=int((targets > 1).sum()),
        validation_overlap=_overlap(sources, "validation"),
        test_overlap=_overlap(sources, "test"),
    )


def _overlap(sources: dict[str, Hashes], split: str) -> int:
    return int(np.isin(sources[split], sources["train"]).sum()) if split in sources else 0
