"""Sequences of any length: held end to end, padded only when a batch of them is needed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Sequences:
    """`n` sequences, one after the other.

    Args:
        values: time steps of all sequences: tokens `(total,)`, or vectors `(total, features)`.
        offsets: where each sequence begins in `values`, and where the last one ends, `(n + 1,) int64`.
    """

    values: Values
    offsets: Rows

    @classmethod
    def of_rows(cls, rows: Values) -> Sequences:
        """Sequences of one length: `(n, length)` tokens, or `(n, length, features)` vectors."""
        n, length = rows.shape[:2]
        return cls(rows.reshape(n * length, *rows.shape[2:]), np.arange(n + 1, dtype=np.int64) * length)

    @classmethod
    def of_lengths(cls, values: Values, lengths: NDArray[np.integer[Any]]) -> Sequences:
        """Sequences whose lengths `(n,)` add up to those of `values`."""
        offsets = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, dtype=np.int64, out=offsets[1:])
        return cls(values, offsets)

    @classmethod
    def concatenate(cls, parts: Iterable[Sequences]) -> Sequences:
        """All sequences of all parts, in order; at least one part."""
        parts = list(parts)
        values = np.concatenate([part.values[part.offsets[0] : part.offsets[-1]] for part in parts])
        return cls.of_lengths(values, np.concatenate([part.lengths for part in parts]))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> Values:
        """The time steps of one sequence."""
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    @cached_property
    def lengths(self) -> Rows:
        """Time steps of each sequence, `(n,) int64`."""
        return self.offsets[1:] - self.offsets[:-1]

    @cached_property
    def longest(self) -> int:
        """Time steps of the longest sequence; 0 of none."""
        return int(self.lengths.max()) if len(self) else 0

    @property
    def n_steps(self) -> int:
        """Time steps of all sequences together."""
        return int(self.offsets[-1] - self.offsets[0])

    @cached_property
    def is_uniform(self) -> bool:
        """Whether all sequences are of one length."""
        return len(self) * self.longest == self.n_steps

    def count(self, token: int | None) -> Rows:
        """How often each sequence of tokens holds `token`, `(n,) int64`; nothing holds None."""
        if token is None:
            return np.zeros(len(self), np.int64)
        is_token = self.values[self.offsets[0] : self.offsets[-1]] == token
        rows = np.repeat(np.arange(len(self)), self.lengths)[is_token]
        return np.bincount(rows, minlength=len(self))

    def part(self, first: int, last: int) -> Sequences:
        """Sequences `first` up to, but not including, `last`; nothing is copied."""
        is_all = first == 0 and last == len(self)
        return self if is_all else Sequences(self.values, self.offsets[first : last + 1])

    def take(self, rows: NDArray[Any]) -> Sequences:
        """The sequences at `rows` (numbers or a mask), in that order."""
        starts, lengths = self.offsets[:-1][rows], self.lengths[rows]
        result = Sequences.of_lengths(self.values, lengths)
        steps = np.arange(result.n_steps) + np.repeat(starts - result.offsets[:-1], lengths)
        return Sequences(self.values[steps], result.offsets)

    def padded(self, width: int | None = None) -> Values:
        """All sequences in one array `(n, width[, features])`, filled up with zeros on the right.

        Args:
            width: time steps; None means the longest sequence's.
        """
        longest = self.longest
        width = longest if width is None else width
        values = self.values[self.offsets[0] : self.offsets[-1]]
        if self.is_uniform and longest == width:
            return values.reshape(len(self), width, *values.shape[1:])
        result = np.zeros((len(self), width, *values.shape[1:]), values.dtype)
        result[np.arange(width) < self.lengths[:, None]] = values
        return result


@dataclass(frozen=True, eq=False)
class Pairs:
    """Source sequences and the target sequences that belong to them.

    `weights`: how much each pair counts in training, `(n,) float64`; None where all count the same. `ahead`: what is
    known of each target step beforehand, `(n, target_length, features) float64`; None where nothing is.
    """

    source: Sequences
    target: Sequences
    weights: NDArray[np.float64] | None = None
    ahead: NDArray[np.float64] | None = None

    @classmethod
    def of_rows(cls, source: Values, target: Values) -> Pairs:
        """Pairs of one source length and one target length, `(n, length)` each."""
        return cls(Sequences.of_rows(source), Sequences.of_rows(target))

    def with_ahead(self, ahead: NDArray[np.float64]) -> Pairs:
        """The same with what is known ahead of them, `(n, target_length, features)`."""
        return Pairs(self.source, self.target, self.weights, ahead)

    @classmethod
    def concatenate(cls, parts: Iterable[Pairs]) -> Pairs:
        """All pairs of all parts, in order; at least one part."""
        parts = list(parts)
        return cls(
            Sequences.concatenate(part.source for part in parts),
            Sequences.concatenate(part.target for part in parts),
            _joined([part.weights for part in parts]),
            _joined([part.ahead for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.source)

    def part(self, first: int, last: int) -> Pairs:
        """Pairs `first` up to, but not including, `last`; nothing is copied."""
        rows = slice(first, last)
        return Pairs(self.source.part(first, last), self.target.part(first, last), *self._beside(rows))

    def take(self, rows: NDArray[Any]) -> Pairs:
        """The pairs at `rows` (numbers or a mask), in that order."""
        return Pairs(self.source.take(rows), self.target.take(rows), *self._beside(rows))

    def _beside(self, rows: slice | NDArray[Any]) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
        """Weights, and what is known ahead, of some pairs."""
        weights = None if self.weights is None else self.weights[rows]
        return weights, None if self.ahead is None else self.ahead[rows]


def _joined(parts: list[NDArray[np.float64] | None]) -> NDArray[np.float64] | None:
    there = [part for part in parts if part is not None]
    return np.concatenate(there) if there else None
