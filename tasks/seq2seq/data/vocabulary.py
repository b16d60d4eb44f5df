"""Symbols and their ids: what a vocabulary learns from training data and how it maps both ways."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tasks.seq2seq.arrays.aliases import Ids, Integers
from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.teacher_forcing import TeacherForcing, shift_right
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.shown import shown

Symbol = int | str
Kind = Literal["integers", "characters", "words"]

N_CODE_POINTS = 0x110000
MOST_RESERVED = 4
_SHOWN = 200  # characters of a fault of stored JSON


@dataclass(frozen=True)
class Vocabulary:
    """Content symbols and the ids that stand for them.

    Ids below `reserved` are special and no content can take them; content symbol `symbols[i]` has the
    id `reserved + i`. `symbols` are distinct and ascending. A synthetic problem has one reserved id, 0,
    which is padding and start at once; a vocabulary learned from files has four.

    Args:
        kind: what a symbol is: an integer, a character (a Unicode code point), or a word.
        symbols: the content symbols, ascending: integers, or strings.
        reserved: how many ids are special.
        padding: the id that fills up; it is 0 wherever sequences are padded.
        start: the id that the decoder is given first.
        end: the id that ends a sequence, or None where all are of one length.
        unknown: the id of a symbol that training did not see, or None where there can be none.
        names: a character for each symbol, where integers stand for characters.
    """

    kind: Kind
    symbols: tuple[Symbol, ...]
    reserved: int = 4
    padding: int = 0
    start: int = 1
    end: int | None = 2
    unknown: int | None = 3
    names: str | None = None

    is_tokens: ClassVar[bool] = True
    features: ClassVar[int] = 0
    flag: ClassVar[str] = "n_unknown"

    @classmethod
    def identity(cls, cardinality: int, names: str | None = None) -> Vocabulary:
        """Ids equal to symbols, 1..cardinality, and 0 reserved: the tutorial's own."""
        symbols = tuple(range(1, cardinality + 1))
        return cls("integers", symbols, reserved=1, start=0, end=None, unknown=None, names=names)

    @classmethod
    def learn(
        cls, kind: Kind, counts: Mapping[Any, int], side: str, min_count: int = 1, max_size: int | None = None
    ) -> Vocabulary:
        """The symbols that training data holds often enough.

        Args:
            kind: what the symbols are.
            counts: how often each symbol occurs in the training split.
            side: the column's name, for the error.
            min_count: rarer symbols become unknown.
            max_size: the commonest symbols that are kept; of equally common ones the smaller.

        Raises:
            DataError: fewer than two symbols, from which nothing can be learned.
        """
        kept = [symbol for symbol, count in counts.items() if count >= min_count]
        if max_size is not None and len(kept) > max_size:
            kept = sorted(kept, key=lambda symbol: (-counts[symbol], symbol))[:max_size]
        if len(kept) < 2:  # noqa: PLR2004
            raise DataError(
                f"the {side} column of the training split holds {len(counts)} different symbol(s), {len(kept)} of them "
                f"at least {min_count} time(s), expected at least 2: there is nothing to tell apart"
            )
        return cls(kind, tuple(sorted(kept)))

    @property
    def size(self) -> int:
        """How many ids there are, the reserved ones included."""
        return self.reserved + len(self.symbols)

    @property
    def has_end(self) -> bool:
        """Whether sequences end with an id of their own, so that they may be of different lengths."""
        return self.end is not None

    @cached_property
    def _ids(self) -> dict[Symbol, int]:
        return {symbol: self.reserved + i for i, symbol in enumerate(self.symbols)}

    @cached_property
    def _by_code_point(self) -> Ids:
        """The id of every code point, `(0x110000,)`."""
        table = np.full(N_CODE_POINTS, self.unknown or 0, np.int32)
        table[[ord(str(symbol)) for symbol in self.symbols]] = np.arange(self.reserved, self.size)
        return table

    @cached_property
    def _sorted(self) -> Integers:
        return np.array(self.symbols, np.int64)

    def knows(self, values: Integers) -> NDArray[np.bool_]:
        """Which integers are symbols, the same shape."""
        return self._find(values)[1]

    def _find(self, values: Integers) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Where integers stand among the symbols, or would, and which are symbols, the same shape each."""
        place = self._sorted.searchsorted(values)
        return place, self._sorted.take(place, mode="clip") == values

    def encode(self, values: NDArray[Any]) -> Ids:
        """Ids of integers or of code points, the same shape, int32; a value that is no symbol becomes `unknown`.

        Raises:
            DataError: a value is no symbol and the vocabulary has no unknown id.
        """
        if self.kind == "characters":
            ids: Ids = self._by_code_point[values]
            return ids
        place, known = self._find(values)
        found = (place + self.reserved).astype(np.int32)
        if known.all():
            return found
        if self.unknown is None:
            first = int(values[~known][0])
            raise DataError(f"token {first} is outside the vocabulary ({self.symbols[0]}..{self.symbols[-1]})")
        return np.where(known, found, np.int32(self.unknown))

    def encode_words(self, words: Iterable[str]) -> Ids:
        """Ids of words, `(n,) int32`; a word that is no symbol becomes `unknown`."""
        return np.fromiter((self._ids.get(word, self.unknown or 0) for word in words), np.int32)

    def flags(self, sequences: Sequences) -> dict[str, NDArray[Any]]:
        """`n_unknown`: how many unknown symbols each sequence holds, `(n,)`; nothing where there can be none."""
        return {} if self.unknown is None else {self.flag: sequences.count(self.unknown)}

    def directional(self) -> Vocabulary:
        """Itself: symbols have no direction."""
        return self

    def source_array(self, sequences: Sequences, width: int | None = None) -> Ids:
        """Ids `(n, width) int32`, each sequence followed by the end id where there is one."""
        if self.end is None:
            ids: Ids = sequences.padded(width)
            return ids
        ids = sequences.padded(sequences.longest + 1 if width is None else width)
        ids[np.arange(len(ids)), sequences.lengths] = self.end
        return ids

    def teacher_forcing(self, targets: Sequences) -> TeacherForcing:
        """Targets with their ends, and the same a step later behind the start id."""
        target = self.source_array(targets)
        is_step = np.arange(target.shape[1]) < (targets.lengths + self.has_end)[:, None]
        return TeacherForcing(shift_right(target, self.start), target, is_step.astype(np.float32))

    def decode(self, ids: Ids) -> list[Symbol | None]:
        """Symbols of ids `(length,)`; a reserved id has none."""
        return [self._written[i] for i in ids.tolist()]

    @cached_property
    def _written(self) -> list[Symbol | None]:
        return [None] * self.reserved + list(self.symbols)

    def labels(self) -> list[str]:
        """How to write each id, `size` of them, special ones included."""
        reserved = {self.start: "<start>", self.padding: "<pad>", self.end: "<end>", self.unknown: "<unk>"}
        names = self.names or [str(symbol) for symbol in self.symbols]
        return [reserved.get(i, "") for i in range(self.reserved)] + list(names)

    def label_steps(self, ids: Ids) -> list[str]:
        """How to write each time step of ids `(length,)`."""
        return [self._labels[i] for i in ids.tolist()]

    def write(self, ids: Ids) -> str:
        """A sequence of ids `(length,)` as a person would write it: `[40, 36, 20]`, `579`, or `two words`."""
        words = self.label_steps(ids)
        if self.names or self.kind == "characters":
            return "".join(words)
        return " ".join(words) if self.kind == "words" else f"[{', '.join(words)}]"

    @cached_property
    def _labels(self) -> list[str]:
        return self.labels()

    def to_json(self) -> dict[str, int | str | Sequence[Symbol] | None]:
        """A plain dictionary that `from_json` takes back."""
        return {
            "kind": self.kind,
            "symbols": list(self.symbols),
            "reserved": self.reserved,
            "padding": self.padding,
            "start": self.start,
            "end": self.end,
            "unknown": self.unknown,
            "names": self.names,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, object]) -> Vocabulary:
        """The vocabulary that `to_json` wrote.

        Raises:
            DataError: keys are missing or of the wrong kind.
        """
        try:
            stored = _Stored.model_validate(content)
        except ValidationError as error:
            raise DataError(f"a vocabulary's JSON does not hold what it should: {_first(error)}") from error
        return cls(**dict(stored))


class _Stored(BaseModel):
    """What `to_json` writes, all of it required."""

    model_config = ConfigDict(extra="forbid", strict=True)

    kind: Kind
    symbols: Annotated[tuple[int, ...], Field(strict=False)] | Annotated[tuple[str, ...], Field(strict=False)]
    reserved: int
    padding: int
    start: int
    end: int | None
    unknown: int | None
    names: str | None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        """Refuses what no vocabulary is, and would be found out row by row, or never."""
        texts = [symbol for symbol in self.symbols if isinstance(symbol, str)]
        integers = [symbol for symbol in self.symbols if isinstance(symbol, int)]
        if not self.symbols or (texts if self.kind == "integers" else integers):
            raise ValueError(f"symbols are not {self.kind}")
        if any(not -(2**63) <= symbol < 2**63 for symbol in integers):
            raise ValueError("symbols are beyond 64 bits")
        if _is_unsorted(texts) or _is_unsorted(integers):
            raise ValueError("symbols are not distinct and ascending")
        if not all(map(_is_text, texts)):
            raise ValueError("symbols are not text")
        if self.kind == "characters" and any(len(symbol) != 1 for symbol in texts):
            raise ValueError("symbols are not one character each")
        ids = (self.padding, self.start, self.end or 0, self.unknown or 0)
        if not 1 <= self.reserved <= MOST_RESERVED or not all(0 <= one < self.reserved for one in ids):
            raise ValueError("reserved ids are not those below the symbols'")
        if self.names is not None and len(self.names) != len(self.symbols):
            raise ValueError("names are not one for each symbol")
        return self


def _is_unsorted(symbols: Sequence[Any]) -> bool:
    return any(one >= other for one, other in pairwise(symbols))


def _is_text(symbol: str) -> bool:
    """Whether any encoding has it: half a surrogate pair is in none."""
    return symbol.isascii() or not re.search("[\ud800-\udfff]", symbol)


def _first(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(map(str, fault["loc"]))
    return shown(f"{place}: {fault['msg']}" if place else fault["msg"], _SHOWN)
