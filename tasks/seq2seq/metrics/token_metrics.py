"""The metrics of predicted token sequences; shares are in [0, 1], and None where nothing was evaluated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tasks.seq2seq.metrics.accumulators import TokenCounts, score
from tasks.seq2seq.metrics.intervals import Interval, wilson_interval
from tasks.seq2seq.metrics.metric import Headline, Metric, Scores, write_number
from tasks.seq2seq.metrics.tokens import TokenScorer


def _scored(name: str, value: Callable[[TokenScorer], Any], meaning: str, **words: Any) -> Metric:  # noqa: ANN401 - the metric's
    """A metric of an evaluation only."""
    return Metric(name, "tokens", TokenScorer.of, value, meaning, **words)


def _counted(name: str, rate: Callable[[TokenCounts], Any], meaning: str, **words: Any) -> Metric:  # noqa: ANN401 - the metric's
    """A metric that follows from `TokenCounts`."""
    return Metric(name, "tokens", TokenScorer.of, lambda scorer: rate(scorer.counts), meaning, rate=rate, **words)


def _token_accuracy(counts: TokenCounts) -> float | None:
    if counts.n and not counts.n_positions:
        return 1.0  # empty predictions of empty references are all right, without a position to show it
    return score(counts.n_right, counts.n_positions)


def _interval(counts: TokenCounts) -> Interval | None:
    return wilson_interval(counts.n_correct, counts.n) if counts.n else None


def _sequences_line(scores: Scores) -> str:
    low, high = scores["sequence_accuracy_interval"]
    return (
        f"accuracy: {100 * scores['sequence_accuracy']:.2f} %, {scores['n_correct']} of {scores['n_evaluated']} "
        f"held-out sequences right (95 % interval {100 * low:.2f} to {100 * high:.2f} %)"
    )


def _sequences_headline(scores: Scores) -> Headline:
    low, high = scores["sequence_accuracy_interval"]
    return Headline(
        f"{100 * scores['sequence_accuracy']:.2f} %",
        f"of {scores['n_evaluated']} held-out sequences right as a whole (95 % interval {100 * low:.2f} to "
        f"{100 * high:.2f} %)",
    )


def _tokens_line(scores: Scores) -> str:
    forced = scores["teacher_forced_token_accuracy"]
    return (
        f"  tokens: error rate {write_number(scores['token_error_rate'])}, accuracy "
        f"{write_number(scores['token_accuracy'])} (teacher-forced {write_number(forced)}); "
        f"{scores['distinct_predictions']} distinct predictions of {scores['distinct_references']}, always the "
        f"commonest target: {write_number(scores['majority_baseline'])}"
    )


TOKEN_METRICS = (
    _counted("n_evaluated", lambda counts: counts.n, "how many sequences were evaluated"),
    _counted("n_correct", lambda counts: counts.n_correct, "how many of them are equal to their reference"),
    _counted(
        "sequence_accuracy",
        lambda counts: score(counts.n_correct, counts.n),
        "the share of sequences that are equal to their reference",
        line=_sequences_line,
        headline=_sequences_headline,
        better="maximize",
    ),
    _counted(
        "sequence_accuracy_interval",
        _interval,
        "the 95 % interval of that share (Wilson), its low and its high end",
    ),
    _counted(
        "token_accuracy",
        _token_accuracy,
        "the share of positions with the right token, of those up to the longer of prediction and reference: a token "
        "too few or too many is wrong",
        better="maximize",
    ),
    _scored(
        "accuracy_by_position",
        TokenScorer.accuracy_by_position,
        "the share of right tokens at each of the first 200 positions, of the references that have it",
    ),
    _scored(
        "edit_distance",
        lambda scorer: score(scorer.counts.n_edits, scorer.counts.n),
        "the mean number of edits (Levenshtein) from a prediction to its reference",
        better="minimize",
    ),
    _counted(
        "token_error_rate",
        lambda counts: score(counts.n_edits, counts.n_reference_tokens),
        "all edits over all tokens of the references, which can pass 1; null without any",
        line=_tokens_line,
        better="minimize",
    ),
    _scored("distinct_predictions", lambda scorer: scorer.distinct_predictions, "how many predictions are different"),
    _scored("distinct_references", lambda scorer: scorer.distinct_references, "how many references are different"),
    _scored(
        "majority_baseline",
        TokenScorer.majority_baseline,
        "the sequence accuracy of always answering the commonest reference",
    ),
    _scored(
        "teacher_forced_token_accuracy",
        TokenScorer.teacher_forced_accuracy,
        "the share of right tokens where the reference so far was given",
        better="maximize",
    ),
    _scored(
        "mean_reference_length",
        lambda scorer: score(scorer.counts.n_reference_tokens, scorer.counts.n),
        "tokens of a reference, in the mean",
    ),
    _scored(
        "mean_predicted_length",
        lambda scorer: score(scorer.counts.n_predicted_tokens, scorer.counts.n),
        "tokens of a prediction, in the mean",
    ),
)
