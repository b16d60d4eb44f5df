"""Which windows forecasts are proven on: rolling origins, counted back from the last window of each series.

An origin is the last time step of a history. The origins of series that end at different times are told by the same
numbers: 0 is the last one of each, 1 the one before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tasks.seq2seq.arrays.sequences import Rows
from tasks.seq2seq.data.windows import SeriesSteps, WindowPlan


class Origins(NamedTuple):
    """The windows that were chosen, `(n,)` each.

    at: their places among those to choose from, ascending.
    series: the number of each one's series.
    numbers: how many origins before the last of its series each is.
    """

    at: Rows
    series: Rows
    numbers: Rows


@dataclass(frozen=True)
class Backtest:
    """How far back origins go, and how far they lie apart.

    origins: how many of each series, the last ones; None means all.
    stride: time steps from one to the next; None means the plan's, and where `origins` is given its horizon, so that no
        step is forecast twice.
    """

    origins: int | None = None
    stride: int | None = None

    @property
    def is_a_part(self) -> bool:
        """Whether there may be windows that are not chosen."""
        return self.origins is not None or self.stride is not None

    def steps_between(self, plan: WindowPlan) -> int:
        """Time steps from one origin to the next: a multiple of the plan's stride, which has no windows in between."""
        if self.stride is not None or self.origins is None:
            return self.stride or plan.stride
        return -(-plan.horizon // plan.stride) * plan.stride

    def choose(self, steps: SeriesSteps, lasts: Rows, plan: WindowPlan) -> Origins:
        """The windows at these origins; one that is not there, as a gap lies in it, is not replaced.

        Args:
            steps: of all series.
            lasts: the windows to choose from, ascending, `(n,)`.
            plan: how they are cut.
        """
        series, slots = steps.series_of(lasts), steps.slots[lasts]
        end = np.searchsorted(series, series, side="right") - 1  # the last window of the same series
        behind, between = slots[end] - slots, self.steps_between(plan)
        is_chosen = behind % between == 0
        if self.origins is not None:
            is_chosen &= behind < self.origins * between
        at = np.flatnonzero(is_chosen)
        return Origins(at, series[at], behind[at] // between)
