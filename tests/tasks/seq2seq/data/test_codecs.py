"""What is asked of a codec: a vocabulary and a scaling each answer for themselves."""

import numpy as np
import pytest

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.data.vocabulary_mapping import id_table
from tests.helpers.codecs import as_scaling

WORDS = Vocabulary("words", ("one", "two"))
CLOSED = Vocabulary.identity(5)
REALS = Scaling((1.0, 2.0), (1.0, 4.0), (0.0, 0.0), (2.0, 4.0))


def test_ids_and_features_exclude_one_another():
    assert (WORDS.size, WORDS.features, WORDS.is_tokens) == (6, 0, True)
    assert (REALS.size, REALS.features, REALS.is_tokens) == (0, 2, False)


@pytest.mark.parametrize(("codec", "has_end"), [(WORDS, True), (CLOSED, False), (REALS, False)])
def test_only_learned_vocabularies_end_their_sequences(codec, has_end):
    assert codec.has_end == has_end


def test_sources_unlike_those_of_training_are_flagged_by_what_the_codec_is():
    ids = Sequences.of_lengths(np.array([3, 4, 3, 5], np.int32), np.array([3, 1]))
    assert {name: flags.tolist() for name, flags in WORDS.flags(ids).items()} == {WORDS.flag: [2, 0]}
    vectors = Sequences.of_rows(np.array([[[1.0, 2.0]], [[9.0, 2.0]]]))
    assert {name: flags.tolist() for name, flags in REALS.flags(vectors).items()} == {REALS.flag: [False, True]}
    assert (WORDS.flag, REALS.flag) == ("n_unknown", "outside_range")
    assert CLOSED.flags(ids) == {}


def test_only_numbers_have_directions():
    codecs = Codecs(REALS, REALS).for_loss("cosine_similarity")
    assert (codecs.source, as_scaling(codecs.target).mean) == (REALS, (0.0, 0.0))
    assert Codecs(REALS, REALS).for_loss("mae") == Codecs(REALS, REALS)
    assert Codecs(WORDS, WORDS).for_loss("cosine_similarity") == Codecs(WORDS, WORDS)


def test_datasets_hold_ids_and_numbers_in_original_units():
    assert CLOSED.encode(np.array([1, 5])).tolist() == [1, 5]
    values = np.array([[3.0, 4.0]])
    assert REALS.encode(values) is values


def test_time_steps_are_labelled_by_symbols_or_by_their_number():
    assert WORDS.label_steps(np.array([4, 2])) == ["one", "<end>"]
    assert REALS.label_steps(np.zeros((3, 2))) == ["1", "2", "3"]


def test_a_sequence_of_vectors_is_written_in_a_line_of_which_only_the_ends_are_shown():
    assert REALS.write(np.array([[1.0, 2.34567], [3.0, 4.0]])) == "[1 2.346, 3 4]"
    many = np.arange(13.0)[:, None]
    assert REALS.write(many) == "[0, 1, ... 9 more ..., 11, 12]"


def test_teacher_forcing_shifts_targets_by_a_step():
    forced = WORDS.teacher_forcing(Sequences.of_lengths(np.array([4, 5, 4], np.int32), np.array([2, 1])))
    assert forced.target.tolist() == [[4, 5, 2], [4, 2, 0]]
    assert forced.decoder_input.tolist() == [[1, 4, 5], [1, 4, 2]]
    assert forced.is_step.tolist() == [[1, 1, 1], [1, 1, 0]]
    forced = REALS.teacher_forcing(Sequences.of_rows(np.array([[[2.0, 6.0], [1.0, -2.0]]])))
    assert forced.target.tolist() == [[[1, 1], [0, -1]]]
    assert forced.decoder_input.tolist() == [[[0, 0], [1, 1]]]
    assert forced.is_step.tolist() == [[1, 1]]


def test_only_vocabularies_have_ids_to_map():
    assert id_table(WORDS, REALS) is None
    assert id_table(REALS, REALS) is None
    assert id_table(WORDS, WORDS).tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("codec", [WORDS, CLOSED, REALS])
def test_codecs_come_back_from_json_as_what_they_were(codec):
    assert Codecs.from_json(Codecs(codec, WORDS).to_json()) == Codecs(codec, WORDS)
