import numpy as np
import pytest

from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.models.pretrained_embeddings import FoundVectors, coverage, embedding_matrix, spellings

WORDS = Vocabulary("words", ("cat", "sat", "the", "zebra"))  # ids 4 to 7
VECTORS = np.array([[3, 4], [0, 5]], np.float32)
FOUND = FoundVectors(np.array([4, 6]), VECTORS, repeated=1)


def test_symbols_are_looked_up_as_they_are_written_integers_by_their_digits():
    assert spellings(WORDS) == {"cat": 4, "sat": 5, "the": 6, "zebra": 7}
    assert spellings(Vocabulary("integers", (-3, 17))) == {"-3": 4, "17": 5}


def test_a_symbol_with_a_vector_starts_from_it_and_the_others_are_drawn_as_long_as_those():
    matrix = embedding_matrix(WORDS, FOUND, np.random.default_rng(0))
    assert (matrix.shape, matrix.dtype) == ((8, 2), np.float32)
    assert (matrix[[4, 6]] == VECTORS).all()
    many = embedding_matrix(Vocabulary("integers", tuple(range(2000))), FOUND, np.random.default_rng(0))
    lengths = np.sqrt((np.delete(many, FOUND.ids, axis=0) ** 2).sum(axis=1).mean())
    assert lengths == pytest.approx(5, rel=0.05)
    assert len(np.unique(many, axis=0)) == len(many)


def test_the_same_seed_draws_the_same():
    one, same, other = (embedding_matrix(WORDS, FOUND, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one[5] != other[5]).all()


def test_coverage_is_a_share_of_symbols_and_of_training_tokens_unknown_ones_among_them():
    found = coverage(WORDS, FOUND, [0, 0, 0, 10, 50, 20, 15, 5], "glove.txt", "model.source_vectors")
    assert found._asdict() == {
        "file": "glove.txt",
        "symbols": 4,
        "found": 2,
        "share_of_symbols": 0.5,
        "share_of_tokens": 0.65,
        "repeated": 1,
    }
    assert found.message == (
        "glove.txt has vectors for 2 of 4 symbols (50.0 %), 65.0 % of the training tokens; 1 tokens "
        "appear more than once; the first counts"
    )


def test_a_file_without_a_vector_for_any_symbol_is_an_error():
    nothing = FoundVectors(np.zeros(0, np.int64), np.zeros((0, 2), np.float32))
    with pytest.raises(DataError, match=r"glove.txt has a vector for none of the 4 symbols .*'cat', 'sat', 'the'"):
        coverage(WORDS, nothing, [1] * 8, "glove.txt", "model.source_vectors")
