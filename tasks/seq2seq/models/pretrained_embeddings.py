"""Embeddings that start from vectors that somebody else trained: the matrix of a vocabulary, and what it covers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.errors import DataError

Matrix = NDArray[np.float32]


class FoundVectors(NamedTuple):
    """The vectors that a file holds for the symbols of a vocabulary.

    ids: of the symbols that have one, ascending, `(found,) int64`.
    vectors: theirs, `(found, width) float32`.
    repeated: lines whose token had a vector already; the first one counts.
    """

    ids: NDArray[np.int64]
    vectors: Matrix
    repeated: int = 0


class Coverage(NamedTuple):
    """How much of a vocabulary, and of the training tokens, a file has vectors for; shares lie in [0, 1]."""

    file: str
    symbols: int
    found: int
    share_of_symbols: float
    share_of_tokens: float
    repeated: int

    @property
    def message(self) -> str:
        """In words, for the log and for pages."""
        again = f"; {self.repeated:,} tokens appear more than once; the first counts" if self.repeated else ""
        return (
            f"{self.file} has vectors for {self.found:,} of {self.symbols:,} symbols "
            f"({100 * self.share_of_symbols:.1f} %), {100 * self.share_of_tokens:.1f} % of the training tokens{again}"
        )


def spellings(vocabulary: Vocabulary) -> dict[str, int]:
    """How each content symbol is written in a file of vectors, and its id; integers as their digits."""
    return {str(symbol): vocabulary.reserved + i for i, symbol in enumerate(vocabulary.symbols)}


def embedding_matrix(vocabulary: Vocabulary, found: FoundVectors, rng: np.random.Generator) -> Matrix:
    """The embeddings to start from, `(vocabulary, width) float32`.

    Ids without a vector, the special ones among them, are drawn from a normal distribution of mean 0 that is as wide
    as the numbers of the vectors, so that they are of the same length as the others.
    """
    width = found.vectors.shape[1]
    scale = float(np.sqrt(np.mean(np.square(found.vectors, dtype=np.float64))))
    matrix = rng.normal(0.0, scale, (vocabulary.size, width)).astype(np.float32)
    matrix[found.ids] = found.vectors
    return matrix


def coverage(
    vocabulary: Vocabulary, found: FoundVectors, id_counts: NDArray[Any] | list[int], file: str, setting: str
) -> Coverage:
    """What a file covers.

    Args:
        vocabulary: of one side.
        found: its vectors in the file.
        id_counts: how often each id occurs in the training pairs, `(vocabulary,)`; the unknown token counts, since it
            stands for a token without a vector.
        file: the file's name.
        setting: the key that named it, for the error.

    Raises:
        DataError: it has a vector for none.
    """
    n = len(vocabulary.symbols)
    if not len(found.ids):
        first = ", ".join(repr(str(symbol)) for symbol in vocabulary.symbols[:3])
        raise DataError(
            f"{setting}: {file} has a vector for none of the {n} symbols of the vocabulary ({first}, ...); is it of "
            f"another language, of words where the data is characters, or in another case (data.*_lowercase)?"
        )
    counts = np.asarray(id_counts, np.int64)
    tokens = int(counts.sum())
    return Coverage(
        file=file,
        symbols=n,
        found=len(found.ids),
        share_of_symbols=len(found.ids) / n,
        share_of_tokens=float(counts[found.ids].sum() / tokens) if tokens else 0.0,
        repeated=found.repeated,
    )
