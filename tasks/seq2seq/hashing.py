"""Row hashes: to keep training off the fresh set, to split by source, to count repeats."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

_STEP = np.uint64(0x9E3779B97F4A7C15)


def row_hashes(rows: NDArray[np.integer[Any]], seed: int = 0) -> Hashes:
    """One 64-bit hash a row of `(n, length)` integers, `(n,) uint64`; equal rows agree.

    Source: the finalizer of SplitMix64, G. L. Steele et al., "Fast splittable pseudorandom number
    generators" (2014), applied after each value.
    """
    result = np.full(len(rows), _mix(np.array([seed], np.uint64))[0])
    for column in rows.T:
        result = _mix(result ^ column.astype(np.uint64))
    return result


def _mix(values: Hashes) -> Hashes:
    values = values + _STEP
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def unit_interval(hashes: Hashes) -> NDArray[np.float64]:
    """Hashes as numbers in [0, 1), evenly spread."""
    return (hashes >> np.uint64(11)).astype(np.float64) / 2.0**53


def is_among(hashes: Hashes, others: Hashes) -> NDArray[np.bool_]:
    """Which of `hashes` are in `others` (sorted ascending), `(n,) bool`."""
    if not others.size:
        return np.zeros(len(hashes), np.bool_)
    nearest = np.minimum(np.searchsorted(others, hashes), len(others) - 1)
    found: NDArray[np.bool_] = others[nearest] == hashes
    return found
