"""How right real-valued targets are: forecast errors, beside those of simple forecasts; original units throughout."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
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
        # Of each baseline the sums of absolute errors, horizon x features; of those that all rows have.
        self._baselines: dict[str, Reals] = {}
        self._references, self._predictions = HashCounts(), HashCounts()

    @classmethod
    def of(cls, target: VectorTarget) -> Self:
        """A scorer of a target of vectors."""
        return cls(target.scale)

    def add(
        self,
        references: NDArray[Any],
        predictions: NDArray[Any],
        baselines: Mapping[str, NDArray[Any]] = MappingProxyType({}),
        **_beside: object,
    ) -> None:
        """Counts a batch: what came, what the model forecast, and what simple forecasts say, by their names.

        All arrays are `(n, horizon, features)`, in original units.

        Raises:
            TrainingError: if a prediction is not finite.
            DataError: if a reference or a baseline is not finite.
            ValueError: if shapes differ.
        """
        shape = (len(references), *(self._sums.shape[1:] if self._n else references.shape[1:]))
        truth = finite("reference", references, shape, DataError, self._n)
        forecast = finite("prediction", predictions, shape, TrainingError, self._n)
        given = {
            name: finite(f"{name} baseline", values, shape, DataError, self._n) for name, values in baselines.items()
        }
        if len(truth):
            self._add(truth, forecast, given)

    def _add(self, truth: Reals, forecast: Reals, baselines: dict[str, Reals]) -> None:
        sums = error_sums(truth, forecast)
        errors = {name: np.abs(truth - baseline).sum(axis=0) for name, baseline in baselines.items()}
        if self._n:
            sums = self._sums + sums
            errors = {name: self._baselines[name] + errors[name] for name in errors if name in self._baselines}
        self._sums, self._baselines = sums, errors
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

    def baseline_mae(self) -> dict[str, float] | None:
        """The mean absolute error of each simple forecast, by its name; None without one."""
        return {name: float(errors.mean()) / self._n for name, errors in self._baselines.items()} or None

    def baseline_mae_by_step(self) -> dict[str, list[float]] | None:
        """The same at each step of the horizon."""
        return {name: (errors.mean(axis=1) / self._n).tolist() for name, errors in self._baselines.items()} or None

    def best_baseline(self) -> str | None:
        """The name of the simple forecast that errs least; None without one."""
        errors = self.baseline_mae() or {}
        return min(errors, key=lambda name: errors[name], default=None)

    def relative_mae(self) -> float | None:
        """The model's error over that of the best simple forecast; None without one, or where that makes no error."""
        best = self.best_baseline()
        errors = None if best is None else self._baselines[best].sum()
        return float(self._sums[0].sum() / errors) if errors else None


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


def _vector_hashes(rows: Reals) -> Hashes:
    """Hashes of rows `(n, horizon, features)` that agree to 6 significant digits, `(n,) uint64`."""
    with np.errstate(divide="ignore"):
        magnitude = np.floor(np.log10(np.abs(rows)))
    # What is too small for its power of ten is 0, as 0 is.
    shift = 10.0 ** (SIGNIFICANT_DIGITS - 1 - np.maximum(magnitude, -300.0))
    rounded = np.rint(rows * shift) / shift + 0.0  # never -0
    return row_hashes(rounded.reshape(len(rows), -1).view(np.int64))
