"""Ids of one vocabulary as another has them."""

import numpy as np
import pytest

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.scaling import Moments
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.data.vocabulary_mapping import new_ids, translate
from tasks.seq2seq.errors import DataError

ABC = Vocabulary("characters", ("a", "b", "c"))
BCD = Vocabulary("characters", ("b", "c", "d"))


def test_symbols_keep_their_meaning_and_special_ids_their_role():
    identity = Vocabulary.identity(3)
    integers = Vocabulary("integers", (1, 3))
    assert new_ids(ABC, BCD).tolist() == [0, 1, 2, 3, -1, 4, 5]
    assert new_ids(identity, integers).tolist() == [1, 4, -1, 5]  # 0 is padding and start at once


def test_a_symbol_that_the_other_does_not_know_becomes_unknown():
    found = translate(Sequences.of_rows(np.array([[4, 5, 6, 3]], np.int32)), ABC, BCD)
    assert found.values.tolist() == [3, 4, 5, 3]


def test_a_symbol_without_any_id_is_refused_by_name():
    sequences = Sequences.of_rows(np.array([[1, 3]], np.int32))
    with pytest.raises(DataError, match=r"the symbol \[3\]"):
        translate(sequences, Vocabulary.identity(3), Vocabulary.identity(2))


def test_vectors_stay_what_they_are_and_must_be_of_as_many_features():
    def scaling(features):
        moments = Moments(features)
        moments.add(np.random.default_rng(0).normal(size=(9, features)))
        return moments.finish()

    sequences = Sequences.of_rows(np.zeros((2, 3, 2)))
    assert translate(sequences, scaling(2), scaling(2)) is sequences
    for before, after in ((scaling(2), scaling(3)), (scaling(2), ABC)):
        with pytest.raises(DataError, match="of another number of features"):
            translate(sequences, before, after)
