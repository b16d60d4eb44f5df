"""Rows of series put in order: sorted by time, repeated stamps made one, gaps found and filled.

All series are worked on together, one after the other in the arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Rows
from tasks.seq2seq.data.time_axis import Stamps

Mask = NDArray[np.bool_]
Values = NDArray[Any]


class TimeOrder(NamedTuple):
    """The order of rows by series and time, rows of one stamp as they came, and how many came after a later one."""

    order: Rows
    n_late: int


def time_order(series: NDArray[np.integer[Any]], stamps: Stamps) -> TimeOrder:
    """How rows are sorted; where they are sorted already, nothing is."""
    if _ascend(series, stamps):
        return TimeOrder(np.arange(len(series)), 0)
    by_series = np.argsort(series, kind="stable")
    is_late = (np.diff(stamps[by_series]) < 0) & (np.diff(series[by_series]) == 0)
    order = np.lexsort((stamps, series))  # which is stable
    return TimeOrder(order, int(is_late.sum()))


def _ascend(series: NDArray[np.integer[Any]], stamps: Stamps) -> bool:
    onward, later = np.diff(series), np.diff(stamps)
    return bool(((onward > 0) | ((onward == 0) & (later >= 0))).all())


def starts_of(*columns: Values) -> Mask:
    """Rows that differ from the one before in any of the columns, `(n,)`; the first does."""
    result = np.zeros(len(columns[0]), np.bool_)
    result[:1] = True
    for column in columns:
        result[1:] |= column[1:] != column[:-1]
    return result


def _mean(values: Values, first: Rows, sizes: Rows) -> Values:
    result: Values = np.add.reduceat(values, first) / sizes
    return result


# What becomes of the values of rows with one stamp, by the name of the setting: of the values of all, where each stamp
# begins, and how many rows it has.
AGGREGATES: dict[str, Callable[[Values, Rows, Rows], Values]] = {
    "first": lambda values, first, _sizes: values[first],
    "last": lambda values, first, sizes: values[first + sizes - 1],
    "mean": _mean,
    "sum": lambda values, first, _sizes: np.add.reduceat(values, first),
    "min": lambda values, first, _sizes: np.minimum.reduceat(values, first),
    "max": lambda values, first, _sizes: np.maximum.reduceat(values, first),
}


def aggregate(values: Values, starts: Mask, how: str) -> Values:
    """One value for the rows of each stamp.

    Args:
        values: of sorted rows, `(n,)`.
        starts: the first row of each stamp, `(n,)`.
        how: of `AGGREGATES`.
    """
    first = np.flatnonzero(starts)
    sizes = np.diff(np.append(first, len(starts)))
    return AGGREGATES[how](values, first, sizes) if len(first) else values


class Gapless(NamedTuple):
    """Rows with the steps that are missing between them, `(m,)` each.

    rows: the row that each step is, or that is before it.
    indices: places on the axis.
    is_filled: which steps no row is.
    """

    rows: Rows
    indices: Stamps
    is_filled: Mask


def insert_steps(indices: Stamps, starts: Mask, longest: int) -> Gapless:
    """The steps of gaps between rows.

    Args:
        indices: places on the axis of sorted rows, `(n,)`.
        starts: the first row of each series.
        longest: steps of a gap at most; longer ones stay gaps.
    """
    missing = np.append(np.diff(indices) - 1, 0)
    missing[np.append(starts[1:], True)] = 0
    missing[missing > longest] = 0
    rows = np.repeat(np.arange(len(indices)), missing + 1)
    since = np.arange(len(rows)) - np.repeat(np.cumsum(missing + 1) - missing - 1, missing + 1)
    return Gapless(rows, indices[rows] + since, since > 0)


class _Around(NamedTuple):
    """Of each step that has no value: it, the last step before it and the first after it that have one."""

    at: Rows
    before: Rows
    after: Rows


def _previous(values: Values, _indices: Stamps, around: _Around) -> Values:
    return values[around.before]


def _linear(values: Values, indices: Stamps, around: _Around) -> Values:
    at, before, after = (indices[rows].astype(np.float64) for rows in around)
    share = (at - before) / (after - before)
    result: Values = values[around.before] * (1 - share) + values[around.after] * share
    return result


def _zero(_values: Values, _indices: Stamps, around: _Around) -> Values:
    return np.zeros(len(around.at))


FILLS: dict[str, Callable[[Values, Stamps, _Around], Values]] = {
    "previous": _previous,
    "linear": _linear,
    "zero": _zero,
}


def fill_missing(values: Values, indices: Stamps, starts: Mask, how: str, longest: int) -> Values:
    """Values in place of NaN, where the same series has one before and one after it, and not too far away.

    Args:
        values: `(n,)`.
        indices: places on the axis, `(n,)`.
        starts: the first step of each series.
        how: of `FILLS`.
        longest: steps without a value, one after the other, at most; longer gaps stay.
    """
    is_missing = np.isnan(values)
    if not is_missing.any():
        return values
    n, rows, of = len(values), np.arange(len(values)), np.cumsum(starts)
    before = np.maximum.accumulate(np.where(is_missing, -1, rows))
    after = np.minimum.accumulate(np.where(is_missing, n, rows)[::-1])[::-1]
    at = np.flatnonzero(is_missing & (before >= 0) & (after < n))
    around = _Around(at, before[at], after[at])
    is_inside = (of[around.before] == of[at]) & (of[around.after] == of[at])
    is_short = indices[around.after] - indices[around.before] - 1 <= longest
    around = _Around(*(part[is_inside & is_short] for part in around))
    result = values.copy()
    result[around.at] = FILLS[how](values, indices, around)
    return result
