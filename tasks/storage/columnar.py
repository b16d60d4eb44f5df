"""Parquet and Arrow: columns as they are stored, their types checked before the first row is read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import types

from tasks.seq2seq.errors import DataError
from tasks.storage.blocks import (
    BLOCK_BYTES,
    BLOCK_ROWS,
    Block,
    Kind,
    Layout,
    Reject,
    check_names,
    split_block,
    to_table,
)
from tasks.storage.inputs import InputFile

EXPECTED: dict[Kind, str] = {
    "integers": "a list of integers, or an integer,",
    "characters": "a string",
    "words": "a string or a list of strings",
    "vectors": "a list of numbers, a list of lists of numbers, or a number,",
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
            raise DataError(
                f"{file.path}: column {name!r} is of type {found}, expected {EXPECTED[kind]} for the encoding {kind}"
            )
    if not has_rows:
        raise DataError(f"{file.path} has no rows, expected pairs of sequences")


def read(file: InputFile, layout: Layout) -> Iterator[Block]:
    """Streams the rows; those whose text is no UTF-8 are rejects."""
    first = 1
    with file.open_file() as opened:
        batches = _parquet_batches(opened, layout) if file.format == "parquet" else _arrow_batches(opened, layout)
        for batch in batches:
            for start in range(0, batch.num_rows, BLOCK_ROWS):
                piece = batch.slice(start, BLOCK_ROWS)
                yield from split_block(_to_block(file, layout, piece, first))
                first += piece.num_rows


def _look(file: InputFile, opened: Any) -> tuple[pa.Schema, bool]:  # noqa: ANN401 - pyarrow ships no types
    """The schema, and whether there are any rows."""
    if file.format == "parquet":
        parquet = pq.ParquetFile(opened)
        return parquet.schema_arrow, parquet.metadata.num_rows > 0
    if _is_stream(opened):
        _check_stream_end(file, opened)
        stream = pa.ipc.open_stream(opened)
        return stream.schema, any(batch.num_rows for batch in stream)
    schema = pa.ipc.open_file(opened).schema
    # The dataset counts by the batches' metadata, their bodies are not read.
    return schema, ds.dataset(file.path, format="ipc", filesystem=file.filesystem).count_rows() > 0


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


def _parquet_batches(opened: Any, layout: Layout) -> Iterator[pa.RecordBatch]:  # noqa: ANN401 - as above
    # Without pre_buffer, and with a buffer, pages are read as they are wanted, not whole row groups.
    parquet = pq.ParquetFile(opened, pre_buffer=False, buffer_size=2**20, page_checksum_verification=True)
    columns = list(dict.fromkeys(layout.names))
    n_rows = 0
    for batch in parquet.iter_batches(_batch_rows(parquet, columns), columns=columns, use_threads=False):
        n_rows += batch.num_rows
        yield batch
    if n_rows != parquet.metadata.num_rows:
        raise pa.ArrowInvalid(f"{parquet.metadata.num_rows} rows are announced, {n_rows} are there")


def _batch_rows(parquet: pq.ParquetFile, columns: list[str]) -> int:
    """How many rows are some `BLOCK_BYTES`, by the metadata and, as dictionaries hide sizes, by a sample."""
    metadata = parquet.metadata
    row_bytes = 1.0
    for i in range(metadata.num_row_groups):
        group = metadata.row_group(i)
        leaves = [group.column(j) for j in range(group.num_columns)]
        size = sum(leaf.total_uncompressed_size for leaf in leaves if leaf.path_in_schema.split(".")[0] in columns)
        row_bytes = max(row_bytes, size / max(group.num_rows, 1))
    sample = next(parquet.iter_batches(_SAMPLED_ROWS, columns=columns, use_threads=False), None)
    if sample is not None:
        row_bytes = max(row_bytes, sample.nbytes / max(sample.num_rows, 1))
    return max(1, min(BLOCK_ROWS, int(BLOCK_BYTES / row_bytes)))


def _arrow_batches(opened: Any, layout: Layout) -> Iterator[pa.RecordBatch]:  # noqa: ANN401 - as above
    is_stream = _is_stream(opened)
    schema = (pa.ipc.open_stream if is_stream else pa.ipc.open_file)(opened).schema
    opened.seek(0)
    options = pa.ipc.IpcReadOptions(included_fields=sorted({schema.names.index(name) for name in layout.names}))
    if is_stream:
        yield from pa.ipc.open_stream(opened, options=options)
        return
    reader = pa.ipc.open_file(opened, options=options)
    for i in range(reader.num_record_batches):
        yield reader.get_batch(i)


def _to_block(file: InputFile, layout: Layout, batch: pa.RecordBatch, first: int) -> Block:
    stored = [batch.column(name) for name in layout.names]
    columns = [_without_text(column) for column in stored]
    is_bad = np.zeros(batch.num_rows, dtype=bool)
    for column, original in zip(columns, stored, strict=True):
        # A damaged Arrow file would otherwise be read beyond its buffers.
        column.validate(full=True)
        is_bad |= _invalid_utf8(column, _text_type(original.type))
    rows = np.arange(first, first + batch.num_rows, dtype=np.int64)
    rejects = [
        Reject(file.name, int(rows[i]), "invalid_utf8", _content(layout, columns, int(i)))
        for i in np.flatnonzero(is_bad)
    ]
    good = pa.array(~is_bad)
    if rejects:
        columns = [column.filter(good) for column in columns]
    texts = [column.cast(_text_type(original.type)) for column, original in zip(columns, stored, strict=True)]
    return Block(rows[~is_bad], to_table(texts, layout), rejects)


def _invalid_utf8(column: pa.Array, text_type: pa.DataType) -> NDArray[np.bool_]:
    """Which rows hold text that is none, `(n,)`; rows are looked at one by one only if there are any."""
    is_bad = np.zeros(len(column), dtype=bool)
    try:
        column.cast(text_type)
    except pa.ArrowInvalid:
        is_list = _is_list(column.type)
        owners = pc.list_parent_indices(column).to_numpy() if is_list else np.arange(len(column))
        values = pc.list_flatten(column) if is_list else column
        bad_values = [not _is_utf8(value) for value in values.to_pylist()]
        is_bad[owners[np.array(bad_values, dtype=bool)]] = True
    return is_bad


def _is_utf8(value: bytes | None) -> bool:
    try:
        (value or b"").decode()
    except UnicodeDecodeError:
        return False
    return True


def _content(layout: Layout, columns: list[pa.Array], i: int) -> str:
    def readable(value: Any) -> Any:  # noqa: ANN401 - what a cell may hold
        if isinstance(value, list):
            return [readable(item) for item in value]
        return value.decode(errors="backslashreplace") if isinstance(value, bytes) else value

    row = {name: readable(column[i].as_py()) for name, column in zip(layout.names, columns, strict=True)}
    return json.dumps(row, ensure_ascii=False, default=str)


def _without_text(column: pa.Array) -> pa.Array:
    """The same with text as bytes, which no function refuses, and with dictionaries decoded."""
    if types.is_dictionary(column.type):
        values = column.dictionary.cast(_bytes_type(_text_type(column.type)))
        return pa.DictionaryArray.from_arrays(column.indices, values).dictionary_decode()
    wanted = _bytes_type(_text_type(column.type))
    return column if column.type == wanted else column.cast(wanted)


def _fits(found: pa.DataType, kind: Kind) -> bool:
    inner = found.value_type if _is_list(found) else None
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


def _text_type(stored: pa.DataType) -> pa.DataType:
    """What a column is in the table: dictionaries and views of text become text, all else stays."""
    if types.is_dictionary(stored):
        return _text_type(stored.value_type)
    if types.is_string_view(stored):
        return pa.large_string()
    return _with_values(stored, _text_type(stored.value_type)) if _is_list(stored) else stored


def _bytes_type(text: pa.DataType) -> pa.DataType:
    if _is_list(text):
        return _with_values(text, _bytes_type(text.value_type))
    return {pa.string(): pa.binary(), pa.large_string(): pa.large_binary()}.get(text, text)


def _with_values(kind: pa.DataType, values: pa.DataType) -> pa.DataType:
    """A type of list as it is, of other values."""
    if values == kind.value_type:
        return kind
    if types.is_fixed_size_list(kind):
        return pa.list_(values, kind.list_size)
    return pa.large_list(values) if types.is_large_list(kind) else pa.list_(values)
