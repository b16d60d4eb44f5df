"""The metrics of forecasts, in the target's units; errors are None where nothing was evaluated."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tasks.seq2seq.metrics.accumulators import VectorCounts, score
from tasks.seq2seq.metrics.baselines import BASELINES
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
    if scores["baseline"] is None:
        return "  no simple forecast to compare with"
    errors = [f"{name.replace('_', ' ')} {write_number(error)}" for name, error in scores["baseline_mae"].items()]
    best = scores["baseline"].replace("_", " ")
    return (
        f"  error over that of the best simple forecast, {best}: {write_number(scores['relative_mae'])} "
        f"(mean absolute errors: {', '.join(errors)})"
    )


def _relative_headline(scores: Scores) -> Headline:
    ratio, best = scores["relative_mae"], scores["baseline"]
    which = "the best simple forecast" if best is None else f"the best simple forecast, {BASELINES[best]}"
    return Headline(
        "none" if ratio is None else f"{ratio:.3f}",
        f"times the error of {which}, over {scores['n_evaluated']:,} held-out sequences",
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
        "relative_mae",
        VectorScorer.relative_mae,
        "the error over that of the best simple forecast on the same sequences, which `baseline` names; below 1 is "
        "better than that; null without one, or where it makes no error",
        line=_relative_line,
        headline=_relative_headline,
        better="minimize",
    ),
    _scored(
        "baseline",
        VectorScorer.best_baseline,
        "the simple forecast that errs least: the last value, the season before, the drift or the mean of the history; "
        "of pairs the last value or the mean in training; null without one",
    ),
    _scored(
        "baseline_mae",
        VectorScorer.baseline_mae,
        "the mean absolute error of each simple forecast, by its name; null without one",
    ),
    _scored("mae_by_step", VectorScorer.mae_by_step, "`mae` at each step of the horizon"),
    _scored("rmse_by_step", VectorScorer.rmse_by_step, "`rmse` at each step of the horizon"),
    _scored("smape_by_step", VectorScorer.smape_by_step, "`smape` at each step of the horizon"),
    _scored("baseline_mae_by_step", VectorScorer.baseline_mae_by_step, "`baseline_mae` at each step of the horizon"),
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
