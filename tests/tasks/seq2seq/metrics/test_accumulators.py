import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.errors import DataError, TrainingError
from tasks.seq2seq.metrics import accumulators as counts
from tasks.seq2seq.metrics.accumulators import TokenCounts, VectorCounts, count_tokens
from tasks.seq2seq.metrics.forecasts import VectorScorer
from tasks.seq2seq.metrics.intervals import wilson_interval
from tasks.seq2seq.metrics.table import rates
from tasks.seq2seq.metrics.tokens import TokenScorer
from tests.helpers.scores import scores_of

UNKNOWN = 3
REFERENCES = [[4, 5], [4, 5], [6], [7, 8, 9]]
PREDICTIONS = [[4, 5], [4, 6], [6, 6], [8, 9]]

tokens = st.lists(st.integers(3, 6), max_size=5)
pairs = st.lists(st.tuples(tokens, tokens) | tokens.map(lambda row: (row, row)), max_size=12)
numbers = st.floats(-1e6, 1e6).map(lambda value: round(value, 6))
forecasts = st.integers(0, 4).flatmap(
    lambda n: st.tuples(*[arrays(np.float64, (n, 3, 2), elements=numbers) for _ in range(2)])
)


def sequences(rows):
    return Sequences.of_lengths(
        np.array([token for row in rows for token in row], np.int32), np.array(list(map(len, rows)), np.int64)
    )


def both(rows) -> tuple[Sequences, Sequences]:
    return sequences([reference for reference, _ in rows]), sequences([prediction for _, prediction in rows])


def test_token_counts_by_hand():
    """One of four is right whole; 4 of 2 + 2 + 2 + 3 positions; edits are 0, 1, 1, 1."""
    counted, right = count_tokens(sequences(REFERENCES), sequences(PREDICTIONS))
    assert counted == TokenCounts(
        n=4, n_correct=1, n_edits=3, n_positions=9, n_right=4, n_reference_tokens=8, n_predicted_tokens=8
    )
    assert right.tolist() == [True, False, False, False]
    assert rates(counted) == {
        "n_evaluated": 4,
        "n_correct": 1,
        "sequence_accuracy": 0.25,
        "sequence_accuracy_interval": wilson_interval(1, 4),
        "token_accuracy": 4 / 9,
        "token_error_rate": 3 / 8,
    }


def test_a_reference_with_an_unknown_symbol_is_never_right():
    references = sequences([[4, UNKNOWN], [UNKNOWN], [4, 5]])
    counted, right = count_tokens(references, references, UNKNOWN)
    assert right.tolist() == [False, False, True]
    assert (counted.n_correct, counted.n_right, counted.n_edits) == (1, 3, 2)
    assert count_tokens(references, references)[1].all()


@given(pairs, st.sampled_from([None, UNKNOWN]))
def test_the_rates_of_token_counts_are_the_scorers(rows, unknown):
    counted, right = count_tokens(*both(rows), unknown)
    scorer = TokenScorer(unknown, vocabulary_size=10)
    scorer.add(*both(rows))
    scores = scores_of(scorer)._asdict()
    assert rates(counted) == {name: scores[name] for name in rates(counted)}
    assert right.tolist() == [a == b and not (unknown is not None and unknown in a) for a, b in rows]


@given(pairs, pairs)
def test_token_counts_of_parts_add_up_to_those_of_the_whole(one, other):
    parts = [
        TokenCounts.from_json(json.loads(json.dumps(count_tokens(*both(rows))[0].to_json()))) for rows in (one, other)
    ]
    assert sum(parts, TokenCounts()) == count_tokens(*both(one + other))[0]


def test_blocks_change_no_count(monkeypatch):
    whole, right = count_tokens(sequences(REFERENCES), sequences(PREDICTIONS))
    monkeypatch.setattr(counts, "BLOCK_ROWS", 3)
    counted, in_blocks = count_tokens(sequences(REFERENCES), sequences(PREDICTIONS))
    assert counted == whole
    assert in_blocks.tolist() == right.tolist()


def test_a_part_of_longer_sequences_is_counted_alone():
    counted, right = count_tokens(sequences(REFERENCES).part(2, 4), sequences(PREDICTIONS).part(2, 4))
    assert counted == count_tokens(sequences(REFERENCES[2:]), sequences(PREDICTIONS[2:]))[0]
    assert right.shape == (2,)


def test_of_no_sequences_there_is_nothing_to_count():
    counted, right = count_tokens(sequences([]), sequences([]), UNKNOWN)
    assert counted == TokenCounts()
    assert (right.shape, right.dtype) == ((0,), np.bool_)
    assert rates(counted)["token_accuracy"] is None
    assert rates(VectorCounts()) == {"n_evaluated": 0, "mae": None, "rmse": None, "smape": None}


def test_as_many_predictions_as_references_are_asked_for():
    with pytest.raises(ValueError, match="one prediction a reference: 2 and 1 came"):
        count_tokens(sequences([[4], [5]]), sequences([[4]]))


def test_vector_counts_by_hand():
    """Errors are 2, 2 and 0; 200 |y - f| / (|y| + |f|) is 100, 200 and 0."""
    counted = VectorCounts.of(np.array([[[1.0], [2.0], [0.0]]]), np.array([[[3.0], [0.0], [0.0]]]))
    assert counted == VectorCounts(n=1, n_values=3, absolute=4.0, squared=8.0, percentage=300.0)
    assert rates(counted) == {"n_evaluated": 1, "mae": 4 / 3, "rmse": (8 / 3) ** 0.5, "smape": 100.0}


@given(forecasts)
def test_the_rates_of_vector_counts_are_the_scorers(pair):
    scorer = VectorScorer()
    scorer.add(*pair)
    scores = scores_of(scorer)._asdict()
    counted = rates(VectorCounts.of(*pair))
    assert counted == {name: scores[name] for name in counted}


@given(forecasts, st.integers(0, 4))
def test_vector_counts_of_parts_add_up_to_those_of_the_whole(pair, cut):
    references, predictions = pair
    parts = [VectorCounts.of(references[rows], predictions[rows]) for rows in (slice(cut), slice(cut, None))]
    parts = [VectorCounts.from_json(json.loads(json.dumps(part.to_json()))) for part in parts]
    assert (parts[0] + parts[1]).to_json() == pytest.approx(VectorCounts.of(*pair).to_json())


def test_vectors_that_are_not_finite_or_of_another_shape_are_refused():
    vectors = np.ones((2, 3, 1))
    with pytest.raises(TrainingError, match="the prediction of row 1 holds nan"):
        VectorCounts.of(vectors, np.where(np.arange(2)[:, None, None] == 1, np.nan, vectors))
    with pytest.raises(DataError, match="the reference of row 0 holds inf"):
        VectorCounts.of(vectors * np.inf, vectors)
    with pytest.raises(ValueError, match=r"a prediction of shape \(2, 2, 1\)"):
        VectorCounts.of(vectors, vectors[:, :2])


def test_counts_of_two_kinds_do_not_add_up():
    with pytest.raises(TypeError):
        TokenCounts() + VectorCounts()  # type: ignore[operator] # what the test is about


@pytest.mark.parametrize("content", [{"n": -1}, {"n": "many"}, {"n": 1.5}, {"rows": 1}])
def test_json_that_holds_no_counts_is_refused(content):
    with pytest.raises(DataError, match="the JSON of TokenCounts does not hold what it should"):
        TokenCounts.from_json(content)
