"""How good forecasts of quantiles are: what they cost, and whether as many values lie between two as should.

Sources: the pinball loss, R. Koenker, G. Bassett, "Regression quantiles", Econometrica 46 (1978); the weighted quantile
loss, D. Salinas et al., "DeepAR: probabilistic forecasting with autoregressive recurrent networks", International
Journal of Forecasting 36 (2020).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.data.quantiles import MEDIAN, Interval, Quantiles, intervals_of
from tasks.seq2seq.errors import DataError, TrainingError
from tasks.seq2seq.metrics.accumulators import Reals, finite
from tasks.seq2seq.metrics.metric import Metric, Scores, VectorTarget, write_number


def pinball_losses(references: Reals, forecasts: Reals, quantile: float) -> Reals:
    """Q (y - f) where the value y came above the forecast f, and (1 - q) (f - y) where it came below."""
    error = references - forecasts
    result: Reals = np.maximum(quantile * error, (quantile - 1) * error)
    return result


class QuantileScorer:
    """Scores quantiles against what came, a batch at a time; sums are kept by step of the horizon.

    A value that is equal to an end of an interval lies in it. All features count alike.
    """

    def __init__(self, quantiles: Quantiles) -> None:
        """Takes the quantiles that are forecast, ascending."""
        self._quantiles, self._intervals = quantiles, intervals_of(quantiles)
        self._n, self._n_values = 0, 0
        # Sums over rows and features, `(horizon,)` each.
        self._losses = dict.fromkeys(quantiles, np.zeros(0))
        self._inside, self._widths = ({each: np.zeros(0) for each in self._intervals} for _ in range(2))
        self._sizes = np.zeros(0)

    @classmethod
    def of(cls, target: VectorTarget) -> Self:
        """A scorer of a target of vectors."""
        return cls(target.quantiles)

    def add(
        self,
        references: NDArray[Any],
        predictions: NDArray[Any],
        quantiles: Mapping[float, NDArray[Any]],
        **_beside: object,
    ) -> None:
        """Counts a batch: what came, the median, and the other quantiles, `(n, horizon, features)` each.

        Raises:
            TrainingError: if a forecast is not finite.
            DataError: if a reference is not finite.
            ValueError: if shapes differ.
        """
        truth = finite("reference", references, references.shape, DataError, self._n)
        given = {**quantiles, MEDIAN: predictions}
        forecasts = {
            quantile: finite(f"quantile {quantile}", given[quantile], references.shape, TrainingError, self._n)
            for quantile in self._quantiles
        }
        if len(truth):
            self._add(truth, forecasts)

    def _add(self, truth: Reals, forecasts: Mapping[float, Reals]) -> None:
        if not self._n:
            zeros = np.zeros(truth.shape[1])
            self._losses = dict.fromkeys(self._losses, zeros)
            self._inside, self._widths = (dict.fromkeys(self._intervals, zeros) for _ in range(2))
            self._sizes = zeros
        for quantile, forecast in forecasts.items():
            self._losses[quantile] = self._losses[quantile] + _by_step(pinball_losses(truth, forecast, quantile))
        for interval in self._intervals:
            low, high = forecasts[interval.low], forecasts[interval.high]
            self._inside[interval] = self._inside[interval] + _by_step((low <= truth) & (truth <= high))
            self._widths[interval] = self._widths[interval] + _by_step(high - low)
        self._sizes = self._sizes + _by_step(np.abs(truth))
        self._n += len(truth)
        self._n_values += len(truth) * truth.shape[2]

    def pinball_by_step(self) -> list[float] | None:
        """The pinball loss at each step of the horizon, in the mean over quantiles."""
        if not self._n:
            return None
        means: list[float] = (self._mean_losses() / self._n_values).tolist()
        return means

    def pinball(self) -> float | None:
        """The pinball loss, in the mean over quantiles and steps."""
        return float((self._mean_losses() / self._n_values).mean()) if self._n else None

    def _mean_losses(self) -> Reals:
        result: Reals = np.mean(list(self._losses.values()), axis=0)
        return result

    def weighted_quantile_loss(self) -> float | None:
        """Twice all pinball losses over all absolute values, in the mean over quantiles; None of values that are 0."""
        size = float(self._sizes.sum())
        return float(2 * self._mean_losses().sum() / size) if size else None

    def coverage(self) -> dict[str, float] | None:
        """The share of values in each interval, by its nominal share."""
        return self._of_intervals(self._inside)

    def width(self) -> dict[str, float] | None:
        """The mean width of each interval, by its nominal share."""
        return self._of_intervals(self._widths)

    def coverage_by_step(self) -> dict[str, list[float]] | None:
        """`coverage` at each step of the horizon."""
        return self._of_intervals_by_step(self._inside)

    def width_by_step(self) -> dict[str, list[float]] | None:
        """`width` at each step of the horizon."""
        return self._of_intervals_by_step(self._widths)

    def _of_intervals(self, sums: Mapping[Interval, Reals]) -> dict[str, float] | None:
        by_step = self._of_intervals_by_step(sums)
        return None if by_step is None else {name: float(np.mean(means)) for name, means in by_step.items()}

    def _of_intervals_by_step(self, sums: Mapping[Interval, Reals]) -> dict[str, list[float]] | None:
        if not self._n:
            return None
        return {interval.name: (sums[interval] / self._n_values).tolist() for interval in self._intervals}


def _by_step(values: NDArray[Any]) -> Reals:
    """Sums over rows and features of `(n, horizon, features)`, `(horizon,)`."""
    result: Reals = values.sum(axis=(0, 2), dtype=np.float64)
    return result


def _metric(name: str, value: Callable[[QuantileScorer], Any], meaning: str, **words: Any) -> Metric:  # noqa: ANN401 - the metric's
    return Metric(
        name, "vectors", QuantileScorer.of, value, meaning, is_wanted=lambda target: bool(target.quantiles), **words
    )


def _losses_line(scores: Scores) -> str:
    return (
        f"  quantiles: pinball loss {write_number(scores['pinball_loss'])}, weighted quantile loss "
        f"{write_number(scores['weighted_quantile_loss'])}"
    )


def _coverage_line(scores: Scores) -> str:
    """Of each interval what it covers, held against what it should."""
    widths = scores["interval_width"]
    found = [
        f"{100 * float(nominal):g} % interval covers {100 * covered:.1f} %, mean width {write_number(widths[nominal])}"
        for nominal, covered in scores["interval_coverage"].items()
    ]
    return f"  {'; '.join(found) or 'no interval: all quantiles lie on one side of the median'}"


QUANTILE_METRICS = (
    _metric(
        "pinball_loss",
        QuantileScorer.pinball,
        'the pinball loss, in the mean over the quantiles; with `training.loss = "quantile"`, as the rest of these',
        line=_losses_line,
    ),
    _metric(
        "weighted_quantile_loss",
        QuantileScorer.weighted_quantile_loss,
        "twice the pinball losses over the absolute values, added up each, in the mean over the quantiles; null where "
        "all values are 0",
    ),
    _metric(
        "interval_coverage",
        QuantileScorer.coverage,
        "the share of values that lie in each interval, by the share that should (0.8 between the quantiles 0.1 and "
        "0.9); a model that knows its errors has the two alike",
        line=_coverage_line,
    ),
    _metric("interval_width", QuantileScorer.width, "the mean width of each interval, by the same key"),
    _metric("pinball_loss_by_step", QuantileScorer.pinball_by_step, "`pinball_loss` at each step of the horizon"),
    _metric(
        "interval_coverage_by_step", QuantileScorer.coverage_by_step, "`interval_coverage` at each step of the horizon"
    ),
    _metric("interval_width_by_step", QuantileScorer.width_by_step, "`interval_width` at each step of the horizon"),
)
