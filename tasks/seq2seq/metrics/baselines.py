"""The simple forecasts that a model is held against: each of the past of a window only, and nothing is learned.

A step of the past that is not there, or was only filled in, is NaN in all its features; no forecast is made of it.

Source: R. J. Hyndman, G. Athanasopoulos, "Forecasting: principles and practice", 3rd edition (2021), section 5.2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]

# The forecasts by their names, with what each does; the last is of pairs, whose sources may be anything.
BASELINES = {
    "last_value": "repeating the last value",
    "seasonal": "repeating the last season",
    "drift": "going on with the line through the first and the last value",
    "mean": "repeating the mean of the history",
    "training_mean": "always saying the mean of the training data",
}


def simple_forecasts(past: NDArray[Any], history: int, horizon: int, season: int) -> dict[str, Reals]:
    """What the four simple forecasts say of windows, `(n, horizon, features)` each, by their names.

    Args:
        past: `(n, time, features)`, up to the step before the horizon; of the last `history` steps at least one is
            there.
        history: time steps that the last value, the drift and the mean are of; more than there are means all.
        horizon: steps to forecast.
        season: steps of a season; with 1, where none is known, there is no seasonal forecast.
    """
    recent = past[:, -history:]
    found = {
        "last_value": np.repeat(_last(recent)[:, None], horizon, axis=1),
        "drift": drift_forecast(recent, horizon),
        "mean": np.repeat(np.nanmean(recent, axis=1, keepdims=True), horizon, axis=1),
    }
    if season > 1:
        found["seasonal"] = seasonal_forecast(past, horizon, season)
    return {name: found[name] for name in BASELINES if name in found}


def seasonal_forecast(past: NDArray[Any], horizon: int, season: int) -> Reals:
    """The last season of `(n, time, features)`, repeated: `(n, horizon, features)`.

    Step h, counted from 1, is y[t + h - season * ceil(h / season)], where t is the last time step; the last value where
    that step is not there.

    Raises:
        ValueError: there are fewer time steps than a season has.
    """
    time = past.shape[1]
    if not 1 <= season <= time:
        raise ValueError(f"a season of {season} steps, expected 1..{time}: there are {time} steps")
    found = past[:, time - season + np.arange(horizon) % season]
    result: Reals = np.where(np.isnan(found), _last(past)[:, None], found)
    return result


def drift_forecast(history: NDArray[Any], horizon: int) -> Reals:
    """The line through the first and the last value of `(n, time, features)` goes on: `(n, horizon, features)`.

    Step h, counted from 1, is y[t] + h (y[t] - y[1]) / (t - 1), where t is the last time step; of a single value it is
    that value.
    """
    first, last = _ends(history)
    rows = np.arange(len(history))
    rise, run = history[rows, last] - history[rows, first], np.maximum(last - first, 1)
    ahead = np.arange(1, horizon + 1) + (history.shape[1] - 1 - last)[:, None]  # n x horizon, from the last value
    result: Reals = history[rows, last][:, None] + ahead[..., None] * (rise / run[:, None])[:, None]
    return result


def _last(past: NDArray[Any]) -> Reals:
    """The last value that is there, `(n, features)`."""
    result: Reals = past[np.arange(len(past)), _ends(past)[1]]
    return result


def _ends(past: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first and the last time step that is there, `(n,)` each."""
    is_there = ~np.isnan(past[:, :, 0])
    return is_there.argmax(axis=1), past.shape[1] - 1 - is_there[:, ::-1].argmax(axis=1)
