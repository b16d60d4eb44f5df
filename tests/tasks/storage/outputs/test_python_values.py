"""What a model predicts as plain values, without a column between."""

import numpy as np
import pytest

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.storage.outputs.predictions import to_values
from tasks.storage.outputs.python_values import to_python

CODECS = {
    "integers": Vocabulary.learn("integers", {-(2**62): 1, 0: 1, 7: 1}, ""),
    "characters": Vocabulary.learn("characters", {"a": 1, "漢": 1, "😀": 1}, ""),
    "words": Vocabulary.learn("words", {"one": 1, "zwölf": 1, "": 1}, ""),
    "synthetic": Vocabulary.identity(6),
}
LENGTHS = np.array([2, 0, 3, 1])


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@pytest.mark.parametrize("first", [0, 1, 4])
def test_symbols_are_those_of_a_column_reserved_ones_too(codec, first):
    ids = np.array([0, 1, 3, codec.reserved, codec.reserved + 1, codec.size - 1], np.int32)
    sequences = Sequences.of_lengths(ids, LENGTHS).part(first, 4)
    found = to_python(sequences, codec)
    assert found == to_values(sequences, codec).to_pylist()
    assert len(found) == 4 - first
    plain = str if codec.kind in {"characters", "words"} else int
    assert {type(symbol) for row in found for symbol in row} <= {plain, type(None)}


@pytest.mark.parametrize("features", [1, 2])
def test_vectors_are_those_of_a_column(features):
    codec = Scaling(*((1.0,) * features,) * 4)
    vectors = np.random.default_rng(0).normal(size=(6, features))
    sequences = Sequences.of_lengths(vectors, LENGTHS)
    found = to_python(sequences, codec)
    assert found == to_values(sequences, codec).to_pylist()
    assert type(found[0][0][0]) is float
