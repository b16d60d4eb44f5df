from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.metrics.metric import Counters, Metric, TokenTarget, VectorTarget
from tasks.seq2seq.metrics.table import METRICS, headline, leading_metric, metrics_of, score_lines
from tasks.seq2seq.settings.evaluation import TOKEN_SCORES, EvaluationSettings

VOCABULARY = Vocabulary("integers", (1, 2, 3))  # ids 4 to 6
ONE = Sequences.of_rows(np.array([[4, 5]], np.int32))
VECTORS = np.ones((2, 3, 1))


def token_scores(**settings):
    counters = Counters(metrics_of("tokens"), TokenTarget(VOCABULARY, EvaluationSettings(**settings)))
    counters.add(ONE, ONE, teacher_forced=(1, 2))
    return counters.scores()


def vector_scores(*, embeddings=False):
    counters = Counters(metrics_of("vectors"), VectorTarget(embeddings=embeddings))
    counters.add(VECTORS, VECTORS + 1, baselines={"mean": VECTORS + 2})
    return counters.scores()


@pytest.mark.parametrize("kind", ["tokens", "vectors"])
def test_each_metric_of_a_kind_has_a_name_of_its_own(kind):
    names = [metric.name for metric in metrics_of(kind)]
    assert len(set(names)) == len(names)


def test_a_line_and_a_headline_belong_to_a_name_that_only_one_kind_has():
    """They are looked up by the name alone, in the scores of either kind."""
    for metric in METRICS:
        if metric.line or metric.headline:
            assert sum(other.name == metric.name for other in METRICS) == 1, metric.name


def test_a_score_with_a_setting_is_there_if_it_is_asked_for():
    assert TOKEN_SCORES
    for name in TOKEN_SCORES:
        assert name not in token_scores()
        assert token_scores(**{name: True}).keys() - token_scores().keys() == {name}


def test_an_evaluation_is_printed_in_the_order_of_the_table():
    scores = token_scores(bleu=True, chrf=True)
    assert list(scores) == [metric.name for metric in metrics_of("tokens")]
    lines = [line.split(":")[0].strip() for line in score_lines(scores)]
    assert [line for line in lines if line in ("chrf", "bleu", "tokens", "accuracy")] == [
        "accuracy", "tokens", "bleu", "chrf",
    ]  # fmt: skip
    of_vectors = [line.split()[0] for line in score_lines(vector_scores(embeddings=True))]
    assert [word for word in of_vectors if word in ("nearest", "error", "mean")] == ["mean", "error", "nearest"]


NO_TOKENS, NO_VECTORS = ONE.part(0, 0), VECTORS[:0]
OF_NOTHING: dict[str, tuple[Any, Callable[[Counters], None]]] = {
    "tokens": (
        TokenTarget(VOCABULARY, EvaluationSettings(**dict.fromkeys(TOKEN_SCORES, True))),
        lambda counters: counters.add(NO_TOKENS, NO_TOKENS, teacher_forced=(0, 0)),
    ),
    "vectors": (
        VectorTarget(np.ones(1), embeddings=True, quantiles=(0.1, 0.5)),
        lambda counters: counters.add(
            NO_VECTORS, NO_VECTORS, baselines={"last_value": NO_VECTORS}, quantiles={0.1: NO_VECTORS}
        ),
    ),
}


@pytest.mark.parametrize("is_added", [False, True])
@pytest.mark.parametrize("kind", OF_NOTHING)
def test_every_score_of_nothing_is_none_and_only_numbers_of_rows_are_0(kind, is_added):
    """Neither 0 nor 1 nor "from 0 to 1": each would be taken for a result."""
    target, add_nothing = OF_NOTHING[kind]
    counters = Counters(metrics_of(kind), target)
    if is_added:
        add_nothing(counters)
    scores = counters.scores()
    assert scores.keys() == {metric.name for metric in metrics_of(kind)}
    counted = {name for name in scores if name.startswith(("n_", "distinct_"))}
    assert scores == {name: 0 if name in counted else None for name in scores}
    assert list(score_lines(scores)) == ["nothing to score"]
    assert headline(scores) == ("none", "nothing to score")


@pytest.mark.parametrize(
    ("scores", "metric", "number"),
    [
        (token_scores(), "sequence_accuracy", "100.00 %"),
        (vector_scores(), "relative_mae", "0.500"),
        (vector_scores(embeddings=True), "nearest_neighbour_accuracy", "100.00 %"),
    ],
)
def test_the_number_that_matters_most(scores, metric, number):
    assert leading_metric(scores).name == metric
    assert headline(scores).number == number


class Batches:
    made = 0

    def __init__(self, _target):
        type(self).made += 1
        self.n = 0

    def add(self, _references, _predictions, **_beside):
        self.n += 1


def test_metrics_that_share_a_counter_are_counted_once():
    rows = [Metric(name, "tokens", Batches, lambda counter: counter.n, "") for name in ("one", "other")]
    counters = Counters(rows, TokenTarget(VOCABULARY))
    counters.add(ONE, ONE)
    counters.add(ONE, ONE, teacher_forced=(1, 1))
    assert counters.scores() == {"one": 2, "other": 2}
    assert Batches.made == 1


def test_a_metric_that_is_not_wanted_is_not_counted():
    row = Metric("one", "tokens", Batches, lambda counter: counter.n, "", is_wanted=lambda _target: False)
    before = Batches.made
    assert Counters([row], TokenTarget(VOCABULARY)).scores() == {}
    assert Batches.made == before


def test_a_metric_that_says_how_good_a_model_is_says_which_way_is_better():
    """A sweep can choose by these, and by no others: each is one number."""
    directions = {metric.name: metric.better for metric in METRICS if metric.better}
    assert {directions[name] for name in ("sequence_accuracy", "bleu", "nearest_neighbour_accuracy")} == {"maximize"}
    assert {directions[name] for name in ("token_error_rate", "mae", "relative_mae")} == {"minimize"}
    for scores in (token_scores(bleu=True, chrf=True), vector_scores(embeddings=True)):
        assert all(isinstance(scores[name], float | None) for name in scores if name in directions)
