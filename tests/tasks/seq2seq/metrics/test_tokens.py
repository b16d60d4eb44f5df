import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.metrics import accumulators as counts
from tasks.seq2seq.metrics import tokens as scoring
from tasks.seq2seq.metrics.intervals import wilson_interval
from tasks.seq2seq.metrics.tokens import HashCounts, TokenScorer
from tests.helpers.scores import scores_of

UNKNOWN = 3
SIZE = 10

REFERENCES = [[4, 5], [4, 5], [6], [7, 8, 9]]
PREDICTIONS = [[4, 5], [4, 6], [6, 6], [8, 9]]


def sequences(rows):
    return Sequences.of_lengths(
        np.array([token for row in rows for token in row], np.int32), np.array(list(map(len, rows)), np.int64)
    )


def scorer(references, predictions, *, batch=None, **options):
    result = TokenScorer(**{"vocabulary_size": SIZE, **options})
    batch = batch or max(len(references), 1)
    for first in range(0, len(references), batch):
        last = first + batch
        result.add(sequences(references[first:last]), sequences(predictions[first:last]))
    return result


def scores(references, predictions, **options):
    return scores_of(scorer(references, predictions, **options))


def edit_distance(left, right):
    """The textbook's table, R. A. Wagner and M. J. Fischer (1974), one row of it at a time."""
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        before, row = row, [i]
        for j, b in enumerate(right, 1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b)))
    return row[-1]


tokens = st.lists(st.integers(4, 6), max_size=5)
pairs = st.lists(st.tuples(tokens, tokens) | tokens.map(lambda row: (row, row)), min_size=1, max_size=12)


def test_scores_by_hand():
    """One of four is right whole; 4 of 2 + 2 + 2 + 3 positions; edits are 0, 1, 1, 1."""
    result = scores(REFERENCES, PREDICTIONS)
    assert (result.n_evaluated, result.n_correct, result.sequence_accuracy) == (4, 1, 0.25)
    assert result.sequence_accuracy_interval == wilson_interval(1, 4)
    assert result.token_accuracy == pytest.approx(4 / 9)
    assert result.accuracy_by_position == pytest.approx([3 / 4, 1 / 3, 0])
    assert (result.edit_distance, result.token_error_rate) == (3 / 4, 3 / 8)
    assert (result.distinct_references, result.distinct_predictions) == (3, 4)
    assert result.majority_baseline == 0.5
    assert result.teacher_forced_token_accuracy is None
    assert (result.mean_reference_length, result.mean_predicted_length) == (2.0, 2.0)


def test_json_takes_the_scores():
    assert json.loads(json.dumps(scores(REFERENCES, PREDICTIONS)._asdict(), allow_nan=False))["n_evaluated"] == 4


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_batches_change_no_score(batch):
    assert scores(REFERENCES, PREDICTIONS, batch=batch) == scores(REFERENCES, PREDICTIONS)


def test_blocks_change_no_score(monkeypatch):
    whole = scores(REFERENCES, PREDICTIONS)
    monkeypatch.setattr(counts, "BLOCK_ROWS", 3)
    assert scores(REFERENCES, PREDICTIONS) == whole


def test_a_part_of_longer_sequences_is_scored_alone():
    result = TokenScorer(vocabulary_size=SIZE)
    result.add(sequences(REFERENCES).part(2, 4), sequences(PREDICTIONS).part(2, 4))
    assert scores_of(result) == scores(REFERENCES[2:], PREDICTIONS[2:])


def test_a_batch_of_nothing_changes_no_score():
    """Teacher forcing of nothing neither: it is no share of 0."""
    empty = TokenScorer(vocabulary_size=SIZE)
    empty.add(sequences([]), sequences([]), teacher_forced=(0, 0))
    assert scores_of(empty) == scores([], [])
    assert scores_of(empty).teacher_forced_token_accuracy is None


def test_an_empty_prediction_of_an_empty_reference_is_right():
    result = scores([[], []], [[], []])
    assert (result.n_correct, result.token_accuracy, result.token_error_rate) == (2, 1.0, None)
    assert (result.distinct_references, result.distinct_predictions) == (1, 1)


def test_an_empty_prediction_misses_every_token():
    result = scores([[4, 5]], [[]])
    assert (result.n_correct, result.token_accuracy, result.token_error_rate) == (0, 0.0, 1.0)
    assert result.accuracy_by_position == [0.0, 0.0]


def test_a_token_too_many_makes_the_sequence_wrong():
    result = scores([[4, 5]], [[4, 5, 6]])
    assert (result.n_correct, result.token_accuracy, result.accuracy_by_position) == (0, 2 / 3, [1.0, 1.0])


def test_positions_stop_at_the_first_200():
    row = [4] * 300
    assert scores([row], [row]).accuracy_by_position == [1.0] * 200


def test_an_unknown_token_of_a_reference_never_counts_as_right():
    """Predicting the unknown id is one edit of two tokens, as any other answer would be."""
    result = scorer([[4, UNKNOWN]], [[4, UNKNOWN]], unknown=UNKNOWN)
    assert (scores_of(result).n_correct, scores_of(result).token_accuracy) == (0, 0.5)
    assert (scores_of(result).token_error_rate, scores_of(result).accuracy_by_position) == (0.5, [1.0, 0.0])
    assert result.wrong_predictions() == [((4, UNKNOWN), (4, UNKNOWN), 1)]
    assert result.confusions() == [(UNKNOWN, UNKNOWN, 1)]
    assert result.confusion_matrix([4, UNKNOWN]).tolist() == [[1, 0], [0, 1]]


def test_without_an_unknown_id_each_id_can_be_right():
    assert scores([[4, UNKNOWN]], [[4, UNKNOWN]]).n_correct == 1


def test_a_collapsed_predictor_shows_one_prediction_and_the_majority_baseline():
    references = [[4]] * 6 + [[5], [6], [7], [8, 9]]
    result = scores(references, [[4]] * 10)
    assert (result.distinct_predictions, result.distinct_references) == (1, 5)
    assert result.sequence_accuracy == result.majority_baseline == 0.6


def test_sequences_that_differ_in_length_alone_are_distinct():
    result = scores([[0], [0, 0], [0, 0, 0], []], [[0, 1], [1, 0], [1], [0]])
    assert (result.distinct_references, result.distinct_predictions) == (4, 4)


def test_teacher_forced_accuracy_is_over_the_references_it_was_counted_for():
    result = TokenScorer(vocabulary_size=SIZE)
    result.add(sequences([[4, 5], [6, 7]]), sequences([[4], []]), teacher_forced=(3, 4))
    result.add(sequences([[4]]), sequences([[4]]), teacher_forced=(1, 1))
    result.add(sequences([[4, 4, 4]]), sequences([[4]]))
    assert scores_of(result).teacher_forced_token_accuracy == 4 / 5


def test_wrong_predictions_come_commonest_first():
    references = [[4, 5]] * 3 + [[6]] * 2 + [[7], []]
    predictions = [[4, 6]] * 3 + [[]] * 2 + [[7], [8]]
    result = scorer(references, predictions, n_confusions=2)
    assert result.wrong_predictions() == [((4, 5), (4, 6), 3), ((6,), (), 2)]


def test_confusions_are_aligned():
    """A lost first token is one deletion, not a shift of all the rest; a token too many is an insertion."""
    result = scorer([[4, 5, 6, 7]] * 2 + [[4, 5], [8]], [[5, 6, 7]] * 2 + [[4, 5, 9], [7]])
    assert result.confusions() == [(4, None, 2), (None, 9, 1), (8, 7, 1)]


def test_confusion_counts_hold_the_right_tokens_too():
    result = scorer([[4, 5], [4, 5], [6]], [[4, 5], [4, 7], [6, 4]])
    assert result.confusion_counts() == {(4, 4): 2, (5, 5): 1, (6, 6): 1, (5, 7): 1, (None, 4): 1}


def test_the_confusion_matrix_has_expected_ids_in_rows_and_predicted_in_columns():
    result = scorer([[4, 5], [4, 5], [6]], [[4, 5], [4, 7], [6, 4]])
    matrix = result.confusion_matrix([5, 7, 9])
    assert (matrix.tolist(), matrix.dtype) == ([[1, 1, 0], [0, 0, 0], [0, 0, 0]], np.int64)
    assert result.confusion_matrix([]).shape == (0, 0)


def test_the_commonest_references_come_in_ascending_order_with_the_number_of_all():
    """Of equally common ids the smaller is taken; predictions count for nothing."""
    result = scorer([[9, 4, 9], [6, 4, 9], [5]], [[8], [8], [8]])
    assert result.commonest_references(1) == [9]
    assert result.commonest_references(3) == [4, 5, 9]
    assert result.commonest_references(60) == [4, 5, 6, 9]
    assert result.n_reference_ids == 4


def test_the_commonest_mistakes_outlive_the_rare_ones_beyond_the_limit(monkeypatch):
    monkeypatch.setattr(scoring, "MAX_PAIRS", 8)
    rare = [[left, right] for left in range(4, 9) for right in range(4, 9)]
    references = [row for pair in rare for row in ([9, 9], pair)]
    predictions = [row for _ in rare for row in ([4, 4], [0, 0])]
    result = scorer(references, predictions, batch=2)
    assert result.wrong_predictions()[0] == ((9, 9), (4, 4), 25)
    assert result.confusions()[0] == (9, 4, 50)
    assert len(result._wrong) <= 8
    assert len(result._confusions) <= 8


def test_of_long_sequences_fewer_are_remembered(monkeypatch):
    monkeypatch.setattr(scoring, "MAX_PAIR_TOKENS", 100)
    result = scorer([[4] * n for n in range(1, 10)], [[5] * n for n in range(1, 10)], batch=1, n_confusions=2)
    assert len(result._wrong) <= 100 // 18


def test_as_many_predictions_as_references_are_asked_for():
    with pytest.raises(ValueError, match="one prediction a reference: 2 and 1 came"):
        scorer([[4], [5]], [[4]])


@pytest.mark.parametrize("token", [-1, SIZE])
def test_an_id_outside_the_vocabulary_is_refused(token):
    with pytest.raises(ValueError, match=rf"id {token} is outside the vocabulary \(0..9\)"):
        scorer([[4]], [[token]])


@given(pairs)
def test_sequence_accuracy_is_numpys_own_comparison(rows):
    references, predictions = zip(*rows, strict=True)
    equal = [np.array_equal(reference, prediction) for reference, prediction in rows]
    result = scores(references, predictions)
    assert (result.n_correct, result.sequence_accuracy) == (sum(equal), np.mean(equal))


@given(pairs)
def test_edits_agree_with_a_simple_implementation(rows):
    references, predictions = zip(*rows, strict=True)
    edits = [edit_distance(reference, prediction) for reference, prediction in rows]
    result = scores(references, predictions)
    assert result.edit_distance == np.mean(edits)
    total = sum(map(len, references))
    assert result.token_error_rate == (sum(edits) / total if total else None)


@given(pairs)
def test_the_token_error_rate_is_0_only_if_all_are_right(rows):
    result = scores(*zip(*rows, strict=True))
    if result.token_error_rate is not None:
        assert (result.token_error_rate == 0) == (result.n_correct == result.n_evaluated)


@given(pairs)
def test_the_unknown_id_makes_its_references_wrong_and_no_others(rows):
    references, predictions = zip(*rows, strict=True)
    expected = sum(reference == prediction and 4 not in reference for reference, prediction in rows)
    assert scores(references, predictions, unknown=4).n_correct == expected


@given(pairs)
def test_every_token_of_a_reference_is_counted_as_one_confusion_or_as_right(rows):
    references, predictions = zip(*rows, strict=True)
    counts = scorer(references, predictions).confusion_counts()
    assert sum(n for (expected, _), n in counts.items() if expected is not None) == sum(map(len, references))
    assert sum(n for (_, predicted), n in counts.items() if predicted is not None) == sum(map(len, predictions))


@given(pairs)
def test_distinct_counts_are_those_of_a_set(rows):
    references, predictions = zip(*rows, strict=True)
    result = scores(references, predictions, batch=2)
    assert result.distinct_references == len(set(map(tuple, references)))
    assert result.distinct_predictions == len(set(map(tuple, predictions)))
    assert result.majority_baseline == max(map(references.count, references)) / len(references)


def test_hash_counts_grow_over_merges():
    counts = HashCounts()
    assert (counts.n_distinct, counts.highest) == (0, 0)
    counts.add(np.array([7, 7, 8], np.uint64))
    assert (counts.n_distinct, counts.highest) == (2, 2)
    counts.add(np.array([8, 8, 9], np.uint64))
    assert (counts.n_distinct, counts.highest) == (3, 3)
