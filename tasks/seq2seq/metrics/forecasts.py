"""How right real-valued targets are: forecast errors and baselines; original units throughout."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.hashing import Hashes, row_hashes
from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.errors import DataError, TrainingError
from tasks.seq2seq.metrics.accumulators import Reals, VectorCounts, error_sums, finite, score
from tasks.seq2seq.metrics.intervals import Interval, mean_interval
from tasks.seq2seq.metrics.metric import VectorTarget
from tasks.seq2seq.metrics.tokens import HashCounts

SIGNIFICANT_DIGITS = 6


class VectorScorer:
    """Scores forecasts against what came, a batch at a time, in bounded memory.

    Args:
        scale: the in-sample naive MAE of the training split, `(features,)`, for MASE (`NaiveScale` makes it);
            without it, or where an entry is 0, there is no MASE.

    Sources: sMAPE as S. Makridakis et al., "The M4 Competition: 100,000 time series and 61 forecasting
    methods", International Journal of Forecasting 36 (2020) define it: the mean of 200 |y - f| / (|y| + |f|),
    and 0 where both are 0. MASE: R. J. Hyndman and A. B. Koehler, "Another look at measures of forecast
    accuracy", International Journal of Forecasting 22 (2006); the mean over features of MAE / scale.
    """

    def __init__(self, scale: Reals | None = None) -> None:
        self._scale = scale
        self._n = 0
        # Sums over rows of absolute, squared and symmetric percentage errors, horizon x features each.
        self._sums = np.zeros((3, 0, 0))
        # Of the mean absolute error of each row: the mean so far, and the sum of squares about it.
        self._row_mean = self._row_squares = 0.0
        # Of each baseline, the sums of absolute errors over the rows that have it: the model's, the baseline's.
        self._against: dict[str, tuple[Reals, Reals]] = {}
        self._references, self._predictions = HashCounts(), HashCounts()

    @classmethod
    def of(cls, target: VectorTarget) -> Self:
        """A scorer of a target of vectors."""
        return cls(target.scale)

    def add(
        self,
        references: NDArray[Any],
        predictions: NDArray[Any],
        naive: NDArray[Any] | None = None,
        seasonal_naive: NDArray[Any] | None = None,
        mean: NDArray[Any] | None = None,
        **_beside: object,
    ) -> None:
        """Counts a batch: what came, what the model forecast, and what baselines forecast where there are any.

        All arrays are `(n, horizon, features)`, in original units.

        Raises:
            TrainingError: if a prediction is not finite.
            DataError: if a reference or a baseline is not finite.
            ValueError: if shapes differ.
        """
        shape = (len(references), *(self._sums.shape[1:] if self._n else references.shape[1:]))
        truth = finite("reference", references, shape, DataError, self._n)
        forecast = finite("prediction", predictions, shape, TrainingError, self._n)
        baselines = {"naive": naive, "seasonal_naive": seasonal_naive, "mean": mean}
        given = {
            name: finite(f"{name} baseline", values, shape, DataError, self._n)
            for name, values in baselines.items()
            if values is not None
        }
        if len(truth):
            self._add(truth, forecast, given)

    def _add(self, truth: Reals, forecast: Reals, baselines: dict[str, Reals]) -> None:
        sums = error_sums(truth, forecast)
        self._sums = self._sums + sums if self._n else sums
        for name, baseline in baselines.items():
            model_sum, baseline_sum = self._against.get(name, (0.0, 0.0))
            self._against[name] = model_sum + sums[0], baseline_sum + np.abs(truth - baseline).sum(axis=0)
        self._add_rows(np.abs(truth - forecast).mean(axis=(1, 2)))
        self._references.add(_vector_hashes(truth))
        self._predictions.add(_vector_hashes(forecast))
        self._n += len(truth)

    def _add_rows(self, errors: Reals) -> None:
        """Merges the mean and the squares of some rows with those so far.

        Source: T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating formulae and a pairwise algorithm for computing sample
        variances", Technical Report STAN-CS-79-773, Stanford University (1979).
        """
        n, before = len(errors), self._n
        mean = float(errors.mean())
        gap = mean - self._row_mean
        self._row_squares += float(((errors - mean) ** 2).sum()) + gap**2 * before * n / (before + n)
        self._row_mean += gap * n / (before + n)

    @property
    def counts(self) -> VectorCounts:
        """The errors of all values together."""
        return VectorCounts.of_sums(self._n, self._sums)

    @property
    def distinct_references(self) -> int:
        """How many different references came, to 6 significant digits."""
        return self._references.n_distinct

    @property
    def distinct_predictions(self) -> int:
        """How many different predictions came, to 6 significant digits."""
        return self._predictions.n_distinct

    def majority_baseline(self) -> float | None:
        """The share of the commonest reference, in [0, 1]."""
        return score(self._references.highest, self._n)

    def mae_interval(self) -> Interval | None:
        """The 95 % interval of the mean absolute error; None of fewer than two sequences."""
        if self._n < 2:  # noqa: PLR2004 - one alone has no spread
            return None
        return mean_interval(self._row_mean, math.sqrt(self._row_squares / (self._n - 1)), self._n)

    def mae_by_step(self) -> list[float] | None:
        """The mean absolute error at each step of the horizon."""
        return self._means(self._sums[0], over=1)

    def rmse_by_step(self) -> list[float] | None:
        """The root of the mean squared error at each step of the horizon."""
        means = self._means(self._sums[1], over=1)
        return None if means is None else [math.sqrt(mean) for mean in means]

    def smape_by_step(self) -> list[float] | None:
        """The symmetric percentage error at each step of the horizon."""
        return self._means(self._sums[2], over=1)

    def mae_by_feature(self) -> list[float] | None:
        """The mean absolute error of each feature."""
        return self._means(self._sums[0], over=0)

    def _means(self, sums: Reals, over: int) -> list[float] | None:
        if not self._n:
            return None
        means: list[float] = (sums.mean(axis=over) / self._n).tolist()
        return means

    def mase(self) -> float | None:
        """The mean over features of MAE / scale; None without the scale of every feature."""
        if not self._n or self._scale is None or not (self._scale > 0).all():
            return None
        return float((self._sums[0].mean(axis=0) / self._n / self._scale).mean())

    def relative_mae(self, baseline: str) -> float | None:
        """The model's error over that of a baseline, `naive`, `seasonal_naive` or `mean`.

        None where the baseline was not given, or makes no error.
        """
        return _relative(self._against.get(baseline))

    def relative_mae_by_step(self, baseline: str) -> list[float | None] | None:
        """The same at each step of the horizon; None where the baseline was not given."""
        sums = self._against.get(baseline)
        return None if sums is None else [_relative(step) for step in zip(*sums, strict=True)]


class NaiveScale:
    """The mean absolute error, in the training split itself, of forecasting each value by that a season before.

    Source: the denominator of MASE, Hyndman and Koehler (2006).
    """

    def __init__(self, season: int = 1) -> None:
        self._season = season
        self._sum: Reals | None = None
        self._count = 0

    def add(self, series: Sequences) -> None:
        """Counts several series, time steps of `(features,)`; no difference is taken across two of them."""
        values = np.asarray(series.values[series.offsets[0] : series.offsets[-1]], np.float64)
        starts = series.offsets[:-1] - series.offsets[0]
        position = np.arange(len(values)) - np.repeat(starts, series.lengths)
        later = np.flatnonzero(position >= self._season)
        added = np.abs(values[later] - values[later - self._season]).sum(axis=0)
        self._sum = added if self._sum is None else self._sum + added
        self._count += len(later)

    def scale(self) -> Reals:
        """The mean so far, `(features,)`; 0 where no series is longer than the season, `(0,)` before any came."""
        return np.zeros(0) if self._sum is None else self._sum / max(self._count, 1)


def naive_forecast(history: NDArray[Any], horizon: int) -> NDArray[Any]:
    """The last value of `(n, time, features)`, repeated: `(n, horizon, features)`."""
    return seasonal_naive_forecast(history, horizon, season=1)


def seasonal_naive_forecast(history: NDArray[Any], horizon: int, season: int) -> NDArray[Any]:
    """The last season of `(n, time, features)`, repeated: `(n, horizon, features)`.

    Step h, counted from 1, is y[t + h - season * ceil(h / season)], where t is the last time step.

    Raises:
        ValueError: if the history is shorter than the season.
    """
    time = history.shape[1]
    if not 1 <= season <= time:
        raise ValueError(f"a season of {season} steps, expected 1..{time}: the history has {time} steps")
    return history[:, time - season + np.arange(horizon) % season]


def _vector_hashes(rows: Reals) -> Hashes:
    """Hashes of rows `(n, horizon, features)` that agree to 6 significant digits, `(n,) uint64`."""
    with np.errstate(divide="ignore"):
        magnitude = np.floor(np.log10(np.abs(rows)))
    # What is too small for its power of ten is 0, as 0 is.
    shift = 10.0 ** (SIGNIFICANT_DIGITS - 1 - np.maximum(magnitude, -300.0))
    rounded = np.rint(rows * shift) / shift + 0.0  # never -0
    return row_hashes(rounded.reshape(len(rows), -1).view(np.int64))


def _relative(sums: tuple[Any, Any] | None) -> float | None:
    """The model's error over the baseline's; None without a baseline or where that makes no error."""
    if sums is None or not np.sum(sums[1]):
        return None
    return float(np.sum(sums[0]) / np.sum(sums[1]))
