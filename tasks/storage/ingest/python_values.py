"""Plain Python values, numpy arrays and Arrow arrays as columns, for those who call the predictor with no file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.seq2seq.errors import DataError
from tasks.storage.ingest.columns import is_list, is_text

EXPECTED = {
    "integers": "lists of integers",
    "characters": "strings",
    "words": "strings, or lists of strings",
    "vectors": "lists of numbers, or of lists of numbers",
}


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
    if isinstance(sequences, str | bytes) or not hasattr(sequences, "__len__"):
        raise DataError(f"{expected}, got {type(sequences).__name__}")
    rows = sequences.tolist() if isinstance(sequences, np.ndarray) else list(sequences)
    wanted = _type_for(rows, kind)
    column = _column(rows, wanted)
    if column is not None:
        return column, np.zeros(len(rows), np.bool_)
    is_bad = np.array([_column([row], wanted) is None for row in rows])
    return pa.array([None if bad else row for row, bad in zip(rows, is_bad, strict=True)], wanted), is_bad


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
