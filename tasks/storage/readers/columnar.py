"""Parquet and Arrow: columns as they are stored, their types checked before the first row is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import types

from tasks.seq2seq.errors import DataError
from tasks.storage.files.inputs import InputFile
from tasks.storage.readers.arrow_columns import CheckedColumn, can_be_kept, check_column, kept_type, row_content
from tasks.storage.readers.blocks import (
    BLOCK_BYTES,
    BLOCK_ROWS,
    Block,
    Kind,
    Layout,
    Reject,
    check_names,
    check_unique,
    split_block,
    to_kept,
    to_table,
)

EXPECTED: dict[Kind, str] = {
    "integers": "a list of integers, or an integer,",
    "characters": "a string",
    "words": "a string or a list of strings",
    "vectors": "a list of numbers, a list of lists of numbers, or a number,",
    "number": "a number",
}
_FILE_SIGNATURE = b"ARROW1"
_STREAM_END = b"\xff\xff\xff\xff\0\0\0\0"  # a message of length zero
_SAMPLED_ROWS = 256


def check(file: InputFile, layout: Layout) -> None:
    """Reads the schema and how many rows there are."""
    with file.open_file() as opened:
        schema, has_rows = _look(file, opened)
    check_names(file.path, schema.names, layout)
    for name, kind in zip(layout.names, layout.kinds, strict=True):
        found = schema.field(name).type
        if not _fits(found, kind):
            use = "" if kind == "number" else f" for the encoding {kind}"
            raise DataError(f"{file.path}: column {name!r} is of type {found}, expected {EXPECTED[kind]}{use}")
    if not has_rows:
        raise DataError(f"{file.path} has no rows, expected rows of sequences")


def count(file: InputFile) -> int | None:
    """The rows of all row groups or batches, by their metadata; None of an Arrow stream, which has none."""
    with file.open_file() as opened:
        if file.format == "parquet":
            return int(pq.ParquetFile(opened).metadata.num_rows)
        return None if _is_stream(opened) else _count_arrow(file)


def has(file: InputFile, _layout: Layout, column: str | int) -> bool:
    """Whether the schema has the column."""
    return str(column) in _schema(file).names


def columns(file: InputFile, _layout: Layout) -> pa.Schema:
    """The schema without metadata, each type as `kept_type` says."""
    schema = _schema(file)
    check_unique(file.path, schema.names)
    return pa.schema(
        [pa.field(field.name, kept_type(field.type), field.nullable) for field in schema if can_be_kept(field.type)]
    )


def left_out(file: InputFile, _layout: Layout) -> list[str]:
    """The columns of types that no output can hold."""
    return [field.name for field in _schema(file) if not can_be_kept(field.type)]


def read(file: InputFile, layout: Layout, kept: pa.Schema | None = None) -> Iterator[Block]:
    """Streams the rows; those whose text is no UTF-8 are rejects."""
    first = 1
    names = list(dict.fromkeys(layout.names)) if kept is None else kept.names
    batches_of = _parquet_batches if file.format == "parquet" else _arrow_batches
    with file.open_file() as opened:
        batches = batches_of(opened, names)
        for batch in batches:
            checked = {name: check_column(batch.column(name)) for name in names}
            for start in range(0, batch.num_rows, BLOCK_ROWS):
                piece = {name: column.slice(start, BLOCK_ROWS) for name, column in checked.items()}
                n = min(BLOCK_ROWS, batch.num_rows - start)
                yield from split_block(_to_block(file, layout, piece, np.arange(first, first + n), kept))
                first += n


def _schema(file: InputFile) -> pa.Schema:
    with file.open_file() as opened:
        return _look(file, opened)[0]


def _look(file: InputFile, opened: Any) -> tuple[pa.Schema, bool]:  # noqa: ANN401 - pyarrow ships no types
    """The schema, and whether there are any rows."""
    if file.format == "parquet":
        parquet = pq.ParquetFile(opened)
        return parquet.schema_arrow, parquet.metadata.num_rows > 0
    if _is_stream(opened):
        _check_stream_end(file, opened)
        stream = pa.ipc.open_stream(opened)
        return stream.schema, any(batch.num_rows for batch in stream)
    return pa.ipc.open_file(opened).schema, _count_arrow(file) > 0


def _count_arrow(file: InputFile) -> int:
    # The dataset counts by the batches' metadata, their bodies are not read.
    return int(ds.dataset(file.path, format="ipc", filesystem=file.filesystem).count_rows())


def _is_stream(opened: Any) -> bool:  # noqa: ANN401 - pyarrow ships no types
    signature = opened.read(len(_FILE_SIGNATURE))
    opened.seek(0)
    return bool(signature != _FILE_SIGNATURE)


def _check_stream_end(file: InputFile, opened: Any) -> None:  # noqa: ANN401 - pyarrow ships no types
    """Arrow takes a stream that was cut between two batches for a whole one."""
    opened.seek(max(0, file.size - len(_STREAM_END)))
    end = opened.read()
    opened.seek(0)
    if end != _STREAM_END:
        raise DataError(f"{file.path} is no Arrow file, or a stream cut short: its end-of-stream marker is not there")


def _parquet_batches(opened: Any, names: list[str]) -> Iterator[pa.RecordBatch]:  # noqa: ANN401 - as above
    # Without pre_buffer, and with a buffer, pages are read as they are wanted, not whole row groups.
    parquet = pq.ParquetFile(opened, pre_buffer=False, buffer_size=2**20, page_checksum_verification=True)
    n_rows = 0
    for batch in parquet.iter_batches(_batch_rows(parquet, names), columns=names, use_threads=False):
        n_rows += batch.num_rows
        yield batch
    if n_rows != parquet.metadata.num_rows:
        raise pa.ArrowInvalid(f"{parquet.metadata.num_rows} rows are announced, {n_rows} are there")


def _batch_rows(parquet: pq.ParquetFile, columns: list[str]) -> int:
    """How many rows are some `BLOCK_BYTES`, by the metadata and, as dictionaries hide sizes, by a sample."""
    metadata, wanted = parquet.metadata, set(columns)
    row_bytes = 1.0
    for i in range(metadata.num_row_groups):
        group = metadata.row_group(i)
        leaves = [group.column(j) for j in range(group.num_columns)]
        size = sum(leaf.total_uncompressed_size for leaf in leaves if leaf.path_in_schema.split(".")[0] in wanted)
        row_bytes = max(row_bytes, size / max(group.num_rows, 1))
    sample = next(parquet.iter_batches(_SAMPLED_ROWS, columns=columns, use_threads=False), None)
    if sample is not None:
        row_bytes = max(row_bytes, sum(map(_row_bytes, sample.columns)))
    return max(1, min(BLOCK_ROWS, int(BLOCK_BYTES / row_bytes)))


def _row_bytes(column: pa.Array) -> float:
    """The bytes of a row; of a dictionary, which is as large with a few rows, what its values would take."""
    return float(_without_dictionary(column).nbytes / max(len(column), 1))


def _arrow_batches(opened: Any, names: list[str]) -> Iterator[pa.RecordBatch]:  # noqa: ANN401 - as above
    is_stream = _is_stream(opened)
    schema = (pa.ipc.open_stream if is_stream else pa.ipc.open_file)(opened).schema
    opened.seek(0)
    options = pa.ipc.IpcReadOptions(included_fields=sorted({schema.names.index(name) for name in names}))
    if is_stream:
        yield from pa.ipc.open_stream(opened, options=options)
        return
    reader = pa.ipc.open_file(opened, options=options)
    for i in range(reader.num_record_batches):
        yield reader.get_batch(i)


def _to_block(
    file: InputFile,
    layout: Layout,
    piece: dict[str, CheckedColumn],
    rows: NDArray[np.int64],
    kept: pa.Schema | None,
) -> Block:
    is_bad = np.zeros(len(rows), dtype=bool)
    for column in piece.values():
        if column.is_bad is not None:
            is_bad |= column.is_bad
    shown = layout.names if kept is None else kept.names
    rejects = [
        Reject(file.name, int(rows[i]), "invalid_utf8", row_content(shown, [piece[name].values for name in shown], i))
        for i in np.flatnonzero(is_bad).tolist()
    ]
    good = {name: column.take(~is_bad) for name, column in piece.items()}
    wanted = [_without_dictionary(good[name]) for name in layout.names]
    block = Block(rows[~is_bad], to_table(wanted, layout), rejects)
    return block if kept is None else block._replace(kept=to_kept(list(good.values()), kept, len(block.rows)))


def _without_dictionary(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if types.is_dictionary(column.type) else column


def _fits(found: pa.DataType, kind: Kind) -> bool:
    inner = found.value_type if _is_list(found) else None
    if kind == "number":
        return bool(types.is_floating(found) or types.is_integer(found))
    if kind == "integers":
        return bool(types.is_integer(inner or found))
    if kind == "characters":
        return _is_text(found)
    if kind == "words":
        return _is_text(found) or (inner is not None and _is_plain_text(inner))
    if inner is not None and _is_list(inner):
        inner = inner.value_type
    return bool(types.is_floating(inner or found) or types.is_integer(inner or found))


def _is_list(found: pa.DataType) -> bool:
    return bool(types.is_list(found) or types.is_large_list(found) or types.is_fixed_size_list(found))


def _is_plain_text(found: pa.DataType) -> bool:
    return bool(types.is_string(found) or types.is_large_string(found) or types.is_string_view(found))


def _is_text(found: pa.DataType) -> bool:
    return _is_plain_text(found.value_type if types.is_dictionary(found) else found)
