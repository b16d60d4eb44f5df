import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tasks.seq2seq.errors import DataError
from tasks.seq2seq.vocabulary import Vocabulary, shift_right

INT64 = st.integers(-(2**63), 2**63 - 1)
TENS = Vocabulary.learn(np.array([[30, -10], [0, 30]]), "source")  # symbols -10, 0, 30


def test_learned_ids_follow_the_reserved_ones_in_ascending_order():
    assert TENS.symbols == (-10, 0, 30)
    assert TENS.size == 7
    assert TENS.encode(np.array([[30, 0, -10]])).tolist() == [[6, 5, 4]]
    assert TENS.encode(np.array([0])).dtype == np.int32


@given(hnp.arrays(np.int64, st.tuples(st.integers(1, 8), st.integers(2, 6)), elements=INT64, unique=True))
def test_learned_values_survive_the_way_there_and_back(values):
    """Every integer is a symbol: 0, negatives and the ends of 64 bits included."""
    vocabulary = Vocabulary.learn(values, "source")
    assert vocabulary.decode(vocabulary.encode(values)) == values.tolist()


@given(st.lists(INT64, min_size=2, unique=True), st.lists(INT64))
def test_no_content_takes_a_reserved_id(learned, seen_later):
    """And what training did not see becomes the unknown id, wherever it lies."""
    vocabulary = Vocabulary.learn(np.array(learned), "source")
    for value, i in zip(seen_later, vocabulary.encode(np.array(seen_later, np.int64)), strict=True):
        assert (i >= vocabulary.reserved) == (value in learned)
        assert value in learned or i == vocabulary.unknown


def test_padding_start_end_and_unknown_are_four_different_ids():
    assert len({TENS.padding, TENS.start, TENS.end, TENS.unknown}) == 4
    assert {TENS.padding, TENS.start, TENS.end, TENS.unknown} == set(range(TENS.reserved))


def test_reserved_ids_decode_to_none():
    assert TENS.decode(np.array([[0, 1, 2, 3, 4]], np.int32)) == [[None, None, None, None, -10]]


def test_a_column_of_one_symbol_is_refused():
    with pytest.raises(DataError, match=r"target column .* 1 different symbol.* at least 2"):
        Vocabulary.learn(np.array([[7, 7], [7, 7]]), "target")


def test_the_identity_vocabulary_keeps_ids_as_they_are():
    identity = Vocabulary.identity(50)
    ids = np.arange(1, 51)
    assert identity.encode(ids).tolist() == ids.tolist()
    assert (identity.size, identity.start, identity.padding) == (51, 0, 0)


@pytest.mark.parametrize("outside", [0, 51, -1])
def test_the_identity_vocabulary_refuses_what_is_outside(outside):
    with pytest.raises(DataError, match=rf"token {outside} is outside the vocabulary \(1\.\.50\)"):
        Vocabulary.identity(50).encode(np.array([[1, outside]]))


def test_labels_name_every_id_once():
    assert TENS.labels() == ["<pad>", "<start>", "<end>", "<unk>", "-10", "0", "30"]
    assert Vocabulary.identity(3, "ab+").labels()[1:] == ["a", "b", "+"]


def test_sequences_are_written_as_a_person_would():
    ids = np.array([1, 3, 2], np.int32)
    assert Vocabulary.identity(3).write(ids) == "[1, 3, 2]"
    assert Vocabulary.identity(3, "ab+").write(ids) == "a+b"


@pytest.mark.parametrize("vocabulary", [TENS, Vocabulary.identity(11, "0123456789+")])
def test_json_holds_the_whole_vocabulary(vocabulary):
    assert Vocabulary.from_json(json.loads(json.dumps(vocabulary.to_json()))) == vocabulary


@pytest.mark.parametrize("key", TENS.to_json())
def test_json_that_lacks_a_key_is_refused(key):
    """A default in its place would shift every id of a vocabulary that was made otherwise."""
    content = Vocabulary.identity(3).to_json()
    del content[key]
    with pytest.raises(DataError):
        Vocabulary.from_json(content)


@pytest.mark.parametrize("wrong", [{"symbols": 3}, {"symbols": "123"}, {"reserved": "1"}, {"added": 1}])
def test_json_of_another_kind_is_refused(wrong):
    with pytest.raises(DataError):
        Vocabulary.from_json({**TENS.to_json(), **wrong})


def test_the_decoder_input_is_the_target_a_step_later():
    shifted = shift_right(np.array([[7, 8, 9], [4, 5, 6]], np.int32), start=1)
    assert shifted.tolist() == [[1, 7, 8], [1, 4, 5]]
    assert shifted.dtype == np.int32
