"""What makes a row one that can be used: the same rules in training and at prediction.

Training learns two of them from its first rows: how many numbers a step of vectors has, and how many steps a horizon.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.seq2seq.data.scaling import LARGEST
from tasks.seq2seq.settings.data import FilesData
from tasks.seq2seq.settings.dialect import PLAIN, Dialect
from tasks.storage.ingest.columns import Column, to_column
from tasks.storage.ingest.reasons import (
    EMPTY,
    EXTREME,
    FINE,
    LENGTH,
    NEGATIVE,
    NOT_FINITE,
    NULL,
    NULL_INSIDE,
    TOO_LONG,
    TYPE,
    Reasons,
    mark,
)

# Where no maximum length is set, rows beyond this one are mistakes more often than sequences.
LONGEST = 10_000


@dataclass(frozen=True)
class RowRules:
    """What the sequences of one side must be.

    Args:
        encoding: integers, characters, words or vectors.
        lowercase: of characters and words.
        keep_empty: whether a sequence without a step is one.
        max_length: longer ones are rejected, time steps.
        features: numbers that a step of vectors must have; None means the commonest.
        length: the one length that sequences must have; None means any.
    """

    encoding: str
    lowercase: bool
    keep_empty: bool
    max_length: int
    features: int | None = None
    length: int | None = None

    @classmethod
    def of(cls, data: FilesData, side: str, *, features: int | None = None, length: int | None = None) -> RowRules:
        """The rules of the source or of the target by the settings, and by what training learned."""
        return cls(
            encoding=getattr(data, f"{side}_encoding"),
            lowercase=getattr(data, f"{side}_lowercase"),
            keep_empty=getattr(data, f"empty_{side}") == "keep",
            max_length=getattr(data, f"max_{side}_length") or LONGEST,
            features=features,
            length=length,
        )

    def apply(self, array: pa.ChunkedArray | pa.Array, dialect: Dialect = PLAIN) -> Column:
        """A column's sequences, and why some rows cannot be used.

        Args:
            array: the column as a reader gives it.
            dialect: of the block that it is from.

        Raises:
            DataError: the column's type has no such encoding.
        """
        column = to_column(array, self.encoding, lowercase=self.lowercase, features=self.features, dialect=dialect)
        lengths, reasons = column.steps.lengths, column.reasons
        _mark_extremes(column)
        if not self.keep_empty:
            mark(reasons, lengths == 0, EMPTY)
        mark(reasons, lengths > self.max_length, TOO_LONG)
        if self.length is not None:
            mark(reasons, lengths != self.length, LENGTH)
        return column


def commonest_length(column: Column) -> int | None:
    """The length that most of the usable rows have; None where there are none."""
    lengths = column.steps.lengths[column.reasons == FINE]
    return int(np.argmax(np.bincount(lengths))) if lengths.size else None


def read_weights(array: pa.ChunkedArray, dialect: Dialect = PLAIN) -> tuple[NDArray[np.float64], Reasons]:
    """The numbers of a column, one a row, `(n,)`, and why some rows have no weight: 0 stands in for theirs.

    Raises:
        DataError: the column's type has no numbers.
    """
    column = to_column(array, "vectors", features=1, dialect=dialect)
    lengths, reasons = column.steps.lengths, column.reasons
    mark(reasons, lengths == 0, NULL)  # empty text
    mark(reasons, lengths > 1, TYPE)
    weights = _single_values(column)
    with np.errstate(over="ignore"):  # models take them as float32
        mark(reasons, ~np.isfinite(weights.astype(np.float32)), NOT_FINITE)
    mark(reasons, weights < 0, NEGATIVE)
    return np.where(reasons == FINE, weights, 0.0), reasons


def read_time_steps(array: pa.ChunkedArray, encoding: str, dialect: Dialect = PLAIN) -> tuple[NDArray[Any], Reasons]:
    """A column of a series: an integer or a number a row, `(n,)`, and why some rows have none: 0 stands in for theirs.

    Raises:
        DataError: the column's type has no such encoding.
    """
    column = to_column(array, encoding, features=1, dialect=dialect)
    lengths, reasons = column.steps.lengths, column.reasons
    _mark_extremes(column)
    mark(reasons, lengths == 0, EMPTY)
    mark(reasons, lengths > 1, LENGTH)
    return np.where(reasons == FINE, _single_values(column), 0), reasons


def read_measurements(array: pa.ChunkedArray, dialect: Dialect = PLAIN) -> tuple[NDArray[np.float64], Reasons]:
    """A column of numbers that may be missing, `(n,)`, NaN where one is, and why some rows cannot be used.

    Raises:
        DataError: the column's type has no numbers.
    """
    column = to_column(array, "vectors", features=1, dialect=dialect)
    lengths, reasons = column.steps.lengths, column.reasons
    _mark_extremes(column)
    mark(reasons, lengths == 0, NULL)
    mark(reasons, lengths > 1, LENGTH)
    values = _single_values(column)
    is_missing = np.isin(reasons, (NULL, NULL_INSIDE)) | ((reasons == NOT_FINITE) & np.isnan(values))
    reasons[is_missing] = FINE
    return np.where(is_missing | (reasons != FINE), np.nan, values), reasons


def _mark_extremes(column: Column) -> None:
    """Marks rows with a number whose square does not fit 64 bits; symbols, which are integers, have no size."""
    values = column.steps.values
    if values.dtype.kind != "f" or not values.size or (np.max(values) <= LARGEST and np.min(values) >= -LARGEST):
        return
    is_extreme = (np.abs(values) > LARGEST).any(axis=1)
    rows = np.repeat(np.arange(len(column.steps)), column.steps.lengths)[is_extreme]
    mark(column.reasons, np.bincount(rows, minlength=len(column.steps)) > 0, EXTREME)


def describe_extreme(where: str, column: str, value: object) -> str:
    """What is wrong with a number that is rejected as extreme, and what to do, for a person.

    Args:
        where: its row and file.
        column: its column.
        value: the number.
    """
    return (
        f"{where} holds {value} in column {column!r}, and squares of numbers beyond {LARGEST:g} do not fit 64 "
        f"bits: scale the column, say with data.missing that this number marks a missing value, or leave the row out"
    )


def _single_values(column: Column) -> NDArray[Any]:
    """The values of rows of one step, `(n,)`; 0 of the others."""
    steps, is_single = column.steps, column.steps.lengths == 1
    values = np.zeros(len(steps), steps.values.dtype)
    values[is_single] = steps.values[steps.offsets[:-1][is_single]].reshape(-1)
    return values
