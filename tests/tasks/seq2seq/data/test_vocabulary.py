import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.errors import DataError

INT64 = st.integers(-(2**63), 2**63 - 1)
TENS = Vocabulary.learn("integers", {30: 2, -10: 1, 0: 1}, "source")
LETTERS = Vocabulary.learn("characters", {"é": 1, "a": 5, "😀": 1}, "source")
WORDS = Vocabulary.learn("words", {"the": 9, "cat": 2, "sat": 1}, "source")


def learned(counts, *limits):
    return Vocabulary.learn("integers", counts, "source", *limits)


def test_learned_ids_follow_the_reserved_ones_in_ascending_order():
    assert TENS.symbols == (-10, 0, 30)
    assert TENS.size == 7
    assert TENS.encode(np.array([[30, 0, -10]])).tolist() == [[6, 5, 4]]
    assert TENS.encode(np.array([0])).dtype == np.int32


@given(st.lists(INT64, min_size=2, unique=True))
def test_learned_integers_survive_the_way_there_and_back(values):
    """Every integer is a symbol: 0, negatives and the ends of 64 bits included."""
    vocabulary = learned(dict.fromkeys(values, 1))
    assert vocabulary.decode(vocabulary.encode(np.array(values))) == values


@given(st.lists(st.characters(), min_size=2, unique=True))
def test_learned_characters_survive_the_way_there_and_back(letters):
    vocabulary = Vocabulary.learn("characters", dict.fromkeys(letters, 1), "source")
    assert vocabulary.decode(vocabulary.encode(np.array([ord(letter) for letter in letters]))) == letters


@given(st.lists(st.text(min_size=1), min_size=2, unique=True))
def test_learned_words_survive_the_way_there_and_back(words):
    vocabulary = Vocabulary.learn("words", dict.fromkeys(words, 1), "source")
    assert vocabulary.decode(vocabulary.encode_words(words)) == words


@given(st.lists(INT64, min_size=2, unique=True), st.lists(INT64))
def test_no_content_takes_a_reserved_id(seen, seen_later):
    """And what training did not see becomes the unknown id, wherever it lies."""
    vocabulary = learned(dict.fromkeys(seen, 1))
    values = [*seen_later, *seen]
    for value, i in zip(values, vocabulary.encode(np.array(values, np.int64)), strict=True):
        assert (i >= vocabulary.reserved) == (value in seen)
        assert value in seen or i == vocabulary.unknown


def test_unseen_characters_and_words_become_the_unknown_id():
    assert LETTERS.encode(np.array([ord(c) for c in "b a\U0010ffff"])).tolist() == [3, 3, 4, 3]
    ids = WORDS.encode_words(["dog", "cat", "", "THE"])
    assert (ids.tolist(), ids.dtype) == ([3, 4, 3, 3], np.int32)


@pytest.mark.parametrize(
    ("limits", "symbols"),
    [
        ((1, None), (1, 2, 3, 4, 5)),
        ((2, None), (1, 2, 3, 5)),
        ((3, None), (2, 5)),
        ((1, 5), (1, 2, 3, 4, 5)),
        ((1, 3), (1, 2, 5)),
        ((3, 9), (2, 5)),
    ],
)
def test_rare_symbols_are_left_out_and_of_the_rest_the_commonest_kept(limits, symbols):
    """Of the equally common 1 and 3 the smaller stays; symbols are ascending, whatever their counts."""
    assert learned({3: 2, 1: 2, 2: 7, 4: 1, 5: 3}, *limits).symbols == symbols


def test_padding_start_end_and_unknown_are_four_different_ids():
    assert len({TENS.padding, TENS.start, TENS.end, TENS.unknown}) == 4
    assert {TENS.padding, TENS.start, TENS.end, TENS.unknown} == set(range(TENS.reserved))
    assert TENS.padding == 0  # what masks take for padding


def test_reserved_ids_decode_to_none():
    assert TENS.decode(np.array([0, 1, 2, 3, 4], np.int32)) == [None, None, None, None, -10]


@pytest.mark.parametrize(("counts", "seen", "kept"), [({7: 4}, 1, 1), ({7: 4, 8: 1, 9: 1}, 3, 1), ({}, 0, 0)])
def test_a_column_with_nothing_to_tell_apart_is_refused_with_what_it_holds(counts, seen, kept):
    with pytest.raises(
        DataError, match=rf"target column .* {seen} different symbol.* {kept} of them\s+at least 2 time"
    ):
        Vocabulary.learn("integers", counts, "target", 2)


def test_the_identity_vocabulary_keeps_ids_as_they_are():
    identity = Vocabulary.identity(50)
    ids = np.arange(1, 51)
    assert identity.encode(ids).tolist() == ids.tolist()
    assert (identity.size, identity.start, identity.padding) == (51, 0, 0)
    assert (identity.end, identity.unknown) == (None, None)


@pytest.mark.parametrize("outside", [0, 51, -1])
def test_the_identity_vocabulary_refuses_what_is_outside(outside):
    with pytest.raises(DataError, match=rf"token {outside} is outside the vocabulary \(1\.\.50\)"):
        Vocabulary.identity(50).encode(np.array([[1, outside]]))


def test_labels_name_every_id_once():
    assert TENS.labels() == ["<pad>", "<start>", "<end>", "<unk>", "-10", "0", "30"]
    assert WORDS.labels()[4:] == ["cat", "sat", "the"]
    assert Vocabulary.identity(3, "ab+").labels()[1:] == ["a", "b", "+"]


@pytest.mark.parametrize(
    ("vocabulary", "ids", "text"),
    [
        (Vocabulary.identity(3), [1, 3, 2], "[1, 3, 2]"),
        (Vocabulary.identity(3, "ab+"), [1, 3, 2], "a+b"),
        (TENS, [6, 4], "[30, -10]"),
        (LETTERS, [4, 6, 5], "a😀é"),
        (WORDS, [6, 4, 3], "the cat <unk>"),
        (WORDS, [], ""),
        (TENS, [], "[]"),
    ],
)
def test_sequences_are_written_as_a_person_would(vocabulary, ids, text):
    assert vocabulary.write(np.array(ids, np.int32)) == text


@pytest.mark.parametrize("vocabulary", [TENS, LETTERS, WORDS, Vocabulary.identity(11, "0123456789+")])
def test_json_holds_the_whole_vocabulary(vocabulary):
    assert Vocabulary.from_json(json.loads(json.dumps(vocabulary.to_json()))) == vocabulary


@pytest.mark.parametrize("key", TENS.to_json())
def test_json_that_lacks_a_key_is_refused(key):
    """A default in its place would shift every id of a vocabulary that was made otherwise."""
    content = Vocabulary.identity(3).to_json()
    del content[key]
    with pytest.raises(DataError):
        Vocabulary.from_json(content)


@pytest.mark.parametrize(
    "wrong",
    [
        {"symbols": 3},
        {"symbols": "123"},
        {"symbols": [1, "a"]},
        {"reserved": "1"},
        {"added": 1},
        {"kind": "bytes"},
        {"end": "</s>"},
    ],
)
def test_json_of_another_kind_is_refused(wrong):
    with pytest.raises(DataError):
        Vocabulary.from_json({**TENS.to_json(), **wrong})
