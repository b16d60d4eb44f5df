import numpy as np
import pytest

from tasks.seq2seq.metrics import embeddings as comparing
from tasks.seq2seq.metrics.embeddings import mean_cosine_similarity, nearest_neighbour_accuracy

CANDIDATES = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])


def test_the_nearest_candidate_is_by_angle_and_not_by_length():
    predictions = np.array([[100.0, 1.0], [0.1, 0.9], [0.0, 5.0]])
    assert nearest_neighbour_accuracy(CANDIDATES[:3], predictions, CANDIDATES) == pytest.approx(2 / 3)


def test_equal_candidates_count_as_one():
    assert nearest_neighbour_accuracy(CANDIDATES[[0, 3]], CANDIDATES[[3, 0]], CANDIDATES) == 1.0


def test_a_vector_without_a_direction_is_near_nothing():
    predictions = np.array([[0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]])
    assert nearest_neighbour_accuracy(np.tile(CANDIDATES[0], (3, 1)), predictions, CANDIDATES) == 0.0
    assert nearest_neighbour_accuracy(np.zeros((1, 2)), np.ones((1, 2)), np.zeros((1, 2))) == 0.0


def test_a_collapsed_predictor_does_not_win_by_ties():
    candidates = np.eye(4)
    assert nearest_neighbour_accuracy(candidates, np.ones((4, 4)), candidates) in (0.0, 0.25)


def test_blocks_change_no_neighbour(monkeypatch):
    rng = np.random.default_rng(0)
    candidates = rng.normal(size=(50, 4))
    references = candidates[rng.integers(0, 50, 30)]
    predictions = references + rng.normal(size=references.shape)
    whole = nearest_neighbour_accuracy(references, predictions, candidates)
    unit = candidates / np.linalg.norm(candidates, axis=1, keepdims=True)
    nearest = candidates[(predictions @ unit.T).argmax(axis=1)]
    monkeypatch.setattr(comparing, "_NEIGHBOUR_ROWS", 7)
    monkeypatch.setattr(comparing, "_NEIGHBOUR_CANDIDATES", 11)
    assert whole not in (None, 0, 1)
    assert nearest_neighbour_accuracy(references, predictions, candidates) == whole
    assert whole == (nearest == references).all(axis=1).mean()


def test_of_no_predictions_there_is_no_score_and_no_candidates_are_refused():
    with pytest.raises(ValueError, match="expected at least one"):
        nearest_neighbour_accuracy(CANDIDATES, CANDIDATES, CANDIDATES[:0])
    assert nearest_neighbour_accuracy(CANDIDATES[:0], CANDIDATES[:0], CANDIDATES) is None
    assert mean_cosine_similarity(CANDIDATES[:0], CANDIDATES[:0]) is None


def test_the_mean_cosine_similarity_by_hand():
    """Equal, opposite, at right angles, at 45 degrees, and with a zero vector."""
    references = np.array([[1.0, 0.0]] * 5)
    predictions = np.array([[3.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [1.0, 1.0], [0.0, 0.0]])
    assert mean_cosine_similarity(references, predictions) == pytest.approx(0.5**0.5 / 5)
