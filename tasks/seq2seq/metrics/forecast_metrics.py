"""The metrics of forecasts, in the target's units; errors are None where nothing was evaluated."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tasks.seq2seq.metrics.accumulators import VectorCounts, score
from tasks.seq2seq.metrics.forecasts import VectorScorer
from tasks.seq2seq.metrics.metric import Headline, Metric, Scores, write_number


def _scored(name: str, value: Callable[[VectorScorer], Any], meaning: str, **words: Any) -> Metric:  # noqa: ANN401 - the metric's
    """A metric of an evaluation only."""
    return Metric(name, "vectors", VectorScorer.of, value, meaning, **words)


def _counted(name: str, rate: Callable[[VectorCounts], Any], meaning: str, **words: Any) -> Metric:  # noqa: ANN401 - the metric's
    """A metric that follows from `VectorCounts`."""
    return Metric(name, "vectors", VectorScorer.of, lambda scorer: rate(scorer.counts), meaning, rate=rate, **words)


def _root_mean_square(counts: VectorCounts) -> float | None:
    mean = score(counts.squared, counts.n_values)
    return None if mean is None else math.sqrt(mean)


def _errors_line(scores: Scores) -> str:
    return (
        f"mean absolute error {write_number(scores['mae'])} over {scores['n_evaluated']} held-out sequences, RMSE "
        f"{write_number(scores['rmse'])}, sMAPE {write_number(scores['smape'])} %, MASE {write_number(scores['mase'])}"
    )


def _relative_line(scores: Scores) -> str:
    baselines = {"naive": "naive", "seasonal_naive": "seasonal naive", "mean": "mean"}
    ratios = [f"{words} {write_number(scores[f'relative_mae_{name}'])}" for name, words in baselines.items()]
    return f"  error over that of a forecast by: {', '.join(ratios)}"


def _relative_headline(scores: Scores) -> Headline:
    name = "naive" if scores["relative_mae_naive"] is not None else "mean"
    ratio = scores[f"relative_mae_{name}"]
    return Headline(
        "none" if ratio is None else f"{ratio:.3f}",
        f"times the error of the {name} forecast, over {scores['n_evaluated']} held-out sequences",
    )


FORECAST_METRICS = (
    _counted("n_evaluated", lambda counts: counts.n, "how many sequences were evaluated"),
    _counted(
        "mae",
        lambda counts: score(counts.absolute, counts.n_values),
        "the mean absolute error",
        line=_errors_line,
        better="minimize",
    ),
    _scored(
        "mae_interval",
        VectorScorer.mae_interval,
        "the 95 % interval of `mae` by how it differs between sequences, low and high end; null of a single one",
    ),
    _counted(
        "rmse",
        _root_mean_square,
        "the root of the mean squared error",
        better="minimize",
    ),
    _counted(
        "smape",
        lambda counts: score(counts.percentage, counts.n_values),
        "the symmetric mean absolute percentage error, in [0, 200] percent",
        better="minimize",
    ),
    _scored(
        "mase",
        VectorScorer.mase,
        "the error over that of the naive forecast within the training split; below 1 is better than that",
        better="minimize",
    ),
    _scored(
        "relative_mae_naive",
        lambda scorer: scorer.relative_mae("naive"),
        "the error over that of repeating the last value; null without that forecast, or where it makes no error",
        line=_relative_line,
        headline=_relative_headline,
        better="minimize",
    ),
    _scored(
        "relative_mae_seasonal_naive",
        lambda scorer: scorer.relative_mae("seasonal_naive"),
        "the error over that of repeating the last season",
        better="minimize",
    ),
    _scored(
        "relative_mae_mean",
        lambda scorer: scorer.relative_mae("mean"),
        "the error over that of always saying the training mean",
        better="minimize",
    ),
    _scored("mae_by_step", VectorScorer.mae_by_step, "`mae` at each step of the horizon"),
    _scored("rmse_by_step", VectorScorer.rmse_by_step, "`rmse` at each step of the horizon"),
    _scored("smape_by_step", VectorScorer.smape_by_step, "`smape` at each step of the horizon"),
    _scored(
        "relative_mae_naive_by_step",
        lambda scorer: scorer.relative_mae_by_step("naive"),
        "`relative_mae_naive` at each step of the horizon",
    ),
    _scored("mae_by_feature", VectorScorer.mae_by_feature, "`mae` of each feature"),
    _scored(
        "distinct_predictions",
        lambda scorer: scorer.distinct_predictions,
        "how many predictions are different, to 6 significant digits",
    ),
    _scored(
        "distinct_references",
        lambda scorer: scorer.distinct_references,
        "how many references are different, to 6 significant digits",
    ),
    _scored("majority_baseline", VectorScorer.majority_baseline, "the share of the commonest reference"),
)
