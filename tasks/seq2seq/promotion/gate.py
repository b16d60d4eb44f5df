"""Whether a model may serve: the one gate that every flow asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from tasks.seq2seq.promotion.comparison import Comparison
from tasks.seq2seq.settings.evaluation import EvaluationSettings

# A model that answers most sources alike has collapsed, however often that answer is right.
MIN_DISTINCT_SHARE = 0.1


class Verdict(NamedTuple):
    """The gate's answer, and its reason in words."""

    passed: bool
    reason: str


def judge(scores: Mapping[str, Any], settings: EvaluationSettings, comparison: Comparison | None = None) -> Verdict:
    """Passes a model that is right often enough, or near enough, has not collapsed, and is no worse than the promoted.

    Args:
        scores: what an evaluation gives: `TokenScores` or `VectorScores` by name.
        settings: the thresholds.
        comparison: with the promoted model on the same pairs; None where no other is promoted.
    """
    verdict = _judge_alone(scores, settings)
    if comparison is None or not verdict.passed:
        return verdict
    # By the mean, not by the interval: a model that is worse by less than chance could show would pass, and the next
    # night another. On the same pairs the mean can so never sink, whatever number of nights.
    if comparison.gain < -settings.max_drop:
        allowed = f", at most {settings.max_drop:g} is allowed" if settings.max_drop else ""
        return Verdict(False, f"worse than the promoted model: {comparison}{allowed}")
    return Verdict(True, f"{verdict.reason}; {comparison}")


def _judge_alone(scores: Mapping[str, Any], settings: EvaluationSettings) -> Verdict:
    if not scores["n_evaluated"]:
        return Verdict(False, "nothing was evaluated")
    verdict = _judge_vectors(scores, settings) if "mae" in scores else _judge_tokens(scores, settings)
    if verdict.passed and scores["distinct_references"] > 1:
        share = scores["distinct_predictions"] / scores["distinct_references"]
        if scores["distinct_predictions"] == 1 or share < MIN_DISTINCT_SHARE:
            return Verdict(
                False,
                f"collapsed: {scores['distinct_predictions']} distinct prediction(s) where "
                f"{scores['distinct_references']} were expected",
            )
    return verdict


def _judge_tokens(scores: Mapping[str, Any], settings: EvaluationSettings) -> Verdict:
    return _at_least("sequence accuracy", scores["sequence_accuracy"], scores, settings)


def _judge_vectors(scores: Mapping[str, Any], settings: EvaluationSettings) -> Verdict:
    if "nearest_neighbour_accuracy" in scores:
        return _at_least("nearest neighbour accuracy", scores["nearest_neighbour_accuracy"], scores, settings)
    name = "relative_mae_naive" if scores["relative_mae_naive"] is not None else "relative_mae_mean"
    ratio = scores[name]
    if ratio is None:
        return Verdict(False, "no forecast to compare with: all targets are the same")
    limit = settings.max_relative_mae
    passed = ratio < limit
    said = "is below" if passed else "is not below"
    return Verdict(passed, f"{name} {ratio:.4g} of {scores['n_evaluated']} {said} {limit:g}")


def _at_least(what: str, share: float, scores: Mapping[str, Any], settings: EvaluationSettings) -> Verdict:
    limit = settings.min_sequence_accuracy
    passed = share >= limit
    said = "is at least" if passed else "is below"
    return Verdict(passed, f"{what} {share:.4g} of {scores['n_evaluated']} {said} {limit:g}")
