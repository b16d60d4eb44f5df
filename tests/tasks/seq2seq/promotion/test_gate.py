import numpy as np
import pytest

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.metrics.forecasts import VectorScorer
from tasks.seq2seq.metrics.table import METRICS
from tasks.seq2seq.metrics.tokens import TokenScorer
from tasks.seq2seq.promotion.comparison import Comparison
from tasks.seq2seq.promotion.gate import GOALS, judge
from tasks.seq2seq.settings.evaluation import EvaluationSettings
from tests.helpers.scores import scores_of

REFERENCES = np.arange(40, dtype=np.int32).reshape(20, 2)
WRONG = REFERENCES[::-1]
HALF = EvaluationSettings(min_sequence_accuracy=0.5)
ANY = EvaluationSettings(min_sequence_accuracy=0)

STEPS = np.random.default_rng(0).normal(size=(20, 2, 1))


def token_scores(references, predictions):
    scorer = TokenScorer(vocabulary_size=50)
    scorer.add(Sequences.of_rows(references), Sequences.of_rows(predictions))
    return scores_of(scorer)._asdict()


def half_wrong(n):
    predictions = REFERENCES.copy()
    predictions[:n] = WRONG[:n]
    return token_scores(REFERENCES, predictions)


def vector_scores(error, **baseline_errors):
    scorer = VectorScorer()
    scorer.add(STEPS, STEPS + error, baselines={name: STEPS + value for name, value in baseline_errors.items()})
    return scores_of(scorer)._asdict()


def test_a_model_at_the_threshold_passes():
    verdict = judge(half_wrong(10), HALF)
    assert verdict.passed
    assert verdict.reason == "sequence accuracy 0.5 of 20 is at least 0.5"


def test_a_model_below_the_threshold_is_refused_with_both_numbers():
    verdict = judge(half_wrong(11), HALF)
    assert not verdict.passed
    assert verdict.reason == "sequence accuracy 0.45 of 20 is below 0.5"


def test_the_default_threshold_is_95_percent():
    assert judge(half_wrong(1), EvaluationSettings()).passed
    assert not judge(half_wrong(2), EvaluationSettings()).passed


def test_a_model_that_gives_one_answer_to_everything_is_refused_however_often_it_is_right():
    references = np.array([[1, 1]] * 19 + [[2, 2]])
    verdict = judge(token_scores(references, np.full_like(references, 1)), HALF)
    assert not verdict.passed
    assert verdict.reason.startswith("collapsed: 1 distinct")


def test_a_model_that_gives_few_answers_is_refused():
    """Three different answers to 40 references are below a tenth, four are not."""
    references = np.arange(40)[:, None]
    assert not judge(token_scores(references, references % 3), ANY).passed
    assert judge(token_scores(references, references % 4), ANY).passed


def test_one_answer_is_no_collapse_where_all_references_are_alike():
    references = np.ones((20, 2), np.int32)
    assert judge(token_scores(references, references), EvaluationSettings()).passed


def test_a_model_that_was_not_evaluated_is_refused():
    for scorer in (TokenScorer(vocabulary_size=3), VectorScorer()):
        assert judge(scores_of(scorer)._asdict(), ANY) == (False, "nothing was evaluated")


def test_a_forecast_passes_if_it_is_nearer_than_the_best_simple_one():
    verdict = judge(vector_scores(1, last_value=3, seasonal=2), EvaluationSettings())
    assert verdict == (True, "relative_mae 0.5 of 20, against repeating the last season, is below 1")


def test_a_forecast_that_is_only_nearer_than_the_worse_simple_ones_is_refused():
    verdict = judge(vector_scores(2, last_value=4, drift=3, seasonal=1), EvaluationSettings())
    assert verdict == (False, "relative_mae 2 of 20, against repeating the last season, is not below 1")


def test_the_limit_of_a_forecast_itself_must_not_be_reached():
    scores = {**vector_scores(1, mean=1), "relative_mae": 1.0}
    assert not judge(scores, EvaluationSettings()).passed


def test_the_limit_of_a_forecast_is_the_settings():
    scores = vector_scores(1, last_value=2)
    assert not judge(scores, EvaluationSettings(max_relative_mae=0.4)).passed
    assert judge(scores, EvaluationSettings(max_relative_mae=0.6)).passed


@pytest.mark.parametrize(
    ("errors", "reason"),
    [
        ({}, "no simple forecast to compare with"),
        ({"last_value": 0}, "no forecast can be better than repeating the last value"),
    ],
)
def test_a_forecast_without_anything_to_be_better_than_is_refused(errors, reason):
    verdict = judge(vector_scores(1, **errors), EvaluationSettings())
    assert not verdict.passed
    assert verdict.reason.startswith(reason)


def test_a_forecaster_that_always_answers_alike_is_refused():
    scorer = VectorScorer()
    scorer.add(STEPS, np.zeros_like(STEPS), baselines={"mean": STEPS + 9})
    verdict = judge(scores_of(scorer)._asdict(), EvaluationSettings())
    assert not verdict.passed
    assert verdict.reason.startswith("collapsed: 1 distinct")


@pytest.mark.parametrize(("accuracy", "passed"), [(0.5, True), (0.49, False)])
def test_embeddings_are_judged_by_their_nearest_neighbours(accuracy, passed):
    scores = {**vector_scores(9, mean=1), "nearest_neighbour_accuracy": accuracy}
    verdict = judge(scores, HALF)
    assert verdict.passed is passed
    assert verdict.reason.startswith(f"nearest neighbour accuracy {accuracy} of 20")


def test_each_metric_that_can_stand_for_an_evaluation_has_a_goal():
    assert {metric.name for metric in METRICS if metric.headline} == set(GOALS)


def compared(gain):
    return Comparison("sequence_accuracy", 20, 0.5 + gain, 0.5, gain, gain - 0.1, gain + 0.1)


def test_a_model_that_is_as_good_as_the_promoted_one_passes_and_the_reason_says_both():
    verdict = judge(half_wrong(10), HALF, compared(0.0))
    assert verdict.passed
    assert "0.5 against 0.5 of the promoted model on the same 20 held-out pairs" in verdict.reason


def test_a_model_that_is_worse_than_the_promoted_one_is_refused_even_by_less_than_chance_could_show():
    """Else a name could sink a little every night."""
    verdict = judge(half_wrong(10), HALF, compared(-0.05))
    assert not verdict.passed
    assert verdict.reason.startswith("worse than the promoted model: sequence accuracy 0.45 against 0.5")


def test_a_drop_that_is_allowed_passes():
    lenient = EvaluationSettings(min_sequence_accuracy=0.4, max_drop=0.06)
    assert judge(half_wrong(10), lenient, compared(-0.05)).passed
    assert "at most 0.06 is allowed" in judge(half_wrong(10), lenient, compared(-0.07)).reason


def test_a_model_that_is_better_than_the_promoted_one_still_has_to_reach_the_threshold():
    assert judge(half_wrong(11), HALF, compared(0.2)).reason == "sequence accuracy 0.45 of 20 is below 0.5"
