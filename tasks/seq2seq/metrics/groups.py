"""Scores by group: of each series, of each origin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
Numbers = NDArray[np.int64]


class GroupMeans(NamedTuple):
    """Of the groups that have pairs, `(groups,)` each.

    numbers: which groups, ascending.
    counts: their pairs.
    means: the mean of each value over them, by name.
    """

    numbers: Numbers
    counts: Numbers
    means: dict[str, Reals]


class GroupScores:
    """Adds up values of pairs by the groups that they are of, a batch at a time; groups are numbers from 0."""

    def __init__(self) -> None:
        self._counts = np.zeros(0, np.int64)
        self._sums: dict[str, Reals] = {}

    def add(self, groups: Numbers, values: Mapping[str, Reals]) -> None:
        """Counts a batch: the group of each pair, `(n,)`, and its values by name, `(n,)` each."""
        size = max(len(self._counts), int(groups.max(initial=-1)) + 1)
        more = size - len(self._counts)
        self._counts = np.pad(self._counts, (0, more)) + np.bincount(groups, minlength=size)
        for name, each in values.items():
            before = np.pad(self._sums.get(name, np.zeros(size - more)), (0, more))
            self._sums[name] = before + np.bincount(groups, each, minlength=size)

    def means(self) -> GroupMeans:
        """What was added so far."""
        numbers = np.flatnonzero(self._counts)
        counts = self._counts[numbers]
        return GroupMeans(numbers, counts, {name: sums[numbers] / counts for name, sums in self._sums.items()})
