"""How many bytes the rows of a column take, so that one that is too large is told from others."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types

Sizes = NDArray[np.int64]


def row_sizes(column: pa.Array) -> Sizes:
    """The bytes of each row's value, `(n,)`, more or less; the column need not be sound."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return row_sizes(column.storage)
    if types.is_dictionary(kind):
        return _taken(row_sizes(column.dictionary), column.indices)
    if types.is_struct(kind):
        parts = [row_sizes(column.field(i)) for i in range(kind.num_fields)]
        return np.sum(parts, axis=0, dtype=np.int64) if parts else np.zeros(len(column), np.int64)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_map(kind):
        return _of_lists(column)
    if types.is_fixed_size_list(kind):
        return _all_alike(column, kind.list_size * max(1, _width(kind.value_type)))
    return _all_alike(column, _width(kind)) if _width(kind) else _of_text(column)


def _all_alike(column: pa.Array, size: int) -> Sizes:
    return np.full(len(column), size, np.int64)


def _of_text(column: pa.Array) -> Sizes:
    try:
        sizes: Sizes = pc.fill_null(pc.binary_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):  # views, nulls, unions: by what all rows take
        sizes = _all_alike(column, column.nbytes // max(len(column), 1))
    return sizes


def _of_lists(column: pa.Array) -> Sizes:
    offsets = column.offsets.to_numpy(zero_copy_only=False).astype(np.int64)
    width = _width(column.type.value_type) if not types.is_map(column.type) else 0
    if width:
        flat: Sizes = np.diff(offsets) * width
        return flat
    inner = [column.keys, column.items] if types.is_map(column.type) else [column.values]
    totals = np.concatenate([[0], np.cumsum(np.sum([row_sizes(one) for one in inner], axis=0))])
    sizes: Sizes = np.diff(totals[np.clip(offsets, 0, len(totals) - 1)])
    return sizes


def _taken(sizes: Sizes, indices: pa.Array) -> Sizes:
    places = pc.fill_null(indices, 0).to_numpy(zero_copy_only=False).astype(np.int64)
    taken: Sizes = sizes[np.clip(places, 0, len(sizes) - 1)] if len(sizes) else np.zeros(len(indices), np.int64)
    return taken


def _width(kind: pa.DataType) -> int:
    """The bytes of a value of a fixed width; 0 of others."""
    try:
        return max(1, int(kind.bit_width) // 8)
    except ValueError:
        return 0
