"""Quantiles that are forecast: their names, the intervals between them, and where each lies in what a decoder puts out.

A step of a decoder with quantiles puts out `(..., quantiles * features)` numbers, one block of features for each: the
median first, as it is the point forecast, which is fed back; behind it the others, ascending.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MEDIAN = 0.5
DEFAULT = (0.1, MEDIAN, 0.9)
PREFIX, VECTORS = "quantile_", "vectors"

Quantiles = tuple[float, ...]  # ascending, the median among them; empty where there are none


class Interval(NamedTuple):
    """Two quantiles that lie around the median."""

    low: float
    high: float

    @property
    def nominal(self) -> float:
        """The share of values that is to lie between the two, in (0, 1)."""
        return round(self.high - self.low, 12)

    @property
    def name(self) -> str:
        """The nominal share as a key."""
        return str(self.nominal)


def others(quantiles: Quantiles) -> Quantiles:
    """All but the median, ascending."""
    return tuple(quantile for quantile in quantiles if quantile != MEDIAN)


def below(quantiles: Quantiles) -> Quantiles:
    """Those below the median, ascending."""
    return tuple(quantile for quantile in quantiles if quantile < MEDIAN)


def above(quantiles: Quantiles) -> Quantiles:
    """Those above the median, ascending."""
    return tuple(quantile for quantile in quantiles if quantile > MEDIAN)


def intervals_of(quantiles: Quantiles) -> list[Interval]:
    """The intervals between quantiles, the widest first: the lowest with the highest, and so on towards the median."""
    return [Interval(*pair) for pair in zip(below(quantiles), reversed(above(quantiles)), strict=False)]


def column_name(quantile: float) -> str:
    """The name of a quantile among the columns of predictions and the outputs of exports."""
    return f"{PREFIX}{quantile}"


def output_names(quantiles: Quantiles) -> list[str]:
    """The names of what an export puts out, in the order of a decoder's blocks: `vectors`, the median, is the first."""
    return [VECTORS, *map(column_name, others(quantiles))]


def blocks(output: NDArray[np.float32], quantiles: Quantiles) -> dict[float, NDArray[np.float32]]:
    """What a decoder put out, `(..., quantiles * features)`, as `(..., features)` by quantile, the median first."""
    order = (MEDIAN, *others(quantiles))
    return dict(zip(order, np.split(output, len(order), axis=-1), strict=True))


def by_output(output: NDArray[np.float32], quantiles: Quantiles) -> dict[str, NDArray[np.float32]]:
    """The same by the names of an export's outputs."""
    return dict(zip(output_names(quantiles), blocks(output, quantiles).values(), strict=True))


def in_output_order(answer: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """The opposite of `by_output`, whatever the order that an export names its outputs in."""
    names = sorted((name for name in answer if name.startswith(PREFIX)), key=lambda name: float(name[len(PREFIX) :]))
    return np.concatenate([answer[name] for name in (VECTORS, *names)], axis=-1)


def faults(quantiles: Sequence[float]) -> list[str]:
    """What is wrong with quantiles that someone chose."""
    found = []
    if not all(0 < quantile < 1 for quantile in quantiles):
        found.append("expected numbers between 0 and 1, both excluded")
    if list(quantiles) != sorted(set(quantiles)):
        found.append("expected ascending numbers, each once")
    if MEDIAN not in quantiles:
        found.append(f"{MEDIAN} must be among them: it is the point forecast")
    return found
