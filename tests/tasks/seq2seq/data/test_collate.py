import json

import numpy as np
import pytest

from tasks.seq2seq.arrays.sequences import Pairs, Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.collate import source_array, training_batch
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary

IDENTITY = Vocabulary.identity(9)  # start 0, no end
LEARNED = Vocabulary.learn("integers", dict.fromkeys(range(10), 1), "source")  # padding 0, start 1, end 2, unknown 3
SCALING = Scaling(mean=(10.0,), deviation=(2.0,), low=(0.0,), high=(20.0,))
END = 2


def sequences(rows):
    values = np.array([step for row in rows for step in row], np.int32)
    return Sequences.of_lengths(values, np.array([len(row) for row in rows], np.int64))


def vectors(rows):
    flat = sequences(rows)
    return Sequences(flat.values.astype(np.float64)[:, None], flat.offsets)


def rows_of(sequences):
    return [sequences[i].tolist() for i in range(len(sequences))]


def test_sources_of_files_end_with_the_end_id_and_then_padding():
    array = source_array(sequences([[5, 6], [7], [8, 9, 10]]), LEARNED)
    assert array.tolist() == [[5, 6, END, 0], [7, END, 0, 0], [8, 9, 10, END]]
    assert array.dtype == np.int32


def test_an_empty_source_is_its_end_id_alone():
    assert source_array(sequences([[]]), LEARNED).tolist() == [[END]]
    assert source_array(sequences([[], [5]]), LEARNED).tolist() == [[END, 0], [5, END]]


def test_no_sources_make_an_array_without_rows():
    assert len(source_array(sequences([]), LEARNED)) == 0
    assert len(source_array(vectors([]), SCALING)) == 0


def test_sources_of_a_synthetic_problem_have_no_end():
    assert source_array(sequences([[1, 2], [3, 4]]), IDENTITY).tolist() == [[1, 2], [3, 4]]


def test_the_stored_sequences_are_not_changed_by_their_ends():
    """Of one length they are handed over without a copy."""
    stored = sequences([[5, 6], [7, 8]])
    source_array(stored, LEARNED, 3)
    training_batch(Pairs(stored, stored), Codecs(LEARNED, LEARNED))
    assert rows_of(stored) == [[5, 6], [7, 8]]


def test_a_wider_array_has_more_padding_and_nothing_else():
    narrow, wide = (source_array(sequences([[5, 6], [7]]), LEARNED, width) for width in (None, 6))
    assert wide[:, :3].tolist() == narrow.tolist()
    assert (wide[:, 3:] == 0).all()
    narrow, wide = (source_array(vectors([[5, 6], [7]]), SCALING, width) for width in (None, 6))
    assert wide[:, :2].tolist() == narrow.tolist()
    assert (wide[:, 2:] == 0).all()


def test_vectors_are_standardised_and_marked_as_present():
    array = source_array(vectors([[12, 10], [6]]), SCALING)
    assert array.tolist() == [[[1, 1], [0, 1]], [[-2, 1], [0, 0]]]
    assert array.dtype == np.float32


def test_a_batch_of_tokens_by_hand():
    """The decoder is given the start and then the target, whose end is learned too; padding weighs nothing."""
    batch = training_batch(Pairs(sequences([[5], [6, 7]]), sequences([[4, 5, 6], [7]])), Codecs(LEARNED, LEARNED))
    assert batch.source.tolist() == [[5, END, 0], [6, 7, END]]
    assert batch.target.tolist() == [[4, 5, 6, END], [7, END, 0, 0]]
    assert batch.decoder_input.tolist() == [[1, 4, 5, 6], [1, 7, END, 0]]
    assert batch.weights.tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    assert [array.dtype for array in batch] == [np.int32, np.int32, np.int32, np.float32]


def test_an_empty_target_is_learned_as_an_end_at_once():
    batch = training_batch(Pairs(sequences([[5]]), sequences([[]])), Codecs(LEARNED, LEARNED))
    assert (batch.target.tolist(), batch.decoder_input.tolist(), batch.weights.tolist()) == ([[END]], [[1]], [[1]])


def test_a_batch_of_one_length_without_ends_is_all_weight():
    pairs = Pairs(sequences([[1, 2, 3], [4, 5, 6]]), sequences([[2, 1], [5, 4]]))
    batch = training_batch(pairs, Codecs(IDENTITY, IDENTITY))
    assert batch.target.tolist() == [[2, 1], [5, 4]]
    assert batch.decoder_input.tolist() == [[0, 2], [0, 5]]
    assert batch.weights.tolist() == [[1, 1], [1, 1]]


def test_a_batch_of_vectors_starts_from_a_zero_vector():
    pairs = Pairs(vectors([[10, 12, 14]]), vectors([[6, 8]]))
    batch = training_batch(pairs, Codecs(SCALING, SCALING))
    assert batch.source.tolist() == [[[0, 1], [1, 1], [2, 1]]]
    assert batch.target.tolist() == [[[-2], [-1]]]
    assert batch.decoder_input.tolist() == [[[0], [-2]]]
    assert batch.weights.tolist() == [[1, 1]]
    assert {array.dtype for array in batch} == {np.dtype(np.float32)}


def test_weights_of_pairs_are_those_of_their_steps_over_the_steps_of_the_batch():
    """Padding is no step, and the end is one; so the loss, a sum, is the mean of steps that count as they should."""
    side = sequences([[4, 5, 6], [7]])
    batch = training_batch(Pairs(side, side, np.array([3.0, 0.5])), Codecs(LEARNED, LEARNED))
    assert batch.weights * 6 == pytest.approx(np.array([[3, 3, 3, 3], [0.5, 0.5, 0, 0]]))
    assert batch.weights.dtype == np.float32
    side = vectors([[10, 12], [14, 16]])
    batch = training_batch(Pairs(side, side, np.array([1.0, 0.0])), Codecs(SCALING, SCALING))
    assert (batch.weights * 4).tolist() == [[1, 1], [0, 0]]


def test_the_two_sides_may_be_of_different_kinds():
    batch = training_batch(Pairs(vectors([[10]]), sequences([[4]])), Codecs(SCALING, LEARNED))
    assert (batch.source.tolist(), batch.target.tolist()) == ([[[0, 1]]], [[4, END]])
    batch = training_batch(Pairs(sequences([[4]]), vectors([[12]])), Codecs(LEARNED, SCALING))
    assert (batch.source.tolist(), batch.target.tolist()) == ([[4, END]], [[[1]]])


@pytest.mark.parametrize("source", [IDENTITY, LEARNED, SCALING])
@pytest.mark.parametrize("target", [IDENTITY, LEARNED, SCALING])
def test_json_holds_both_codecs(source, target):
    codecs = Codecs(source, target)
    assert Codecs.from_json(json.loads(json.dumps(codecs.to_json()))) == codecs
