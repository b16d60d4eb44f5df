"""Whether a model may serve: the one gate that every flow asks."""

from __future__ import annotations

from typing import NamedTuple

from tasks.seq2seq.metrics import Scores
from tasks.seq2seq.settings import EvaluationSettings

# A model that answers most sources alike has collapsed, however often that answer is right.
MIN_DISTINCT_SHARE = 0.1


class Verdict(NamedTuple):
    """The gate's answer, and its reason in words."""

    passed: bool
    reason: str


def judge(scores: Scores, settings: EvaluationSettings) -> Verdict:
    """Passes a model that is right often enough and has not collapsed onto few answers."""
    accuracy = f"sequence accuracy {scores.sequence_accuracy:.4g} of {scores.n_evaluated}"
    if scores.sequence_accuracy < settings.min_sequence_accuracy:
        return Verdict(False, f"{accuracy} is below {settings.min_sequence_accuracy:g}")
    if scores.distinct_references > 1:
        share = scores.distinct_predictions / scores.distinct_references
        if scores.distinct_predictions == 1 or share < MIN_DISTINCT_SHARE:
            return Verdict(
                False,
                f"collapsed: {scores.distinct_predictions} distinct prediction(s) where "
                f"{scores.distinct_references} were expected",
            )
    return Verdict(True, f"{accuracy} is at least {settings.min_sequence_accuracy:g}")
