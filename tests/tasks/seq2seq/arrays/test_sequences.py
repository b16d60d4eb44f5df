import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.seq2seq.arrays.sequences import Pairs, Sequences

rows_of_tokens = st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=6)


def sequences(rows):
    values = np.array([step for row in rows for step in row], np.int32)
    return Sequences.of_lengths(values, np.array([len(row) for row in rows], np.int64))


def rows_of(sequences):
    return [sequences[i].tolist() for i in range(len(sequences))]


@given(rows_of_tokens)
def test_sequences_keep_their_steps_and_know_their_lengths(rows):
    result = sequences(rows)
    assert rows_of(result) == rows
    assert (len(result), result.n_steps) == (len(rows), sum(map(len, rows)))
    assert result.lengths.tolist() == [len(row) for row in rows]
    assert result.is_uniform == (len({len(row) for row in rows}) <= 1)


@given(rows_of_tokens, st.data())
def test_a_part_is_what_slicing_gives(rows, data):
    first = data.draw(st.integers(0, len(rows)))
    last = data.draw(st.integers(first, len(rows)))
    part = sequences(rows).part(first, last)
    assert rows_of(part) == rows[first:last]
    assert part.n_steps == sum(map(len, rows[first:last]))


@given(rows_of_tokens.filter(bool), st.data())
def test_rows_are_taken_in_the_order_asked_for_also_from_a_part(rows, data):
    first = data.draw(st.integers(0, len(rows) - 1))
    chosen = data.draw(st.lists(st.integers(0, len(rows) - first - 1)))
    taken = sequences(rows).part(first, len(rows)).take(np.array(chosen, np.int64))
    assert rows_of(taken) == [rows[first:][i] for i in chosen]


def test_a_mask_takes_the_rows_where_it_is_true():
    taken = sequences([[1], [], [2, 3], [4]]).take(np.array([True, True, False, True]))
    assert rows_of(taken) == [[1], [], [4]]


@given(st.lists(rows_of_tokens, min_size=1, max_size=4))
def test_parts_put_together_again_are_the_whole(parts):
    whole = Sequences.concatenate(sequences(part) for part in parts)
    assert rows_of(whole) == [row for part in parts for row in part]


def test_parts_of_longer_sequences_are_put_together_alone():
    longer = sequences([[1], [2, 2], [3], [4, 4]])
    assert rows_of(Sequences.concatenate([longer.part(1, 2), longer.part(3, 4)])) == [[2, 2], [4, 4]]


@given(rows_of_tokens, st.integers(0, 3))
def test_padding_fills_up_with_zeros_on_the_right(rows, more):
    longest = max(map(len, rows), default=0)
    padded = sequences(rows).padded(longest + more)
    assert padded.tolist() == [row + [0] * (longest + more - len(row)) for row in rows]
    assert padded.shape == (len(rows), longest + more)


def test_without_a_width_the_longest_sequence_sets_it():
    assert sequences([[1], [2, 3]]).padded().tolist() == [[1, 0], [2, 3]]
    assert sequences([]).padded().shape == (0, 0)
    assert sequences([[], []]).padded().shape == (2, 0)


def test_vectors_are_padded_with_zero_vectors_and_keep_their_type():
    vectors = Sequences.of_lengths(np.array([[1.5, 2], [3, 4], [5, 6]]), np.array([1, 2]))
    assert vectors.padded(3).tolist() == [[[1.5, 2], [0, 0], [0, 0]], [[3, 4], [5, 6], [0, 0]]]
    assert vectors.padded().dtype == np.float64
    assert vectors.part(0, 0).padded().shape == (0, 0, 2)


def test_a_part_is_padded_without_its_neighbours():
    longer = sequences([[1, 1, 1], [2], [3, 3]])
    assert longer.part(1, 3).padded().tolist() == [[2, 0], [3, 3]]
    assert longer.part(1, 2).padded().tolist() == [[2]]


@pytest.mark.parametrize("shape", [(3, 2), (3, 2, 4), (0, 2), (3, 0)])
def test_rows_of_one_length_are_the_same_array_again(shape):
    rows = np.arange(np.prod(shape)).reshape(shape)
    result = Sequences.of_rows(rows)
    assert np.array_equal(result.padded(shape[1]), rows)
    assert result.is_uniform


def test_a_part_copies_no_step():
    whole = sequences([[1], [2], [3]])
    assert np.shares_memory(whole.part(1, 2).values, whole.values)


def test_pairs_stay_together():
    pairs = Pairs(sequences([[1], [2, 2], []]), sequences([[10], [20], [30, 30]]))
    assert len(pairs) == 3
    for some in (pairs.take(np.array([2, 1])), Pairs.concatenate([pairs.part(2, 3), pairs.part(1, 2)])):
        assert (rows_of(some.source), rows_of(some.target)) == ([[], [2, 2]], [[30, 30], [20]])
    of_rows = Pairs.of_rows(np.array([[1, 2]]), np.array([[3]]))
    assert (rows_of(of_rows.source), rows_of(of_rows.target)) == ([[1, 2]], [[3]])


def test_weights_stay_with_their_pairs():
    side = sequences([[1], [2, 2], []])
    pairs = Pairs(side, side, np.array([0.5, 2.0, 0.0]))
    for some in (pairs.take(np.array([2, 1])), Pairs.concatenate([pairs.part(2, 3), pairs.part(1, 2)])):
        assert some.weights.tolist() == [0.0, 2.0]
    assert pairs.take(np.array([False, True, False])).weights.tolist() == [2.0]
    plain = Pairs(side, side)
    assert plain.part(0, 1).weights is plain.take(np.array([0])).weights is Pairs.concatenate([plain]).weights is None


def test_a_token_is_counted_in_each_sequence_of_a_part():
    sequences = Sequences.of_lengths(np.array([3, 4, 3, 5, 3]), np.array([2, 0, 2, 1]))
    assert sequences.count(3).tolist() == [1, 0, 1, 1]
    assert sequences.part(2, 4).count(3).tolist() == [1, 1]
    assert sequences.count(None).tolist() == [0, 0, 0, 0]
