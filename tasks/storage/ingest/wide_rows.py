"""Wide tables, a row a series and a column a time step, as the rows of long ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from tasks.seq2seq.errors import DataError
from tasks.storage.files.inputs import InputFile
from tasks.storage.readers.blocks import Layout, RowBlock, listed
from tasks.storage.readers.user_files import read_blocks, read_columns

_CELLS = 2**20  # of a block, about


class LongBlock(NamedTuple):
    """Cells of a wide table as rows.

    block: the rows, each with the number of the row that its cell is in; time is the name of its column, or where the
        layout has a start, how many steps it is after that.
    kept: of the wide rows, all columns.
    """

    block: RowBlock
    kept: pa.Table


def step_columns(kept: pa.Schema, layout: Layout) -> list[str]:
    """The names of the columns that are time steps: all but those that the layout names.

    Raises:
        DataError: there is none.
    """
    named = {*layout.of_file.names, *layout.drop}
    return [name for name in kept.names if name not in named]


def read_wide_blocks(file: InputFile, layout: Layout, kept: pa.Schema | None = None) -> Iterator[LongBlock]:
    """Streams the cells of a wide table as rows of the layout's columns, row by row.

    Args:
        file: which.
        layout: the columns of the rows, with those that are made of others, see `Layout.made`.
        kept: what `read_columns` says of the file; None means that it is asked here.

    Raises:
        DataError: as `read_blocks`; or it has no column of a step, or one of another type than a number has.
    """
    kept = read_columns(file, layout) if kept is None else kept
    names = step_columns(kept, layout)
    if not names:
        raise DataError(
            f"{file.path} has no column of a time step beside {listed(layout.of_file.names)}; with data.wide, each "
            f"column that no setting names is one"
        )
    for name in names:
        kind = kept.field(name).type
        if types.is_nested(kind) or types.is_temporal(kind) or types.is_binary(kind) or types.is_boolean(kind):
            raise DataError(
                f"{file.path}: column {name!r} is of type {kind}, expected numbers: with data.wide, each column that "
                f"no setting names is a time step; name it in data.series or data.static, or leave it out of the file"
            )
    for block in read_blocks(file, layout, kept):
        yield from _long_blocks(block, layout, names)


def _long_blocks(block: RowBlock, layout: Layout, names: list[str]) -> Iterator[LongBlock]:
    rows, rejects = max(1, _CELLS // len(names)), block.rejects
    assert block.kept is not None
    for first in range(0, max(1, len(block.rows)), rows):
        part = block._replace(
            rows=block.rows[first : first + rows], table=block.table.slice(first, rows), rejects=rejects
        )
        kept = block.kept.slice(first, rows)
        yield LongBlock(_long(part, kept, layout, names), kept)
        rejects = []


def _long(block: RowBlock, kept: pa.Table, layout: Layout, names: list[str]) -> RowBlock:
    n, m = len(block.rows), len(names)
    each = pa.array(np.repeat(np.arange(n), m))
    made = iter(
        (
            _values(kept, names).take(pa.array((np.arange(n)[:, None] + n * np.arange(m)).ravel())),
            pa.array(np.tile(np.arange(m), n)) if "start" in layout.sides else _tiled(names, n),
        )
    )
    of_file = layout.of_file.names
    columns = [
        block.table.column(of_file.index(name)).combine_chunks().take(each) if column not in layout.made else next(made)
        for column, name in zip(layout.columns, layout.names, strict=True)
    ]
    return block._replace(
        rows=np.repeat(block.rows, m), table=pa.Table.from_arrays(columns, names=layout.names), kept=None
    )


def _values(kept: pa.Table, names: list[str]) -> pa.Array:
    """The cells, column by column, as one column: numbers, or text where one column is text."""
    columns = [kept[name] for name in names]
    is_text = any(types.is_string(one.type) or types.is_large_string(one.type) for one in columns)
    kind = pa.large_string() if is_text else pa.float64()
    return pa.concat_arrays([chunk for one in columns for chunk in pc.cast(one, kind, safe=False).chunks])


def _tiled(names: list[str], n: int) -> pa.Array:
    return pa.array(names, pa.large_string()).take(pa.array(np.tile(np.arange(len(names)), n)))
