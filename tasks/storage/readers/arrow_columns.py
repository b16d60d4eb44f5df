"""Columns of any Arrow type: what they are kept as, which rows hold text that is none, and a row as JSON.

Layouts that few functions of Arrow know (views of text, runs) are kept as the plain ones of the same content.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types

_PLAIN = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
_BYTES = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary()}


def can_be_kept(kind: pa.DataType) -> bool:
    """Whether outputs can hold columns of this type: not unions, month intervals and structures without fields."""
    if types.is_run_end_encoded(kind):
        return can_be_kept(kind.value_type)
    fields = [kind.field(i).type for i in range(kind.num_fields)]
    if types.is_union(kind) or types.is_interval(kind) or (types.is_struct(kind) and not fields):
        return False
    return all(can_be_kept(inner) and not types.is_run_end_encoded(inner) for inner in fields)


def kept_type(kind: pa.DataType) -> pa.DataType:
    """What columns of this type are kept as: without metadata, views of text, and runs."""
    return _with_leaves(kind.value_type if types.is_run_end_encoded(kind) else kind, _plain)


class CheckedColumn(NamedTuple):
    """A column that can be read.

    Attributes:
        values: the column, its text as bytes where some of it is not UTF-8.
        kind: the type that the rows without bad text are given in.
        is_bad: `(n,) bool`, which rows hold bad text; None if none does.
    """

    values: pa.Array
    kind: pa.DataType
    is_bad: NDArray[np.bool_] | None

    def slice(self, first: int, n: int) -> CheckedColumn:
        """Some of its rows."""
        is_bad = None if self.is_bad is None else self.is_bad[first : first + n]
        return CheckedColumn(self.values.slice(first, n), self.kind, is_bad)

    def take(self, good: NDArray[np.bool_]) -> pa.Array:
        """The rows that are good, `(n,) bool`."""
        values = self.values
        if self.is_bad is not None or not good.all():
            values = values.filter(pa.array(good))
        return _cast(values, self.kind)


def check_column(column: pa.Array) -> CheckedColumn:
    """The column as it is kept, and which of its rows hold text that is not UTF-8, however deep inside.

    Raises:
        pa.ArrowInvalid: the column is damaged, and would be read beyond its buffers.
    """
    kind = kept_type(column.type)
    if types.is_run_end_encoded(column.type):
        column.validate(full=True)
        column = pc.run_end_decode(column)
    try:
        column.validate(full=True)
    except pa.ArrowInvalid as error:
        try:
            return _with_bytes(column, kind)
        except pa.ArrowNotImplementedError:  # lists of views
            raise error from None
    return CheckedColumn(_cast(column, kind), kind, None)


def _with_bytes(column: pa.Array, kind: pa.DataType) -> CheckedColumn:
    values = column.cast(_with_leaves(kind, _bytes))
    values.validate(full=True)
    values = values.cast(_with_leaves(values.type, _decoded))
    is_bad = np.zeros(len(values), dtype=bool)
    is_bad[list(_bad_rows(values, kind))] = True
    return CheckedColumn(values, kind, is_bad)


def _bad_rows(values: pa.Array, kind: pa.DataType) -> Iterator[int]:
    """The rows that cannot be of this type, found by halves: most of them can."""
    ahead = [(0, len(values))]
    while ahead:
        first, n = ahead.pop()
        # A copy of the slice alone: the values within lists are looked at beyond its rows otherwise.
        piece = pa.concat_arrays([values.slice(first, n)])
        try:
            piece.cast(kind)
        except pa.ArrowInvalid:
            if n == 1:
                yield first
            else:
                ahead += [(first, n // 2), (first + n // 2, n - n // 2)]


def _cast(values: pa.Array, kind: pa.DataType) -> pa.Array:
    return values if values.type == kind else values.cast(kind)


def _with_leaves(kind: pa.DataType, change: Callable[[pa.DataType], pa.DataType]) -> pa.DataType:
    """A type with its innermost ones changed, without the metadata of the fields inside it."""

    def field(inner: pa.Field) -> pa.Field:
        return pa.field(inner.name, _with_leaves(inner.type, change), inner.nullable)

    if types.is_struct(kind):
        return pa.struct([field(kind.field(i)) for i in range(kind.num_fields)])
    if types.is_map(kind):
        return pa.map_(field(kind.key_field), field(kind.item_field), keys_sorted=kind.keys_sorted)
    if types.is_list(kind):
        return pa.list_(field(kind.value_field))
    if types.is_large_list(kind):
        return pa.large_list(field(kind.value_field))
    if types.is_fixed_size_list(kind):
        return pa.list_(field(kind.value_field), kind.list_size)
    return change(kind)


def _plain(kind: pa.DataType) -> pa.DataType:
    if types.is_dictionary(kind):
        return pa.dictionary(kind.index_type, _with_leaves(kind.value_type, _plain), kind.ordered)
    return _PLAIN.get(kind, kind)


def _bytes(kind: pa.DataType) -> pa.DataType:
    """Bytes for text, which no function refuses."""
    if types.is_dictionary(kind):
        return pa.dictionary(kind.index_type, _bytes(kind.value_type), kind.ordered)
    if isinstance(kind, pa.BaseExtensionType):
        return _bytes(kind.storage_type) if kind.storage_type in _BYTES else kind
    return _BYTES.get(kind, kind)


def _decoded(kind: pa.DataType) -> pa.DataType:
    """Dictionaries would hold the bad text even where no row does."""
    return kind.value_type if types.is_dictionary(kind) and kind.value_type in _BYTES.values() else kind


def row_content(names: Sequence[str], columns: Sequence[pa.Array | pa.ChunkedArray], i: int) -> str:
    r"""A row as JSON, with `\xNN` for bytes that are no UTF-8."""
    row = {name: _readable(column, i) for name, column in zip(names, columns, strict=True)}
    return json.dumps(row, ensure_ascii=False, default=str)


def _readable(column: pa.Array | pa.ChunkedArray, i: int) -> Any:  # noqa: ANN401 - what a cell may hold
    try:
        return _without_bytes(column[i].as_py())
    except (ValueError, OverflowError):  # times beyond, or finer than, what Python has
        text: str = column.slice(i, 1).to_string(skip_new_lines=True)
        return text.removeprefix("[").removesuffix("]")


def _without_bytes(value: Any) -> Any:  # noqa: ANN401 - as above
    if isinstance(value, list | tuple):
        return [_without_bytes(item) for item in value]
    if isinstance(value, dict):
        return {name: _without_bytes(item) for name, item in value.items()}
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else value
