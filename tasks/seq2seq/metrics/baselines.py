"""The four simple forecasts that a model is held against: each of the history of a window alone, nothing is learned.

Source: R. J. Hyndman, G. Athanasopoulos, "Forecasting: principles and practice", 3rd edition (2021), section 5.2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.metrics.forecasts import naive_forecast, seasonal_naive_forecast

# A history `(n, time, features)`, the steps to forecast and those of a season, to `(n, horizon, features)`.
Baseline = Callable[[NDArray[Any], int, int], NDArray[Any]]


def drift_forecast(history: NDArray[Any], horizon: int) -> NDArray[Any]:
    """The line through the first and the last value of `(n, time, features)` goes on: `(n, horizon, features)`.

    Step h, counted from 1, is y[t] + h (y[t] - y[1]) / (t - 1), where t is the last time step; of a history of one step
    it is that value.
    """
    time = history.shape[1]
    slope = (history[:, -1] - history[:, 0]) / max(time - 1, 1)  # n x features
    ahead = np.arange(1, horizon + 1)[:, None]
    result: NDArray[Any] = history[:, -1:] + ahead * slope[:, None]
    return result


def mean_forecast(history: NDArray[Any], horizon: int) -> NDArray[Any]:
    """The mean over the time steps of `(n, time, features)`, repeated: `(n, horizon, features)`."""
    return np.repeat(history.mean(axis=1, keepdims=True), horizon, axis=1)


BASELINES: dict[str, Baseline] = {
    "last value": lambda history, horizon, _season: naive_forecast(history, horizon),
    "seasonal": seasonal_naive_forecast,
    "drift": lambda history, horizon, _season: drift_forecast(history, horizon),
    "mean": lambda history, horizon, _season: mean_forecast(history, horizon),
}


def baseline_forecasts(history: NDArray[Any], horizon: int, season: int) -> dict[str, NDArray[Any]]:
    """What each baseline forecasts, by its name; without the seasonal one where the history is shorter than a season.

    Args:
        history: `(n, time, features)`, at least one step.
        horizon: steps to forecast.
        season: steps of a season; of 1, the seasonal forecast is the last value.
    """
    able = {name: make for name, make in BASELINES.items() if name != "seasonal" or season <= history.shape[1]}
    return {name: make(history, horizon, season) for name, make in able.items()}
