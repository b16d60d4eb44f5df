"""Windows of a series: a history as the source, the horizon after it as the target, split by time.

An origin is the number of the first time step of a horizon. A window belongs to the split in whose time
its whole horizon lies; its history may reach back into the time before. A window whose horizon lies across
a cut belongs to none.
"""

from __future__ import annotations

import itertools
import operator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Pairs, Rows

Steps = NDArray[Any]


@dataclass(frozen=True)
class Series:
    """The time steps of one file.

    source, target: integers `(time,)`, or vectors `(time, features)`.
    usable: which time steps can be used, `(time,) bool`.
    """

    source: Steps
    target: Steps
    usable: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.usable)


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


def find_origins(usable: NDArray[np.bool_], history: int, horizon: int, stride: int) -> Rows:
    """Origins of windows without an unusable time step, `(n,) int64`, ascending."""
    origins = np.arange(history, len(usable) - horizon + 1, stride)
    faults = np.concatenate([[0], np.cumsum(~usable)])
    fine: Rows = origins[faults[origins + horizon] == faults[origins - history]]
    return fine


def origins_within(origins: Rows, horizon: int, first: int, last: int) -> Rows:
    """Origins whose horizon lies whole in the time steps `first` up to, but not including, `last`."""
    return origins[(origins >= first) & (origins + horizon <= last)]


def cut_windows(series: Series, origins: Rows, history: int, horizon: int, *, relative: bool = False) -> Pairs:
    """The windows at some origins.

    Args:
        series: the time steps.
        origins: as `find_origins` gives them, `(n,)`.
        history: time steps of a source.
        horizon: time steps of a target.
        relative: gives differences from the last time step of the history, by feature.
    """
    source = series.source[origins[:, None] + np.arange(-history, 0)]
    target = series.target[origins[:, None] + np.arange(horizon)]
    if relative:
        source = source - source[:, -1:]
        target = target - series.target[origins - 1][:, None]
    return Pairs.of_rows(source, target)


def recent_steps(series: Series, origins: Rows, n_steps: int) -> NDArray[np.float64]:
    """The last target values before each origin, `(n, n_steps, features)`; NaN where there are none."""
    before = np.full((n_steps, *series.target.shape[1:]), np.nan)
    values = np.concatenate([before, np.where(series.usable[:, None], series.target, np.nan)])
    result: NDArray[np.float64] = values[origins[:, None] + np.arange(n_steps)]
    return result
