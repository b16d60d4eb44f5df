"""Predictions written for users: Parquet, CSV or JSON lines, a table at a time."""

from __future__ import annotations

import base64
import contextlib
import json
import math
import tempfile
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import csv, types

from tasks.seq2seq.settings.batch import OutputFormat
from tasks.storage.files.atomic import aside, explain_os_errors, temporary_folder
from tasks.storage.outputs.long_rows import by_step
from tasks.storage.outputs.predictions import UNKNOWN

# What spreadsheets take for a formula, and what is a number all the same.
_FORMULA, _NUMBER = r"\A[=+\-@\t\r]", r"\A[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\z"
LINEAGE = b"seq2seq"  # key of the file's metadata
_JOINED = ("prediction",)  # columns that a CSV holds as sequences are read: `1 2 3`, `two words`


class OutputWriter:
    """Streams tables of one schema into a file; an output without rows is there, with its columns."""

    def __init__(
        self,
        path: Path,
        schema: pa.Schema,
        kind: OutputFormat,
        lineage: str,
        *,
        csv_safe: bool = False,
        long: bool = False,
    ) -> None:
        """Takes the file, the tables' schema, the format, and the lineage as JSON, which Parquet keeps.

        With `csv_safe`, no text of a CSV is a formula to a spreadsheet. With `long`, the steps of forecasts are rows of
        the file; `rows` are those of the tables.
        """
        self.rows = 0
        self._shape: Callable[[pa.Table], pa.Table] = by_step if long else lambda table: table
        schema = self._shape(schema.empty_table()).schema
        self._path, self._kind = path, kind
        self._schema = schema.with_metadata({LINEAGE: lineage})
        with _naming_column(path, schema, kind):
            opener = _open_safe_csv if csv_safe and kind == "csv" else _OPENERS[kind]
            self._write, self._close = opener(path, self._schema)

    def write(self, table: pa.Table) -> None:
        """Adds rows; an exception that is one column's has a note of which."""
        n, table = len(table), self._shape(table)
        with _naming_column(self._path, table.schema, self._kind, table):
            self._write(table.replace_schema_metadata(self._schema.metadata))
        self.rows += n

    def close(self) -> None:
        """Finishes the file."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@lru_cache(maxsize=1024)
def check_schema(schema: pa.Schema, kind: OutputFormat) -> None:
    """Refuses columns that a format cannot hold, as far as their types say.

    Raises:
        Exception: of Arrow's, with a note that names the column.
    """
    with (
        explain_os_errors(Path(tempfile.gettempdir())),
        temporary_folder("schema") as folder,
        OutputWriter(folder / "empty", schema, kind, "{}") as writer,
    ):
        writer.write(schema.empty_table())


_Opened = tuple[Callable[[pa.Table], None], Callable[[], None]]


def _open_parquet(path: Path, schema: pa.Schema) -> _Opened:
    writer = pq.ParquetWriter(path, schema, compression="zstd")
    return lambda table: writer.write_table(table, row_group_size=max(1, len(table))), writer.close


def _open_csv(path: Path, schema: pa.Schema) -> _Opened:
    writer = csv.CSVWriter(str(path), _as_text(schema.empty_table()).schema)
    return lambda table: writer.write_table(_as_text(table)), writer.close


def _open_safe_csv(path: Path, schema: pa.Schema) -> _Opened:
    writer = csv.CSVWriter(str(path), _without_formulas(schema.empty_table()).schema)
    return lambda table: writer.write_table(_without_formulas(table)), writer.close


def _open_json_lines(path: Path, schema: pa.Schema) -> _Opened:  # noqa: ARG001 - each line names its keys
    file = path.open("w", encoding="utf-8")

    def write(table: pa.Table) -> None:
        table = pa.table([_plain(table[name]) for name in table.column_names], names=table.column_names)
        for batch in table.to_batches(max_chunksize=8192):
            file.writelines(f"{_as_json(row)}\n" for row in batch.to_pylist())

    return write, file.close


_OPENERS: dict[OutputFormat, Callable[[Path, pa.Schema], _Opened]] = {
    "parquet": _open_parquet,
    "csv": _open_csv,
    "jsonl": _open_json_lines,
}


@contextlib.contextmanager
def _naming_column(path: Path, schema: pa.Schema, kind: OutputFormat, table: pa.Table | None = None) -> Iterator[None]:
    """Notes on an exception which column is the first that cannot be written, found by writing each alone."""
    try:
        yield
    except Exception as error:
        is_of_machine = isinstance(error, MemoryError) or getattr(error, "errno", None) is not None
        for field in [] if is_of_machine else schema:
            column = None if table is None else table.select([field.name])
            if not _can_be_written(aside(path), pa.schema([field]), kind, column):
                error.add_note(
                    f"column {field.name!r} of type {field.type} cannot be written as {kind}; leave it out with "
                    f"--drop {field.name}"
                )
                break
        raise


def _can_be_written(path: Path, schema: pa.Schema, kind: OutputFormat, table: pa.Table | None) -> bool:
    try:
        write, close = _OPENERS[kind](path, schema)
        try:
            if table is not None:
                write(table)
        finally:
            close()
    except Exception:  # noqa: BLE001 - whatever it is, it is this column's
        return False
    finally:
        path.unlink(missing_ok=True)
    return True


def _as_text(table: pa.Table) -> pa.Table:
    """The table with every column as a CSV can hold it; lists and structures as JSON."""
    columns = [as_field(name, table[name]) for name in table.column_names]
    return pa.table(columns, names=table.column_names)


def _without_formulas(table: pa.Table) -> pa.Table:
    """The same with an apostrophe before each text, names of columns too, that a spreadsheet would run."""
    text = _as_text(table)
    columns = [
        _as_mere_text(written) if _is_text(written.type) and not _is_of_numbers(column.type) else written
        for column, written in zip(table.columns, text.columns, strict=True)
    ]
    names = _as_mere_text(pa.array(table.column_names, pa.string())).to_pylist()
    return pa.table(columns, names=names)


def _as_mere_text(column: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    is_number = pc.match_substring_regex(column, _NUMBER)
    is_formula = pc.and_(pc.match_substring_regex(column, _FORMULA), pc.invert(is_number))
    if not pc.any(is_formula).as_py():
        return column
    quoted = pc.binary_join_element_wise(pa.scalar("'", column.type), column, pa.scalar("", column.type))
    return pc.if_else(is_formula, quoted, column)


def _is_text(kind: pa.DataType) -> bool:
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _is_of_numbers(kind: pa.DataType) -> bool:
    """Whether a column's text is that of numbers, which is no formula."""
    return types.is_list(kind) and bool(types.is_integer(kind.value_type) or types.is_floating(kind.value_type))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column without dictionaries and extensions, and times as text: Python's reach is shorter than Arrow's."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return _plain(pa.chunked_array([chunk.storage for chunk in column.chunks], kind.storage_type))
    if types.is_dictionary(kind):
        return _plain(column.cast(kind.value_type))
    if types.is_duration(kind):
        counts = column.cast(pa.int64()).cast(pa.string())
        return pc.binary_join_element_wise(counts, kind.unit, " ")
    return column.cast(pa.string()) if types.is_temporal(kind) and not types.is_interval(kind) else column


def as_field(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """A column as a CSV holds it: text, numbers, or whatever else Arrow writes as such."""
    column = _plain(column)
    kind = column.type
    if name in _JOINED and types.is_list(kind) and not types.is_nested(kind.value_type):
        return _joined(column)
    if types.is_nested(kind):
        return pa.array([None if value is None else _as_json(value) for value in column.to_pylist()], pa.string())
    if _is_bytes(kind):
        return pa.array([None if value is None else _as_word(value) for value in column.to_pylist()], pa.string())
    return column


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind))


def _as_word(value: Any) -> str:  # noqa: ANN401 - what JSON has no form for
    """Bytes in base64, all else as Python says it: dates, decimals, durations."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def _joined(column: pa.ChunkedArray) -> pa.ChunkedArray:
    chunks = []
    for chunk in column.chunks:
        words = pc.fill_null(chunk.flatten().cast(pa.string()), UNKNOWN)
        offsets = pc.subtract(chunk.offsets, chunk.offsets[0])
        joined = pc.binary_join(pa.ListArray.from_arrays(offsets, words), " ")
        if types.is_string(chunk.type.value_type):
            rows = np.repeat(np.arange(len(chunk)), np.diff(offsets.to_numpy()))
            joined = _with_json(joined, chunk, np.unique(rows[_are_no_words(words)]))
        chunks.append(joined)
    return pa.chunked_array(chunks, pa.string())


def _are_no_words(words: pa.Array) -> NDArray[np.bool_]:
    """Which strings would be others if they were read from text with spaces between, `(n,)`."""
    parts = pc.list_value_length(pc.utf8_split_whitespace(words))
    is_odd = pc.or_(pc.not_equal(parts, 1), pc.equal(words, ""))
    return np.asarray(pc.or_(is_odd, pc.starts_with(words, "[")).to_numpy(zero_copy_only=False))


def _with_json(joined: pa.Array, chunk: pa.Array, rows: NDArray[np.int64]) -> pa.Array:
    """The text of lists, of some rows as JSON."""
    if not len(rows):
        return joined
    is_json = np.zeros(len(chunk), np.bool_)
    is_json[rows] = True
    written = [_as_json([UNKNOWN if word is None else word for word in chunk[int(i)].as_py()]) for i in rows]
    return pc.replace_with_mask(joined, pa.array(is_json), pa.array(written, joined.type))


def _as_json(value: Any) -> str:  # noqa: ANN401 - what a cell may hold
    try:
        return json.dumps(value, ensure_ascii=False, default=_as_word, allow_nan=False)
    except ValueError:  # JSON has no NaN and no infinity
        return json.dumps(_finite(value), ensure_ascii=False, default=_as_word)


def _finite(value: Any) -> Any:  # noqa: ANN401 - as above
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list) else value
