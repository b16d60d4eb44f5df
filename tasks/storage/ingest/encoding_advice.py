"""What is said where a column is rejected by its type: what it looks like, which setting reads it, and how."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from tasks.seq2seq.data.written import write_steps
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.data import FilesData
from tasks.storage.ingest.columns import Column, to_column
from tasks.storage.ingest.reasons import FINE
from tasks.storage.ingest.reject_table import cut
from tasks.storage.readers.blocks import Reject
from tasks.storage.readers.column_guess import advise, guess_look

_SHOWN_ROWS = 3
_WIDTH = 100
_OF_SERIES = ("integers", "vectors")


def advise_encodings(rejects: Sequence[Reject], data: FilesData) -> list[str]:
    """Lines of advice for each column of which no row can be read as its encoding says.

    Args:
        rejects: some rows that were rejected by their type.
        data: how they were read.
    """
    return [
        line
        for side in ("source", "target")
        for column in getattr(data, f"{side}_columns")
        for line in _advise(list(_values(rejects, str(column))), side, str(column), data)
    ]


def _advise(values: list[tuple[int, Any]], side: str, column: str, data: FilesData) -> Iterator[str]:
    encoding, only = getattr(data, f"{side}_encoding"), [value for _, value in values]
    advice = advise(only, f"data.{side}_encoding", encoding)
    if advice is None or any(steps is not None for steps in read_as(only, encoding)):
        return
    look = guess_look(only)
    wanted = look and look.encoding
    if data.is_series and wanted not in _OF_SERIES:
        return
    yield f"column {column!r} {advice}"
    if wanted:
        shown = values[:_SHOWN_ROWS]
        read = read_as([value for _, value in shown], wanted)
        for (row, _), steps in zip(shown, read, strict=True):
            if steps is not None:
                yield f"  row {row} would be read as  {cut(write_steps(wanted, steps), _WIDTH)}"


def _values(rejects: Sequence[Reject], column: str) -> Iterator[tuple[int, Any]]:
    """The numbers of rows, and what they hold in a column."""
    for one in rejects:
        try:
            row = json.loads(one.content)
        except ValueError:
            continue
        if isinstance(row, dict) and row.get(column) is not None:
            yield one.row, row[column]


def read_as(values: Sequence[Any], encoding: str) -> list[list[Any] | None]:
    """The time steps of values by an encoding, as `write_steps` takes them; None where one cannot be read."""
    try:
        column = to_column(pa.array(values), encoding)
    except (DataError, pa.ArrowException):
        return [None] * len(values)
    return [_steps(column, i, encoding) for i in range(len(values))]


def _steps(column: Column, i: int, encoding: str) -> list[Any] | None:
    if column.reasons[i] != FINE:
        return None
    steps: list[Any] = column.steps[i].tolist()
    if encoding == "characters":
        return [chr(point) for point in steps]
    return steps if column.words is None else [column.words[step] for step in steps]
