"""What a side learns from the rows that pass by: counts of symbols, or moments of features.

Each encoding stages its time steps as plain numbers that can be set aside before anything is learned,
hashes them by their content, learns from those of the training split, and at last encodes what was staged.
Two sides that share a vocabulary have one intake, which learns from both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.aliases import Floats, Integers
from tasks.seq2seq.arrays.hashing import Hashes, mix, text_hashes
from tasks.seq2seq.data.codecs import Codec, Codecs
from tasks.seq2seq.data.scaling import Moments
from tasks.seq2seq.data.vocabulary import N_CODE_POINTS, Vocabulary

COUNTED_RANGE = 1 << 20  # integers within such a range are counted in an array


class Intake(Protocol):
    """One side of the pairs, of one encoding; `features` are the numbers of a step of vectors, once they are known."""

    features: int | None

    def stage(self, steps: NDArray[Any], words: list[str] | None) -> NDArray[Any]:
        """Time steps as plain numbers; `words` are what the steps of words point to."""

    def hashes(self, staged: NDArray[Any]) -> Hashes:
        """One hash a time step, by what it stands for, `(total,) uint64`."""

    def learn(self, staged: NDArray[Any]) -> None:
        """Takes in time steps of the training split."""

    def finish(self, side: str, min_count: int, max_vocabulary: int | None) -> Codec:
        """What was learned; from then on `encode` can be used."""

    def encode(self, staged: NDArray[Any]) -> NDArray[Any]:
        """Staged time steps as the dataset holds them: ids `int32`, or vectors `float64`."""


class CharacterIntake:
    """Code points."""

    features: int | None = None

    def __init__(self) -> None:
        """Starts with nothing counted."""
        self._counts = np.zeros(N_CODE_POINTS, np.int64)
        self._vocabulary: Vocabulary | None = None

    @cached_property
    def _hash_table(self) -> Hashes:
        return mix(np.arange(N_CODE_POINTS, dtype=np.uint64))

    def stage(self, steps: NDArray[Any], words: list[str] | None) -> NDArray[Any]:  # noqa: ARG002 - the protocol
        return steps

    def hashes(self, staged: NDArray[Any]) -> Hashes:
        hashes: Hashes = self._hash_table[staged]
        return hashes

    def learn(self, staged: NDArray[Any]) -> None:
        counts = np.bincount(staged)
        self._counts[: len(counts)] += counts

    def finish(self, side: str, min_count: int, max_vocabulary: int | None) -> Codec:
        counts = {chr(point): int(self._counts[point]) for point in np.flatnonzero(self._counts)}
        self._vocabulary = Vocabulary.learn("characters", counts, side, min_count, max_vocabulary)
        return self._vocabulary

    def encode(self, staged: NDArray[Any]) -> NDArray[Any]:
        assert self._vocabulary is not None
        return self._vocabulary.encode(staged)


class IntegerIntake:
    """Integers, each a symbol."""

    features: int | None = None

    def __init__(self) -> None:
        """Starts with nothing counted."""
        self._counts: Counter[int] = Counter()
        self._vocabulary: Vocabulary | None = None

    def stage(self, steps: Integers, words: list[str] | None) -> Integers:  # noqa: ARG002 - the protocol
        return steps

    def hashes(self, staged: Integers) -> Hashes:
        return mix(staged.astype(np.uint64))

    def learn(self, staged: Integers) -> None:
        if not staged.size:
            return
        low, high = int(np.min(staged)), int(np.max(staged))
        if high - low < COUNTED_RANGE:
            counts = np.bincount(staged - low)
            values = np.flatnonzero(counts)
            counts = counts[values]
            values = values + low
        else:
            values, counts = np.unique(staged, return_counts=True)
        self._counts.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))

    def finish(self, side: str, min_count: int, max_vocabulary: int | None) -> Codec:
        self._vocabulary = Vocabulary.learn("integers", self._counts, side, min_count, max_vocabulary)
        return self._vocabulary

    def encode(self, staged: Integers) -> NDArray[Any]:
        assert self._vocabulary is not None
        return self._vocabulary.encode(staged)


class WordIntake:
    """Words, staged as numbers in the order in which they first came."""

    features: int | None = None

    def __init__(self) -> None:
        """Starts with no word."""
        self._numbers: dict[str, int] = {}
        self._counts = np.zeros(0, np.int64)
        self._hashes = np.zeros(0, np.uint64)
        self._ids: NDArray[np.int32] | None = None

    def stage(self, steps: NDArray[Any], words: list[str] | None) -> NDArray[Any]:
        known = len(self._numbers)
        numbers = [self._numbers.setdefault(word, len(self._numbers)) for word in words or []]
        if len(self._numbers) > known:
            self._hashes = np.concatenate([self._hashes, text_hashes(list(self._numbers)[known:])])
        staged: NDArray[np.int32] = np.array(numbers, np.int32)[steps]
        return staged

    def hashes(self, staged: NDArray[Any]) -> Hashes:
        hashes: Hashes = self._hashes[staged]
        return hashes

    def learn(self, staged: NDArray[Any]) -> None:
        counts = np.bincount(staged, minlength=len(self._numbers))
        counts[: len(self._counts)] += self._counts
        self._counts = counts

    def finish(self, side: str, min_count: int, max_vocabulary: int | None) -> Codec:
        words = list(self._numbers)
        counts = {words[i]: int(self._counts[i]) for i in np.flatnonzero(self._counts)}
        vocabulary = Vocabulary.learn("words", counts, side, min_count, max_vocabulary)
        self._ids = vocabulary.encode_words(words)
        return vocabulary

    def encode(self, staged: NDArray[Any]) -> NDArray[Any]:
        assert self._ids is not None
        ids: NDArray[np.int32] = self._ids[staged]
        return ids


class VectorIntake:
    """Real vectors of a fixed number of features, known from the first that come."""

    def __init__(self) -> None:
        """Starts with nothing measured."""
        self._moments: Moments | None = None
        self.features: int | None = None

    def stage(self, steps: Floats, words: list[str] | None) -> Floats:  # noqa: ARG002 - the protocol
        self.features = self.features or steps.shape[1]
        return steps

    def hashes(self, staged: Floats) -> Hashes:
        bits = (staged + 0.0).view(np.uint64)  # -0.0 is 0.0
        result = np.zeros(len(staged), np.uint64)
        for feature in bits.T:
            result = mix(result ^ feature)
        return result

    def learn(self, staged: Floats) -> None:
        self._moments = self._moments or Moments(staged.shape[1])
        self._moments.add(staged)

    def finish(self, side: str, min_count: int, max_vocabulary: int | None) -> Codec:  # noqa: ARG002 - the protocol
        return (self._moments or Moments(self.features or 1)).finish()

    def encode(self, staged: Floats) -> Floats:
        return staged


INTAKES: dict[str, type[Intake]] = {
    "integers": IntegerIntake,
    "characters": CharacterIntake,
    "words": WordIntake,
    "vectors": VectorIntake,
}


def intakes_of(source_encoding: str, target_encoding: str, *, shared: bool) -> tuple[Intake, Intake]:
    """The intakes of the source and of the target: one and the same where they share a vocabulary."""
    source = INTAKES[source_encoding]()
    return source, source if shared else INTAKES[target_encoding]()


def finish_both(
    intakes: tuple[Intake, Intake],
    columns: tuple[Sequence[str | int], Sequence[str | int]],
    min_count: int,
    max_vocabulary: int | None,
) -> Codecs:
    """What both sides learned, which are called by their columns.

    Raises:
        DataError: fewer than two symbols.
    """
    names = [", ".join(map(str, side)) for side in columns]
    source, target = intakes
    if source is target:
        codec = source.finish(" and ".join(dict.fromkeys(names)), min_count, max_vocabulary)
        return Codecs(codec, codec)
    return Codecs(
        *(intake.finish(name, min_count, max_vocabulary) for intake, name in zip(intakes, names, strict=True))
    )
