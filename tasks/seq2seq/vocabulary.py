"""Symbols and their ids: what a vocabulary learns from training data and how it maps both ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasks.seq2seq.errors import DataError
from tasks.seq2seq.problems import Ids

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Vocabulary:
    """Content symbols and the ids that stand for them.

    Ids below `reserved` are special and no content can take them; content symbol `symbols[i]` has the
    id `reserved + i`. `symbols` are distinct and ascending. A synthetic problem has one reserved id, 0,
    which is padding and start at once; a vocabulary learned from files has four.

    Args:
        symbols: the content symbols, ascending.
        reserved: how many ids are special.
        padding: the id that fills up; decoding starts from `start`.
        start: the id that the decoder is given first.
        end: the id that ends a sequence, or None where all are of one length.
        unknown: the id of a symbol that training did not see, or None where there can be none.
        names: a character for each symbol, where they stand for characters.
    """

    symbols: tuple[int, ...]
    reserved: int = 4
    padding: int = 0
    start: int = 1
    end: int | None = 2
    unknown: int | None = 3
    names: str | None = None

    @classmethod
    def identity(cls, cardinality: int, names: str | None = None) -> Vocabulary:
        """Ids equal to symbols, 1..cardinality, and 0 reserved: the tutorial's own."""
        return cls(tuple(range(1, cardinality + 1)), reserved=1, start=0, end=None, unknown=None, names=names)

    @classmethod
    def learn(cls, values: Integers, side: str) -> Vocabulary:
        """Every different value of `values` (any shape) becomes a symbol.

        Raises:
            DataError: fewer than two symbols, from which nothing can be learned.
        """
        symbols = np.unique(values)
        if len(symbols) < 2:  # noqa: PLR2004
            raise DataError(
                f"the {side} column of the training split holds {len(symbols)} different symbol(s), expected "
                f"at least 2: there is nothing to tell apart"
            )
        return cls(tuple(int(symbol) for symbol in symbols))

    @property
    def size(self) -> int:
        """How many ids there are, the reserved ones included."""
        return self.reserved + len(self.symbols)

    @cached_property
    def _sorted(self) -> Integers:
        return np.array(self.symbols, np.int64)

    def encode(self, values: Integers) -> Ids:
        """Ids of `values`, the same shape, int32; a value that is no symbol becomes `unknown`.

        Raises:
            DataError: a value is no symbol and the vocabulary has no unknown id.
        """
        place = np.minimum(np.searchsorted(self._sorted, values), len(self.symbols) - 1)
        known = self._sorted[place] == values
        if self.unknown is None and not known.all():
            first = int(values[~known][0])
            raise DataError(f"token {first} is outside the vocabulary ({self.symbols[0]}..{self.symbols[-1]})")
        return np.where(known, place + self.reserved, self.unknown or 0).astype(np.int32)

    def decode(self, ids: Ids) -> list[list[int | None]]:
        """Symbols of a batch of ids `(n, length)`; a reserved id has none and becomes None."""
        table: list[int | None] = [None] * self.reserved + list(self.symbols)
        return [[table[i] for i in row] for row in ids.tolist()]

    def labels(self) -> list[str]:
        """One short name an id, for tables and axes."""
        reserved = {self.start: "<start>", self.padding: "<pad>", self.end: "<end>", self.unknown: "<unk>"}
        names = self.names or [str(symbol) for symbol in self.symbols]
        return [reserved.get(i, "") for i in range(self.reserved)] + list(names)

    def write(self, ids: Ids) -> str:
        """A sequence of ids `(length,)` as a person would write it: `[40, 36, 20]`, or `579`."""
        labels = self.labels()
        words = [labels[i] for i in ids.tolist()]
        return "".join(words) if self.names else f"[{', '.join(words)}]"

    def to_json(self) -> dict[str, int | str | Sequence[int] | None]:
        """A plain dictionary that `from_json` takes back."""
        return {
            "symbols": list(self.symbols),
            "reserved": self.reserved,
            "padding": self.padding,
            "start": self.start,
            "end": self.end,
            "unknown": self.unknown,
            "names": self.names,
        }

    @classmethod
    def from_json(cls, content: dict[str, object]) -> Vocabulary:
        """The vocabulary that `to_json` wrote.

        Raises:
            DataError: keys are missing or of the wrong kind.
        """
        try:
            stored = _Stored.model_validate(content)
        except ValidationError as error:
            raise DataError(f"a vocabulary's JSON does not hold what it should: {error}") from error
        return cls(**dict(stored))


class _Stored(BaseModel):
    """What `to_json` writes, all of it required."""

    model_config = ConfigDict(extra="forbid", strict=True)

    symbols: Annotated[tuple[int, ...], Field(strict=False)]
    reserved: int
    padding: int
    start: int
    end: int | None
    unknown: int | None
    names: str | None


@dataclass(frozen=True)
class Vocabularies:
    """One vocabulary a side."""

    source: Vocabulary
    target: Vocabulary


def shift_right(target: Ids, start: int) -> Ids:
    """The decoder input of teacher forcing: `target` `(n, length)` a step later, `start` first."""
    return np.concatenate([np.full((len(target), 1), start, np.int32), target[:, :-1]], axis=1)
