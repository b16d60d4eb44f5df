"""Plain Python values, numpy arrays and Arrow arrays as columns, for those who call the predictor with no file."""

from __future__ import annotations

from itertools import accumulate, chain
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.errors import DataError
from tasks.storage.ingest.columns import is_list, is_text
from tasks.storage.ingest.row_rules import RowRules

EXPECTED = {
    "integers": "lists of integers",
    "characters": "strings",
    "words": "strings, or lists of strings",
    "vectors": "lists of numbers, or of lists of numbers",
}


def plain_integers(sequences: Any, rules: RowRules) -> Sequences | None:  # noqa: ANN401
    """Lists of plain integers that keep all rules, without the way by a column, which takes longer than their decoding.

    None where anything else is among them: a column finds out what, and why it cannot be used.
    """
    if rules.encoding != "integers" or not isinstance(sequences, list | tuple | np.ndarray):
        return None
    rows = _rows(sequences)
    if rows is None or not {type(row) for row in rows} <= {list, tuple}:
        return None
    values = list(chain.from_iterable(rows))
    if not {type(value) for value in values} <= {int}:  # True is an int to `isinstance`
        return None
    lengths = [len(row) for row in rows]
    if not _are_fine(lengths, rules):
        return None
    try:
        return Sequences(np.array(values, np.int64), np.array([0, *accumulate(lengths)], np.int64))
    except OverflowError:
        return None


def _are_fine(lengths: list[int], rules: RowRules) -> bool:
    """Whether `RowRules.apply` has nothing to say of sequences of these lengths, without nulls."""
    shortest, longest = min(lengths, default=1), max(lengths, default=1)
    is_fine = (shortest > 0 or rules.keep_empty) and longest <= rules.max_length
    return is_fine and (rules.length is None or not lengths or shortest == longest == rules.length)


def to_array(sequences: Any, kind: str) -> tuple[pa.Array | pa.ChunkedArray, NDArray[np.bool_]]:  # noqa: ANN401
    """Sequences of plain Python values, a numpy array or an Arrow array as a column that `to_column` takes.

    Returns:
        The column, and which sequences are of another kind, `(n,)`; these are null in the column.

    Raises:
        DataError: they are no sequences, or an Arrow array of another kind.
    """
    expected = f"expected a list of {EXPECTED[kind]}"
    if isinstance(sequences, pa.Array | pa.ChunkedArray):
        if not _holds(sequences.type, kind):
            raise DataError(f"{expected}, got an Arrow array of type {sequences.type}")
        return sequences, np.zeros(len(sequences), np.bool_)
    rows = _rows(sequences)
    if rows is None:
        raise DataError(f"{expected}, got {type(sequences).__name__}")
    wanted = _type_for(rows, kind)
    column = _column(rows, wanted)
    if column is not None:
        return column, np.zeros(len(rows), np.bool_)
    is_bad = np.array([_column([row], wanted) is None for row in rows])
    return pa.array([None if bad else row for row, bad in zip(rows, is_bad, strict=True)], wanted), is_bad


def _rows(sequences: Any) -> list[Any] | None:  # noqa: ANN401
    """The rows of what holds any; None of a single value."""
    rows = sequences.tolist() if isinstance(sequences, np.ndarray) else sequences
    return list(rows) if hasattr(rows, "__len__") and not isinstance(rows, str | bytes) else None


def _type_for(rows: list[Any], kind: str) -> pa.DataType:
    first = next((row for row in rows if row is not None), None)
    if kind == "characters" or (kind == "words" and isinstance(first, str)):
        return pa.string()
    if kind == "vectors":
        steps = first if isinstance(first, list | tuple | np.ndarray) else []
        nested = len(steps) > 0 and isinstance(steps[0], list | tuple | np.ndarray)
        return pa.list_(pa.list_(pa.float64()) if nested else pa.float64())
    return pa.list_({"integers": pa.int64(), "words": pa.string()}[kind])


def _column(rows: list[Any], wanted: pa.DataType) -> pa.Array | None:
    """Rows as a column of a type; None where they are not all of it.

    Arrow would cut 1.5 to 1 where it is told that a list holds integers, so it finds these by itself.
    """
    try:
        found = pa.array(rows) if wanted == pa.list_(pa.int64()) else pa.array(rows, wanted)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return None
    if found.type == wanted:
        return found
    return found.cast(wanted) if pa.types.is_null(found.type) or found.type == pa.list_(pa.null()) else None


def _holds(kind: pa.DataType, encoding: str) -> bool:
    """Whether a column of this type can hold sequences of an encoding."""
    if encoding == "characters" or (encoding == "words" and is_text(kind)):
        return is_text(kind)
    if not is_list(kind):
        return False
    inner = kind.value_type
    if encoding == "words":
        return is_text(inner)
    if encoding == "vectors" and is_list(inner):
        inner = inner.value_type
    return bool(pa.types.is_integer(inner) or (encoding == "vectors" and pa.types.is_floating(inner)))
