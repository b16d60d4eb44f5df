"""Whether a model may serve: the one gate that every flow asks.

Its rules are a table. docs/adding.md shows how one is added.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tasks.seq2seq.metrics.baselines import BASELINES
from tasks.seq2seq.metrics.metric import Scores
from tasks.seq2seq.metrics.table import leading_metric
from tasks.seq2seq.promotion.comparison import Comparison
from tasks.seq2seq.settings.evaluation import EvaluationSettings

# A model that answers most sources alike has collapsed, however often that answer is right.
MIN_DISTINCT_SHARE = 0.1


class Verdict(NamedTuple):
    """The gate's answer, and its reason in words."""

    passed: bool
    reason: str


class Candidate(NamedTuple):
    """What the gate looks at.

    scores: what an evaluation gives, by the names of the metrics.
    settings: the thresholds.
    comparison: with the promoted model on the same pairs; None where no other is promoted.
    """

    scores: Scores
    settings: EvaluationSettings
    comparison: Comparison | None = None


# What a rule finds of a candidate; None where it has nothing to say.
Rule = Callable[[Candidate], Verdict | None]


def was_evaluated(candidate: Candidate) -> Verdict | None:
    """A model is not promoted unseen."""
    return None if candidate.scores["n_evaluated"] else Verdict(False, "nothing was evaluated")


def is_good_enough(candidate: Candidate) -> Verdict:
    """The metric that stands for the evaluation reaches its threshold."""
    return GOALS[leading_metric(candidate.scores).name](candidate.scores, candidate.settings)


def has_not_collapsed(candidate: Candidate) -> Verdict | None:
    """Different references have different predictions."""
    predicted, expected = (candidate.scores[f"distinct_{name}"] for name in ("predictions", "references"))
    if expected <= 1 or (predicted > 1 and predicted / expected >= MIN_DISTINCT_SHARE):
        return None
    return Verdict(False, f"collapsed: {predicted} distinct prediction(s) where {expected} were expected")


def is_no_worse(candidate: Candidate) -> Verdict | None:
    """On the same pairs it is no worse than the promoted model."""
    comparison, max_drop = candidate.comparison, candidate.settings.max_drop
    if comparison is None:
        return None
    # By the mean, not by the interval: a model that is worse by less than chance could show would pass, and the next
    # night another. On the same pairs the mean can so never sink, whatever number of nights.
    if comparison.gain < -max_drop:
        allowed = f", at most {max_drop:g} is allowed" if max_drop else ""
        return Verdict(False, f"worse than the promoted model: {comparison}{allowed}")
    return Verdict(True, str(comparison))


# Asked in this order; the first that refuses is the reason.
RULES: tuple[Rule, ...] = (
    was_evaluated,
    is_good_enough,
    has_not_collapsed,
    is_no_worse,
)


def judge(scores: Scores, settings: EvaluationSettings, comparison: Comparison | None = None) -> Verdict:
    """Passes a model that is right often enough, or near enough, has not collapsed, and is no worse than the promoted.

    Args:
        scores: what an evaluation gives, by the names of the metrics.
        settings: the thresholds.
        comparison: with the promoted model on the same pairs; None where no other is promoted.
    """
    candidate, reasons = Candidate(scores, settings, comparison), []
    for rule in RULES:
        verdict = rule(candidate)
        if verdict is None:
            continue
        if not verdict.passed:
            return verdict
        reasons.append(verdict.reason)
    return Verdict(True, "; ".join(reasons))


def _at_least(metric: str) -> Callable[[Scores, EvaluationSettings], Verdict]:
    """The goal of a share that is to be reached."""

    def reach(scores: Scores, settings: EvaluationSettings) -> Verdict:
        share, limit = scores[metric], settings.min_sequence_accuracy
        passed = share >= limit
        found = f"{metric.replace('_', ' ')} {share:.4g} of {scores['n_evaluated']}"
        return Verdict(passed, f"{found} {'is at least' if passed else 'is below'} {limit:g}")

    return reach


def _below_the_simple_forecasts(scores: Scores, settings: EvaluationSettings) -> Verdict:
    """The goal of a forecast: less error than the best of the simple ones on the same sequences."""
    ratio, best, limit = scores["relative_mae"], scores["baseline"], settings.max_relative_mae
    if best is None:
        return Verdict(False, "no simple forecast to compare with")
    if ratio is None:
        return Verdict(False, f"no forecast can be better than {BASELINES[best]}, which makes no error here")
    passed = ratio < limit
    found = f"relative_mae {ratio:.4g} of {scores['n_evaluated']}, against {BASELINES[best]},"
    return Verdict(passed, f"{found} {'is below' if passed else 'is not below'} {limit:g}")


# What each metric that can stand for an evaluation has to reach.
GOALS: dict[str, Callable[[Scores, EvaluationSettings], Verdict]] = {
    "sequence_accuracy": _at_least("sequence_accuracy"),
    "nearest_neighbour_accuracy": _at_least("nearest_neighbour_accuracy"),
    "relative_mae": _below_the_simple_forecasts,
}
