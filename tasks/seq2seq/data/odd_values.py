"""Values that look like marks of missing ones: far beyond all others, and there more than once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.aliases import Floats

# How far from the quartiles a value is odd, in interquartile ranges.
FAR = 1e6
_SAMPLE = 4096  # values by which the quartiles are known
_ENDS = 8  # different values that are counted at either end


class OddValue(NamedTuple):
    """A value, and how often it is there."""

    value: float
    times: int


class OddValues:
    """Counts the values of a column that pass by in blocks, in little memory; how they are cut changes nothing.

    The lowest and the highest different values are counted, each from its first time on: one that is no longer among
    them never comes back. The quartiles are those of a random sample.
    """

    def __init__(self, seed: int = 0) -> None:
        """Starts with nothing counted; another seed takes another sample."""
        self._rng = np.random.default_rng(seed)
        self._keys, self._sample = np.zeros(0), np.zeros(0)
        self._low: dict[float, int] = {}
        self._high: dict[float, int] = {}  # their opposites

    def add(self, values: Floats) -> None:
        """Counts values `(n,)`."""
        if values.size:
            _count_lowest(self._low, values)
            _count_lowest(self._high, -values)
            self._draw(values)

    def _draw(self, values: Floats) -> None:
        """Keeps the values with the smallest of random keys, of all that came."""
        keys = self._rng.random(len(values))
        if len(self._keys) == _SAMPLE:
            is_chosen = keys < self._keys.max()
            keys, values = keys[is_chosen], values[is_chosen]
        keys, values = np.append(self._keys, keys), np.append(self._sample, values)
        chosen = np.argsort(keys, kind="stable")[:_SAMPLE]
        self._keys, self._sample = keys[chosen], values[chosen]

    def finish(self) -> list[OddValue]:
        """Those that are odd, in ascending order."""
        counted = {**self._low, **{-value: count for value, count in self._high.items()}}
        repeated = {value: count for value, count in counted.items() if count > 1}
        if not repeated:
            return []
        low, high = self._fences(np.array([*repeated]))
        return [OddValue(value, repeated[value]) for value in sorted(repeated) if not low <= value <= high]

    def _fences(self, repeated: Floats) -> NDArray[np.float64]:
        """Beyond which values are odd: the marks themselves, which may be many, say nothing of how the others lie."""
        others = self._sample[~np.isin(self._sample, repeated)]
        quartiles = np.quantile(others if others.size else self._sample, [0.25, 0.75])
        # Where most are alike, as far as their size, or 1.
        spread = (quartiles[1] - quartiles[0]) or max(1.0, float(np.abs(quartiles[0])))
        fences: NDArray[np.float64] = quartiles + FAR * spread * np.array([-1.0, 1.0])
        return fences


def _count_lowest(kept: dict[float, int], values: Floats) -> None:
    """Counts the lowest different values among those that are kept and these."""
    for _ in range(_ENDS):
        lowest = float(np.min(values))
        if len(kept) == _ENDS and lowest > max(kept):
            return
        higher = values[values > lowest]
        kept[lowest] = kept.get(lowest, 0) + len(values) - len(higher)
        if len(kept) > _ENDS:
            del kept[max(kept)]
        if not higher.size:
            return
        values = higher
