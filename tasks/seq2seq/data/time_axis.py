"""The axis that a series lies on: time stamps as whole numbers, and the step from each to the next.

A stamp is a number of microseconds since 1970, or where time is counted by plain numbers, such a number itself. A step
is a fixed number of them, or of months. Steps of whole days and of months are counted on the clock of the place, where
a day may have 23 or 25 hours, so their stamps are those of the clock on the wall; all others are counted in real time.

Each stamp is a place on the axis, an `index`, beside a `phase`, which a series keeps: that of hours at 20 past is 20
minutes, that of months on the 15th is 14 days, that of the last days of months is a mark of its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Stamps = NDArray[np.int64]

SECOND = 10**6
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
_FIXED = {"w": 7 * DAY, "d": DAY, "h": HOUR, "min": MINUTE, "s": SECOND, "ms": 1000, "us": 1}
_MONTHS = {"y": 12, "q": 3, "mo": 1}
_TEXT = re.compile(r"([0-9]{1,15})\s*(w|d|h|min|s|ms|us|y|q|mo)?")
EXPECTED = '"15min", "1h", "1d", "1w", "1mo", "1q" or "1y", or a plain number where time is one, such as "1"'
_MONTH_PHASES = 64 * DAY  # numbers that a phase within a month may have
_LAST_DAY = 40 * DAY  # what the last day of a month begins with, among them
# Days between stamps a month, a quarter and a year apart, and one of these that no step of fixed length has.
_CALENDAR = ((1, range(28, 32), 31), (3, range(89, 93), 92), (12, range(365, 367), 365))
_SEASONS = ((HOUR, 24), (DAY, 7), (7 * DAY, 52))
_MONTH_SEASONS = {1: 12, 3: 4}


@dataclass(frozen=True)
class Step:
    """The step of a series: so many of a unit."""

    count: int
    unit: Literal["number", "microsecond", "month"]

    @classmethod
    def parse(cls, text: str) -> Step:
        """The step that a person writes as `str` does.

        Raises:
            ValueError: it is none.
        """
        found = _TEXT.fullmatch(text.strip())
        if found is None or not int(found[1]):
            raise ValueError(f"{text!r} is not a step; expected one such as {EXPECTED}")
        count, unit = int(found[1]), found[2]
        if unit is None:
            return cls(count, "number")
        if unit in _MONTHS:
            return cls(count * _MONTHS[unit], "month")
        return cls(count * _FIXED[unit], "microsecond")

    def __str__(self) -> str:
        if self.unit == "number":
            return str(self.count)
        units = _MONTHS if self.unit == "month" else _FIXED
        return next(f"{self.count // size}{name}" for name, size in units.items() if self.count % size == 0)

    @property
    def is_of_clock(self) -> bool:
        """Whether it is counted on the clock of the place: whole days and months."""
        return self.unit == "month" or (self.unit == "microsecond" and self.count % DAY == 0)

    @property
    def season(self) -> int:
        """Steps of the season that such steps commonly have: 24 hours, 7 days, 52 weeks, 12 months; else 1."""
        if self.unit == "month":
            return _MONTH_SEASONS.get(self.count, 1)
        return next((n for size, n in _SEASONS if self.unit == "microsecond" and self.count == size), 1)

    def phases(self, stamps: Stamps) -> Stamps:
        """What is left of each stamp where whole steps are taken off, `(n,)`."""
        if self.unit != "month":
            return stamps % self.count
        months, within = _months(stamps)
        is_last = within >= _month_starts(months + 1) - _month_starts(months) - DAY
        within = np.where(is_last, _LAST_DAY + within % DAY, within)
        return months % self.count * _MONTH_PHASES + within

    def indices(self, stamps: Stamps, phases: Stamps) -> Stamps:
        """The places of stamps on the axis of such phases, `(n,)`; of one that is off the step, that before it."""
        if self.unit != "month":
            return (stamps - phases) // self.count
        return (_months(stamps)[0] - phases // _MONTH_PHASES) // self.count

    def stamps(self, indices: Stamps, phases: Stamps) -> Stamps:
        """The stamps at places on the axis, `(n,)`: what `indices` takes back."""
        if self.unit != "month":
            return indices * self.count + phases
        months, within = indices * self.count + phases // _MONTH_PHASES, phases % _MONTH_PHASES
        starts, ends = _month_starts(months), _month_starts(months + 1)
        last = ends - DAY + within % DAY
        return np.where(within >= _LAST_DAY, last, np.minimum(starts + within, last))


def _months(stamps: Stamps) -> tuple[Stamps, Stamps]:
    """The month of each stamp, since 1970, and the microseconds since it began."""
    months = stamps.view("M8[us]").astype("M8[M]").astype(np.int64)
    return months, stamps - _month_starts(months)


def _month_starts(months: Stamps) -> Stamps:
    starts: Stamps = months.astype("M8[M]").astype("M8[us]").astype(np.int64)
    return starts


class DifferenceCounts:
    """How often each difference between neighbours in time occurs, among all series."""

    def __init__(self) -> None:
        """Starts with none."""
        self.counts: Counter[int] = Counter()
        self._most = 100_000

    def add(self, stamps: Stamps, starts: NDArray[np.bool_]) -> None:
        """Counts stamps that ascend within each series; `starts` are the first of each, `(n,)`."""
        differences = np.diff(stamps)[~starts[1:]]
        values, counts = np.unique(differences[differences > 0], return_counts=True)
        self.counts.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
        if len(self.counts) > self._most:  # of which the rare ones are no step
            self.counts = Counter(dict(self.counts.most_common(self._most // 2)))


def commonest(counts: Mapping[int, int]) -> int | None:
    """The commonest difference, the smaller one of two that are alike; None of none."""
    return min(counts, key=lambda difference: (-counts[difference], difference), default=None)


def infer_step(counts: Mapping[int, int], *, is_number: bool) -> Step | None:
    """The step of series with such differences; None where no series has two stamps.

    Args:
        counts: how often each difference occurs; of stamps on the wall's clock, where there may be days or months.
        is_number: whether time is counted by plain numbers.
    """
    most = commonest(counts)
    if most is None or is_number:
        return None if most is None else Step(most, "number")
    for months, days, telling in _CALENDAR:
        there = {difference // DAY for difference in counts if difference % DAY == 0} & set(days)
        if most % DAY == 0 and most // DAY in days and (telling in there or len(there) > 1):
            return Step(months, "month")
    return Step(most, "microsecond")


class Placed(NamedTuple):
    """Stamps on their axis, `(n,)` each: their places, the phases of their series, and which are on the step."""

    indices: Stamps
    phases: Stamps
    is_on_step: NDArray[np.bool_]


def place(step: Step, stamps: Stamps, series: NDArray[np.integer[Any]]) -> Placed:
    """The places of stamps of several series, each on the phase that most of its own stamps have.

    Args:
        step: of all series.
        stamps: `(n,)`.
        series: the number of the series of each, `(n,)`, ascending.
    """
    if not len(stamps):
        return Placed(stamps, stamps, np.zeros(0, np.bool_))
    found = step.phases(stamps)
    order = np.lexsort((found, series))
    is_new = np.append(True, (np.diff(found[order]) != 0) | (np.diff(series[order]) != 0))
    first = np.flatnonzero(is_new)
    sizes, of_series, phase = np.diff(np.append(first, len(order))), series[order][first], found[order][first]
    by_size = np.lexsort((phase, -sizes, of_series))
    chosen = by_size[np.append(True, np.diff(of_series[by_size]) != 0)]
    starts = np.append(True, np.diff(series) != 0)
    phases = phase[chosen][np.cumsum(starts) - 1]
    indices = step.indices(stamps, phases)
    return Placed(indices, phases, step.stamps(indices, phases) == stamps)
