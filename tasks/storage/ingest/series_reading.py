"""A file of a series: a row a time step, checked and held in memory as a whole."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Rows
from tasks.seq2seq.data.windows import Series
from tasks.seq2seq.settings.data import FilesData
from tasks.storage.files.inputs import InputFile
from tasks.storage.ingest.reasons import EXTREME, FINE, first_faults
from tasks.storage.ingest.rejects import Rejects
from tasks.storage.ingest.row_rules import describe_extreme, read_time_steps
from tasks.storage.readers.blocks import Layout, RowBlock
from tasks.storage.readers.user_files import read_blocks


class SeriesRead(NamedTuple):
    """A series as it was read.

    rows: the numbers of the rows that could be read, from 1.
    has_target: the time steps whose target can be used, too, `(time,) bool`; only optional ones are there without.
    kept: the columns of these rows, where they are kept.
    """

    series: Series
    rows: Rows
    has_target: NDArray[np.bool_]
    kept: pa.Table | None


def series_layout(data: FilesData) -> Layout:
    """The columns of a series, each named once, sources first."""
    sides = {**dict.fromkeys(data.target_columns, "target"), **dict.fromkeys(data.source_columns, "source")}
    columns = tuple(dict.fromkeys((*data.source_columns, *data.target_columns)))
    return Layout(
        columns=columns,
        kinds=tuple(getattr(data, f"{sides[column]}_encoding") for column in columns),
        dialect=data.dialect,
        sides=tuple(sides[column] for column in columns),
    )


def read_series(
    file: InputFile, layout: Layout, data: FilesData, rejects: Rejects, kept: pa.Schema | None = None
) -> SeriesRead:
    """Reads a whole series, its unusable rows sent to `rejects`.

    Args:
        file: the file.
        layout: its columns; where those of the target are not among them, the target has no features.
        data: the settings that say what they are.
        rejects: takes the rows that cannot be used.
        kept: columns that are kept as they are, if any.

    Raises:
        DataError: the file breaks off, is damaged, or changes while it is read.
    """
    blocks, tables, n = [], [], 0
    for block in read_blocks(file, layout, kept):
        blocks.append(_steps(block, file, layout, rejects))
        tables.append(block.kept)
        n = max([n, *block.rows[-1:].tolist(), *(reject.row for reject in block.rejects[-1:])])
    usable, has_target = np.zeros((2, n), np.bool_)
    columns = {
        name: np.zeros(n, np.int64 if kind == "integers" else np.float64)
        for name, kind in zip(layout.columns, layout.kinds, strict=True)
    }
    for rows, values, is_used, is_whole in blocks:
        usable[rows - 1], has_target[rows - 1] = is_used, is_whole
        for name, steps in zip(layout.columns, values, strict=True):
            columns[name][rows - 1] = steps
    source, target = (_side_steps(columns, n, data, side) for side in ("source", "target"))
    numbers = np.concatenate([block.rows for block in blocks])
    whole = None if kept is None else pa.concat_tables(tables)
    return SeriesRead(Series(source, target, usable), numbers, has_target, whole)


def _side_steps(columns: dict[str | int, NDArray[Any]], n: int, data: FilesData, side: str) -> NDArray[Any]:
    values = [columns[name] for name in getattr(data, f"{side}_columns") if name in columns]
    steps = np.stack(values, axis=1) if values else np.zeros((n, 0))
    return steps[:, 0] if values and getattr(data, f"{side}_encoding") == "integers" else steps


class _Steps(NamedTuple):
    """A block's row numbers, the values of each column, which rows can be used, and of which every column can."""

    rows: Rows
    values: list[NDArray[Any]]
    is_used: NDArray[np.bool_]
    is_whole: NDArray[np.bool_]


def _steps(block: RowBlock, file: InputFile, layout: Layout, rejects: Rejects) -> _Steps:
    columns = [read_time_steps(block.table.column(i), kind, block.dialect) for i, kind in enumerate(layout.kinds)]
    needed = [i for i, side in enumerate(layout.sides) if side not in layout.optional]
    reasons, blamed = first_faults([columns[i][1] for i in needed])
    extreme = np.flatnonzero(reasons == EXTREME)
    if extreme.size and not rejects.remark:
        row, column = int(extreme[0]), needed[blamed[extreme[0]]]
        value = block.table.column(column)[row]
        where = f"row {block.rows[row]} of {file.path}"
        rejects.remark = describe_extreme(where, block.table.column_names[column], value)
    rejects.add_block(file.name, block, reasons, lambda i: layout.sides[needed[blamed[i]]])
    is_whole = first_faults([faults for _, faults in columns])[0] == FINE
    return _Steps(block.rows, [values for values, _ in columns], reasons == FINE, is_whole)
