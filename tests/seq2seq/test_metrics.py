import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.seq2seq.metrics import Interval, confusion_matrix, score, wilson_interval

REFERENCES = np.array([[1, 2], [1, 2], [3, 4], [5, 6]], np.int32)
PREDICTIONS = np.array([[1, 2], [1, 9], [3, 4], [9, 6]], np.int32)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_agrees_with_published_values(successes, trials, low, high):
    """R. G. Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I, method 3."""
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("trials", [1, 3, 29, 100, 9999])
def test_an_end_that_is_reached_is_exact(trials):
    """All right is 1 and none right is 0, to the last bit."""
    assert wilson_interval(0, trials).low == 0.0
    assert wilson_interval(trials, trials).high == 1.0


def test_the_interval_of_no_trials_says_nothing():
    assert wilson_interval(0, 0) == Interval(0.0, 1.0)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share_and_stays_within_0_and_1(counts):
    successes, trials = counts
    low, high = wilson_interval(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1


def test_scores_by_hand():
    """Two of four sequences are right whole, six of eight tokens, three of four at each position."""
    scores = score(REFERENCES, PREDICTIONS)
    assert (scores.n_evaluated, scores.n_correct, scores.sequence_accuracy) == (4, 2, 0.5)
    assert scores.token_accuracy == 0.75
    assert scores.accuracy_by_position == [0.75, 0.75]
    assert (scores.distinct_references, scores.distinct_predictions) == (3, 4)
    assert scores.majority_baseline == 0.5
    assert scores.sequence_accuracy_interval == wilson_interval(2, 4)


def test_a_position_that_is_always_wrong_is_seen():
    assert score(REFERENCES, REFERENCES * [1, 0]).accuracy_by_position == [1.0, 0.0]


def test_a_perfect_and_a_hopeless_model_score_1_and_0():
    assert score(REFERENCES, REFERENCES).sequence_accuracy == 1.0
    assert score(REFERENCES, REFERENCES + 1).sequence_accuracy == 0.0


def test_the_confusion_matrix_counts_references_in_rows_and_predictions_in_columns():
    matrix = confusion_matrix(np.array([[0, 1, 1]], np.int32), np.array([[0, 2, 1]], np.int32), 3)
    assert matrix.tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 0]]
