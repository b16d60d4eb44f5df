"""Windows of series: a history as the source, the horizon after it as the target, split by time.

The steps of all series lie one after the other, each in its `slot`: two neighbours in time have slots that follow each
other, and a gap, or the border of a series, leaves slots free. So a run of n steps is whole where its slots are n - 1
apart, and a window is named by its `last`, the number of the last step of its history. A window belongs to the split in
whose time its whole horizon lies; its history may reach back into the time before. A window whose horizon lies across
a cut belongs to none.
"""

from __future__ import annotations

import itertools
import operator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Pairs, Rows
from tasks.seq2seq.data.window_frames import Frames, WindowScale, divisor, frames_of

Values = NDArray[Any]
Reals = NDArray[np.float64]
BETWEEN = 2  # slots, at least, from the last one of a series to the first one of the next


@dataclass(frozen=True)
class Levels:
    """Mean and deviation of each series, of each feature of its training steps, `(series, features)`."""

    centre: Reals
    scale: Reals


def measure_levels(values: Reals, series: Rows, n_series: int) -> Levels:
    """Mean and deviation of each series; of one without a step, 0 and 1.

    Args:
        values: of steps, `(steps, features)`.
        series: the number of each step's series, `(steps,)`.
        n_series: how many there are.
    """
    counts = np.maximum(np.bincount(series, minlength=n_series), 1)[:, None]
    mean = _sums(values, series, n_series) / counts
    deviation = np.sqrt(_sums((values - mean[series]) ** 2, series, n_series) / counts)
    return Levels(mean, divisor(mean, deviation))


def _sums(values: Reals, series: Rows, n_series: int) -> Reals:
    return np.stack([np.bincount(series, column, minlength=n_series) for column in values.T], axis=1)


@dataclass(frozen=True)
class SeriesSteps:
    """The time steps of series, one series after the other, in the order of time; a step that is missing is not there.

    source, target: integers `(steps,)`, or vectors `(steps, features)`.
    slots: see above, `(steps,) int64`, ascending.
    firsts: the number of each series' first step, and behind them that of all steps, `(series + 1,)`.
    ahead: what is known of a step beforehand, `(steps, features)`; no features where nothing is.
    filled: steps that were missing and are filled, `(steps,) bool`; None where gaps are not filled.
    levels: those of sources and of targets, where windows are scaled by their series.
    static: what is known of each series, `(series, features)`; no features where nothing is.
    """

    source: Values
    target: Values
    slots: Rows
    firsts: Rows
    ahead: Reals
    filled: NDArray[np.bool_] | None = None
    levels: tuple[Levels, Levels] | None = None
    static: Reals | None = None

    def __len__(self) -> int:
        return len(self.slots)

    def series_of(self, steps: Rows) -> Rows:
        """The number of the series of some steps, `(n,)`."""
        found: Rows = np.searchsorted(self.firsts, steps, side="right") - 1
        return found


@dataclass(frozen=True)
class WindowPlan:
    """How windows are cut.

    history, horizon: time steps of a source, and of a target.
    stride: time steps from one window to the next, counted from the first that a series may have.
    relative: whether values are differences from the last one of the history.
    scale: what values are measured by.
    """

    history: int
    horizon: int
    stride: int = 1
    relative: bool = False
    scale: WindowScale = "global"


class Windows(NamedTuple):
    """Windows that were cut, and what their values were taken from and divided by."""

    pairs: Pairs
    frames: Frames


def cuts_in_time(n_steps: int, validation_fraction: float, test_fraction: float) -> tuple[int, int]:
    """The first time steps of validation and of test; training is before them."""
    test = n_steps - round(n_steps * test_fraction)
    return max(0, test - round(n_steps * validation_fraction)), test


def fractions_with_windows(
    n_steps: int, fractions: tuple[float, float], history: int, horizon: int
) -> tuple[float, float] | None:
    """Fractions for validation and test by which a series of so many steps has a window in each split, and in training.

    Args:
        n_steps: of the series, all of them usable.
        fractions: for validation and for test; one that is 0 stays so.
        history: time steps of a source.
        horizon: time steps of a target.

    Returns:
        The same where they do, else with the least that do in place of one or both, hundredths if possible; None where
        none do.
    """
    for unit in (100, 10_000):
        least = next((i / unit for i in range(1, unit) if round(n_steps * i / unit) >= horizon), 1.0)
        wanted = [(fraction, least) if fraction else (0.0,) for fraction in fractions]
        for pair in sorted(itertools.product(*wanted), key=lambda pair: sum(map(operator.ne, pair, fractions))):
            if _has_windows(cuts_in_time(n_steps, *pair), n_steps, pair, history, horizon):
                return pair[0], pair[1]
    return None


def _has_windows(cuts: tuple[int, int], n_steps: int, fractions: tuple[float, ...], history: int, horizon: int) -> bool:
    """Whether there is a window in each split that is wanted."""
    lengths = (cuts[1] - cuts[0], n_steps - cuts[1])
    is_held_out = all(not wanted or n >= horizon for wanted, n in zip(fractions, lengths, strict=True))
    return is_held_out and cuts[0] >= history + horizon


def find_lasts(steps: SeriesSteps, plan: WindowPlan, horizon: int, lengths: Rows | None = None) -> Rows:
    """The windows whose steps are all there, and none of whose horizon is filled, `(n,)`, ascending.

    Args:
        steps: of all series.
        plan: how windows are cut.
        horizon: time steps that must be there after the history: the plan's, or none.
        lengths: slots of each series before its first step, `(series,)`; None means none.
    """
    slots, history = steps.slots, plan.history
    lasts = np.arange(history - 1, len(slots) - horizon)
    is_whole = slots[lasts + horizon] - slots[lasts + 1 - history] == history + horizon - 1
    if steps.filled is not None and horizon:
        filled = np.concatenate([[0], np.cumsum(steps.filled)])
        is_whole &= filled[lasts + horizon + 1] == filled[lasts + 1]
    if plan.stride > 1:
        before = np.zeros(len(steps.firsts) - 1, np.int64) if lengths is None else lengths
        series = steps.series_of(lasts)
        since = slots[lasts] - slots[steps.firsts[series]] + before[series] + 1
        is_whole &= (since - history) % plan.stride == 0
    found: Rows = lasts[is_whole]
    return found


def lasts_within(steps: SeriesSteps, lasts: Rows, horizon: int, first: Rows, end: Rows) -> Rows:
    """Windows whose horizon lies whole in a time of their series.

    Args:
        steps: of all series.
        lasts: as `find_lasts` gives them, `(n,)`.
        horizon: time steps of a target.
        first: the first slot of that time, of each series, `(series,)`.
        end: the one after its last, likewise.
    """
    series, slots = steps.series_of(lasts), steps.slots[lasts]
    return lasts[(slots + 1 >= first[series]) & (slots + horizon < end[series])]


def cut_windows(steps: SeriesSteps, lasts: Rows, plan: WindowPlan, *, horizon: int | None = None) -> Windows:
    """Some windows.

    A step of a source is the source's own features; where vectors have more: what is known ahead of the step, 1 where
    it was filled, and what is known of its series.

    Args:
        steps: of all series.
        lasts: as `find_lasts` gives them, `(n,)`.
        plan: how they are cut.
        horizon: time steps of targets; None means the plan's.
    """
    n_ahead = plan.horizon if horizon is None else horizon
    back, onward = lasts[:, None] + np.arange(1 - plan.history, 1), lasts[:, None] + np.arange(1, n_ahead + 1)
    source, target = steps.source[back], steps.target[onward]
    frames = frames_of(steps, lasts, plan, source)
    if frames.source is not None:
        source = frames.source.apply(source)
    if frames.target is not None:
        target = frames.target.apply(target)
    pairs = Pairs.of_rows(_with_beside(steps, source, lasts, back), target)
    if steps.ahead.shape[1]:
        pairs = pairs.with_ahead(steps.ahead[onward])
    return Windows(pairs, frames)


def _with_beside(steps: SeriesSteps, source: Values, lasts: Rows, back: Rows) -> Values:
    parts: list[Values] = [source]
    if steps.ahead.shape[1]:
        parts.append(steps.ahead[back])
    if steps.filled is not None:
        parts.append(steps.filled[back][..., None])
    if steps.static is not None and steps.static.shape[1]:
        of_series = steps.static[steps.series_of(lasts)]
        parts.append(np.broadcast_to(of_series[:, None], (*back.shape, of_series.shape[1])))
    return source if len(parts) == 1 else np.concatenate(parts, axis=2)


def recent_steps(steps: SeriesSteps, lasts: Rows, n_steps: int, history: int) -> Reals:
    """The last target values before each horizon, `(n, n_steps, features)`; NaN where there are none.

    Steps that were filled are none either, unless the last `history` are all filled.
    """
    series = steps.series_of(lasts)
    wanted = steps.slots[lasts][:, None] + np.arange(1 - n_steps, 1)
    found = np.searchsorted(steps.slots, wanted)
    is_there = (steps.slots[found] == wanted) & (found >= steps.firsts[series][:, None])
    if steps.filled is not None:
        observed = is_there & ~steps.filled[found]
        is_there = np.where(observed[:, -history:].any(axis=1, keepdims=True), observed, is_there)
    return np.where(is_there[..., None], steps.target[found], np.nan)
