"""What the values of a window are taken from and divided by, so that large and small series are learned alike.

`global` leaves values as they are, and one scaling of all is learned. `series` takes off a series' own mean and divides
by its own deviation, both of its training steps. `window` does so by those of the window's history. With `relative`,
the last value of the history is taken off in place of the mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Rows

if TYPE_CHECKING:
    from tasks.seq2seq.data.windows import SeriesSteps, WindowPlan

Reals = NDArray[np.float64]
WindowScale = Literal["global", "series", "window"]
_SMALLEST = 1e-12  # deviation, as a share of the mean; rounding alone makes smaller ones of a constant


class Frame(NamedTuple):
    """What one side is taken from and divided by, `(n, features)` each."""

    centre: Reals
    scale: Reals

    def apply(self, values: NDArray[Any]) -> Reals:
        """The values of `(n, time, features)` in this frame."""
        result: Reals = (values - self.centre[:, None]) / self.scale[:, None]
        return result

    def restore(self, values: NDArray[Any]) -> Reals:
        """The opposite of `apply`."""
        result: Reals = values * self.scale[:, None] + self.centre[:, None]
        return result

    def part(self, n: int) -> Frame:
        """That of the first windows."""
        return Frame(self.centre[:n], self.scale[:n])


class Frames(NamedTuple):
    """Those of both sides; None where values stay as they are."""

    source: Frame | None
    target: Frame | None


def level(values: NDArray[Any]) -> tuple[Reals, Reals]:
    """Mean and deviation over the time steps of `(n, time, features)`; of what is constant the deviation is 1."""
    mean = values.mean(axis=1)
    return mean, divisor(mean, values.std(axis=1))


def divisor(mean: NDArray[Any], deviation: NDArray[Any]) -> Reals:
    """What values of such a mean and deviation are divided by: 1 where they are constant."""
    result: Reals = np.where(deviation > _SMALLEST * np.abs(mean), deviation, 1.0)
    return result


def frames_of(steps: SeriesSteps, lasts: Rows, plan: WindowPlan, history: NDArray[Any]) -> Frames:
    """The frames of some windows.

    Args:
        steps: of all series.
        lasts: the last step of each history, `(n,)`.
        plan: how windows are cut.
        history: their sources as they are, `(n, history, features)`.
    """
    if plan.scale == "global" and not plan.relative:
        return Frames(None, None)
    is_both = steps.target is steps.source
    source = _frame(steps, lasts, plan, history, 0)
    if is_both:
        return Frames(source, source)
    back = lasts[:, None] + np.arange(1 - plan.history, 1)
    return Frames(source, _frame(steps, lasts, plan, steps.target[back], 1))


def _frame(steps: SeriesSteps, lasts: Rows, plan: WindowPlan, history: NDArray[Any], side: int) -> Frame:
    if plan.scale == "window":
        centre, scale = level(history)
    elif plan.scale == "series":
        assert steps.levels is not None
        series = steps.series_of(lasts)
        centre, scale = steps.levels[side].centre[series], steps.levels[side].scale[series]
    else:
        centre = scale = np.ones((len(history), history.shape[2]))
    return Frame(history[:, -1] if plan.relative else centre, scale)
