import unicodedata
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.seq2seq.data.codec_training import COUNTED_RANGE, INTAKES, finish_both, intakes_of
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.data import FilesData
from tests.helpers.codecs import as_scaling, as_vocabulary

TOKENS = ("integers", "characters", "words")
# The same symbols, five of them and ascending, in each encoding.
SYMBOLS: dict[str, list[Any]] = {
    "integers": [-7, 0, 3, 40, 2**40],
    "characters": list("abé😀\U0010ffff"),
    "words": ["", "a", "b", "ba", "é"],
}
INT64 = st.integers(-(2**63), 2**63 - 1)


def raw(encoding, symbols):
    """Steps and words as the readers give them; words come once each, in the order of their first use."""
    if encoding == "words":
        words = list(dict.fromkeys(symbols))
        return np.array([words.index(symbol) for symbol in symbols], np.int64), words
    values = [ord(symbol) for symbol in symbols] if encoding == "characters" else symbols
    return np.array(values, np.int64), None


def staged(intake, encoding, symbols):
    return intake.stage(*raw(encoding, symbols))


def learn(encoding, learned, others=(), min_count=1, max_vocabulary=None):
    """The vocabulary of `learned`, and the ids of `learned` and `others`, which are staged first."""
    intake = INTAKES[encoding]()
    after, before = staged(intake, encoding, list(others)), staged(intake, encoding, learned)
    intake.learn(before)
    vocabulary = as_vocabulary(intake.finish("source", min_count, max_vocabulary))
    return vocabulary, intake.encode(before).tolist(), intake.encode(after).tolist()


@pytest.mark.parametrize("encoding", TOKENS)
def test_only_what_was_given_to_learn_is_in_the_vocabulary(encoding):
    """The rest, staged as it was, becomes unknown."""
    symbols = SYMBOLS[encoding]
    vocabulary, ids, others = learn(encoding, [symbols[3], symbols[0], symbols[3]], symbols)
    assert vocabulary == Vocabulary(encoding, (symbols[0], symbols[3]))
    assert ids == [5, 4, 5]
    assert others == [4, vocabulary.unknown, vocabulary.unknown, 5, vocabulary.unknown]


@pytest.mark.parametrize("encoding", TOKENS)
def test_symbols_are_counted_over_all_blocks(encoding):
    intake, symbols = INTAKES[encoding](), SYMBOLS[encoding]
    for block in ([symbols[4], symbols[1]], [], [symbols[2], symbols[1]], [symbols[4], symbols[0]]):
        intake.learn(staged(intake, encoding, block))
    assert as_vocabulary(intake.finish("source", 2, None)).symbols == (symbols[1], symbols[4])


@pytest.mark.parametrize("encoding", TOKENS)
def test_rare_symbols_become_unknown_and_the_commonest_are_kept(encoding):
    a, b, c, d, _ = SYMBOLS[encoding]
    learned = [a, b, b, c, c, d, d, d]
    assert learn(encoding, learned, min_count=2)[0].symbols == (b, c, d)
    assert learn(encoding, learned, max_vocabulary=2)[0].symbols == (b, d)
    _, ids, _ = learn(encoding, learned, min_count=2, max_vocabulary=2)
    assert ids == [3, 4, 4, 3, 3, 5, 5, 5]


@pytest.mark.parametrize("encoding", TOKENS)
def test_a_side_with_one_symbol_is_refused_with_its_name(encoding):
    symbol, intake = SYMBOLS[encoding][0], INTAKES[encoding]()
    intake.learn(staged(intake, encoding, [symbol, symbol]))
    with pytest.raises(DataError, match="target column"):
        intake.finish("target", 1, None)


@pytest.mark.parametrize("encoding", TOKENS)
def test_a_hash_is_of_the_content_whatever_came_before(encoding):
    """Another intake, which met the symbols in another order, gives the same hashes."""
    symbols = SYMBOLS[encoding]
    one, other = INTAKES[encoding](), INTAKES[encoding]()
    hashes = one.hashes(staged(one, encoding, symbols))
    first = other.hashes(staged(other, encoding, [symbols[4], symbols[2]]))
    rest = other.hashes(staged(other, encoding, symbols[::-1]))
    assert first.tolist() == hashes[[4, 2]].tolist()
    assert rest.tolist() == hashes[::-1].tolist()
    assert (len(set(hashes.tolist())), hashes.dtype) == (5, np.uint64)


@pytest.mark.parametrize("encoding", TOKENS)
def test_learning_changes_no_hash(encoding):
    intake = INTAKES[encoding]()
    before = staged(intake, encoding, SYMBOLS[encoding])
    hashes = intake.hashes(before).tolist()
    intake.learn(before)
    intake.finish("source", 1, None)
    assert intake.hashes(before).tolist() == hashes


@given(st.lists(st.lists(INT64 | st.integers(-3, 3), max_size=8), min_size=1, max_size=3))
def test_integers_near_each_other_and_far_apart_are_counted_alike(blocks):
    """Narrow blocks are counted in an array, wide ones by sorting."""
    intake = INTAKES["integers"]()
    values = [value for block in blocks for value in block]
    for block in [*blocks, [0, 1], [0, COUNTED_RANGE + 1], [1, COUNTED_RANGE + 1]]:
        intake.learn(np.array(block, np.int64))
    symbols = as_vocabulary(intake.finish("source", 2, None)).symbols
    counted = [*values, 0, 0, 1, 1, COUNTED_RANGE + 1, COUNTED_RANGE + 1]
    assert symbols == tuple(sorted({value for value in counted if counted.count(value) >= 2}))


@given(st.lists(st.text(max_size=3), min_size=2, unique=True), st.data())
def test_words_are_numbered_as_they_come_and_written_back_as_they_were(words, data):
    intake = INTAKES["words"]()
    blocks = data.draw(st.lists(st.lists(st.sampled_from(words), max_size=5), max_size=4))
    kept = [staged(intake, "words", block) for block in [*blocks, words]]
    for part in kept:
        intake.learn(part)
    vocabulary = as_vocabulary(intake.finish("source", 1, None))
    assert vocabulary.symbols == tuple(sorted(words))
    assert [vocabulary.decode(intake.encode(part)) for part in kept] == [*blocks, words]


def test_characters_are_code_points_of_any_plane():
    letters = [*unicodedata.normalize("NFC", "e\u0301"), "\0", "\U0010ffff"]
    vocabulary, ids, _ = learn("characters", letters)
    assert vocabulary.symbols == ("\0", "é", "\U0010ffff")
    assert ids == [5, 4, 6]


def test_vectors_are_scaled_by_what_was_given_to_learn():
    intake = INTAKES["vectors"]()
    learned, other = np.array([[0.0, 5.0], [4.0, 5.0]]), np.array([[100.0, -100.0]])
    assert intake.features is None
    assert np.array_equal(intake.stage(other, None), other)
    assert intake.features == 2
    for row in learned:
        intake.learn(row[None])
    scaling = as_scaling(intake.finish("source", 1, None))
    assert (scaling.mean, scaling.deviation, scaling.low, scaling.high) == ((2, 5), (2, 0), (0, 5), (4, 5))
    assert np.array_equal(intake.encode(other), other)


def test_vectors_are_hashed_by_their_values_and_their_order():
    """Zero is zero, whatever its sign."""
    intake = INTAKES["vectors"]()
    hashes = intake.hashes(np.array([[1.0, 0.0], [1.0, -0.0], [0.0, 1.0], [1.0, 1e-300], [1.0, 0.0]])).tolist()
    assert hashes[0] == hashes[1] == hashes[4]
    assert len(set(hashes)) == 3
    assert intake.hashes(np.asfortranarray(np.array([[5.0, 6.0], [1.0, 0.0]]))).tolist()[1] == hashes[0]


def learn_sides(encoding, source, target, **settings):
    """The codecs of both sides and the ids of their symbols."""
    data = FilesData(train="a.csv", source_encoding=encoding, target_encoding=encoding, **settings)
    intakes = intakes_of(data.source_encoding, data.target_encoding, shared=data.shared_vocabulary)
    steps = [staged(intake, encoding, side) for intake, side in zip(intakes, (source, target), strict=True)]
    for intake, side in zip(intakes, steps, strict=True):
        intake.learn(side)
    codecs = finish_both(intakes, (data.source_columns, data.target_columns), data.min_count, data.max_vocabulary)
    return codecs, [intake.encode(side).tolist() for intake, side in zip(intakes, steps, strict=True)]


@pytest.mark.parametrize("encoding", TOKENS)
def test_a_shared_vocabulary_gives_a_symbol_one_id_on_both_sides(encoding):
    _, b, c, d, _ = SYMBOLS[encoding]
    codecs, ids = learn_sides(encoding, [d, b], [c, d], shared_vocabulary=True)
    assert codecs.source == codecs.target == Vocabulary(encoding, (b, c, d))
    assert ids == [[6, 4], [5, 6]]
    codecs, ids = learn_sides(encoding, [d, b], [c, d])
    assert (codecs.source.symbols, codecs.target.symbols) == ((b, d), (c, d))
    assert ids == [[5, 4], [4, 5]]


@pytest.mark.parametrize("encoding", TOKENS)
def test_limits_of_a_shared_vocabulary_are_for_the_counts_of_both_sides_together(encoding):
    a, b, c, d, _ = SYMBOLS[encoding]
    sides = [a, b, b, c], [a, c, c, d]
    codecs, ids = learn_sides(encoding, *sides, shared_vocabulary=True, min_count=2)
    assert codecs.source.symbols == (a, b, c)  # on no side alone does `a` come twice
    assert ids == [[4, 5, 5, 6], [4, 6, 6, codecs.target.unknown]]
    assert learn_sides(encoding, *sides, shared_vocabulary=True, max_vocabulary=2)[0].target.symbols == (a, c)


def test_a_shared_vocabulary_of_one_symbol_is_refused_by_the_columns_of_both_sides():
    with pytest.raises(DataError, match="the source and target column of the training split holds 1 different symbol"):
        learn_sides("integers", [1, 1], [1], shared_vocabulary=True)
