"""Splits of the user's pairs by a hash of the source, and of a series by time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.hashing import Hashes, mix, unit_interval

SPLITS = ("train", "validation", "test")


def assign_splits(source: Hashes, seed: int, validation_fraction: float, test_fraction: float) -> NDArray[np.int8]:
    """The split of each row, an index into `SPLITS`, `(n,) int8`; equal sources share their split.

    Args:
        source: hashes of the source sequences, `(n,)`.
        seed: another seed gives another split.
        validation_fraction: share of sources that go to validation, in [0, 1).
        test_fraction: share of sources that go to test, in [0, 1).
    """
    place = unit_interval(mix(source ^ mix(np.array([seed], np.uint64))))
    result = np.zeros(len(source), np.int8)
    result[place < test_fraction + validation_fraction] = 1
    result[place < test_fraction] = 2
    return result
