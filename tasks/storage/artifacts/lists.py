"""Sequences as Arrow list columns and back."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from tasks.seq2seq.arrays.sequences import Sequences


def list_type(step: pa.DataType, features: int = 0) -> pa.DataType:
    """The type of a column whose rows are lists of `step`, or of `features` of them a time step."""
    if features:
        step = pa.list_(pa.field("item", step, nullable=False), features)
    return pa.list_(pa.field("item", step, nullable=False))


def steps_type(features: int) -> pa.DataType:
    """The type of a column of encoded sequences: ids, or vectors where there are features."""
    return list_type(pa.float64(), features) if features else list_type(pa.int32())


def to_lists(sequences: Sequences, kind: pa.DataType) -> pa.Array:
    """A column of `kind`, made by `list_type`."""
    first, last = sequences.offsets[0], sequences.offsets[-1]
    steps = pa.array(np.ascontiguousarray(sequences.values[first:last]).reshape(-1))
    if pa.types.is_fixed_size_list(kind.value_type):
        steps = pa.FixedSizeListArray.from_arrays(steps, type=kind.value_type)
    return pa.ListArray.from_arrays(pa.array((sequences.offsets - first).astype(np.int32)), steps, type=kind)


def from_lists(column: pa.Array | pa.ChunkedArray) -> Sequences:
    """The sequences of a column without nulls: list, large or fixed-size, of numbers or of lists of numbers."""
    if isinstance(column, pa.ChunkedArray):
        if column.num_chunks != 1:
            parts = [from_lists(chunk) for chunk in column.chunks]
            return Sequences.concatenate(parts) if parts else from_lists(column.combine_chunks())
        column = column.chunk(0)
    lengths = np.diff(column.offsets.to_numpy())
    steps = column.flatten()
    features = steps.type.list_size if pa.types.is_fixed_size_list(steps.type) else 0
    values = (steps.flatten() if features else steps).to_numpy()
    return Sequences.of_lengths(values.reshape(-1, features) if features else values, lengths)
