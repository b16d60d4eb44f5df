import numpy as np

from tasks.seq2seq.gate import judge
from tasks.seq2seq.metrics import score
from tasks.seq2seq.settings import EvaluationSettings

REFERENCES = np.arange(40).reshape(20, 2)
HALF = EvaluationSettings(min_sequence_accuracy=0.5)
ANY = EvaluationSettings(min_sequence_accuracy=0)


def test_a_model_at_the_threshold_passes():
    predictions = REFERENCES.copy()
    predictions[:10] = -REFERENCES[:10] - 1
    verdict = judge(score(REFERENCES, predictions), HALF)
    assert verdict.passed
    assert verdict.reason == "sequence accuracy 0.5 of 20 is at least 0.5"


def test_a_model_below_the_threshold_is_refused_with_both_numbers():
    predictions = REFERENCES.copy()
    predictions[:11] = -REFERENCES[:11] - 1
    verdict = judge(score(REFERENCES, predictions), HALF)
    assert not verdict.passed
    assert verdict.reason == "sequence accuracy 0.45 of 20 is below 0.5"


def test_the_default_threshold_is_95_percent():
    predictions = REFERENCES.copy()
    predictions[0] += 1
    assert judge(score(REFERENCES, predictions), EvaluationSettings()).passed
    predictions[1] += 1
    assert not judge(score(REFERENCES, predictions), EvaluationSettings()).passed


def test_a_model_that_gives_one_answer_to_everything_is_refused_however_often_it_is_right():
    references = np.array([[1, 1]] * 19 + [[2, 2]])
    verdict = judge(score(references, np.full_like(references, 1)), HALF)
    assert not verdict.passed
    assert verdict.reason.startswith("collapsed: 1 distinct")


def test_a_model_that_gives_few_answers_is_refused():
    """Three different answers to 40 references are below a tenth, four are not."""
    references = np.arange(40)[:, None]
    assert not judge(score(references, references % 3), ANY).passed
    assert judge(score(references, references % 4), ANY).passed


def test_one_answer_is_no_collapse_where_all_references_are_alike():
    references = np.ones((20, 2), np.int32)
    assert judge(score(references, references), EvaluationSettings()).passed
