"""What Parquet and Arrow share: columns as they are stored, their types checked before the first row is read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import types

from tasks.seq2seq.errors import DataError
from tasks.storage.files.inputs import InputFile
from tasks.storage.readers.arrow_columns import CheckedColumn, can_be_kept, check_column, kept_type, row_content
from tasks.storage.readers.blocks import (
    BLOCK_ROWS,
    Kind,
    Layout,
    Reject,
    RowBlock,
    check_names,
    dropped_names,
    kept_names,
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


class Columnar(ABC):
    """A format that stores columns with their types."""

    name: str
    suffixes: tuple[str, ...]
    signatures: tuple[bytes, ...]
    is_text = False
    has_schema = True

    @abstractmethod
    def look(self, file: InputFile, opened: pa.NativeFile) -> tuple[pa.Schema, bool]:
        """The schema, and whether there are any rows."""

    @abstractmethod
    def batches(self, opened: pa.NativeFile, names: list[str]) -> Iterator[pa.RecordBatch]:
        """Streams columns in batches of a bounded size, or of the size that the file has them in."""

    @abstractmethod
    def count(self, file: InputFile) -> int | None:
        """The rows by the file's metadata; None where it has none."""

    def check(self, file: InputFile, layout: Layout) -> None:
        """Reads the schema and whether there are rows."""
        with file.open_file() as opened:
            schema, has_rows = self.look(file, opened)
        check_names(file.path, schema.names, layout)
        for name, kind in zip(layout.names, layout.kinds, strict=True):
            found = schema.field(name).type
            if not _fits(found, kind):
                use = "" if kind == "number" else f" for the encoding {kind}"
                raise DataError(f"{file.path}: column {name!r} is of type {found}, expected {EXPECTED[kind]}{use}")
        if not has_rows and not layout.may_be_empty:
            raise DataError(f"{file.path} has no rows, expected rows of sequences")

    def has(self, file: InputFile, _layout: Layout, column: str | int) -> bool:
        """Whether the schema has the column."""
        return str(column) in self._schema(file).names

    def columns(self, file: InputFile, layout: Layout) -> pa.Schema:
        """The schema without metadata, each type as `kept_type` says."""
        schema = self._schema(file)
        fields = [schema.field(i) for i, _ in kept_names(file.path, schema.names, layout)]
        return pa.schema(
            [pa.field(field.name, kept_type(field.type), field.nullable) for field in fields if can_be_kept(field.type)]
        )

    def left_out(self, file: InputFile, layout: Layout) -> list[str]:
        """The columns of types that no output can hold, and those that are not wanted in it."""
        schema = self._schema(file)
        unwanted = dropped_names(schema.names, layout)
        kept = [schema.field(i) for i, _ in kept_names(file.path, schema.names, layout)]
        return [*unwanted, *(field.name for field in kept if not can_be_kept(field.type))]

    def read(self, file: InputFile, layout: Layout, kept: pa.Schema | None = None) -> Iterator[RowBlock]:
        """Streams the rows; those whose text is no UTF-8 are rejects."""
        first = 1
        names = list(dict.fromkeys(layout.names)) if kept is None else kept.names
        with file.open_file() as opened:
            for batch in self.batches(opened, names):
                checked = {name: check_column(batch.column(name)) for name in names}
                for start in range(0, batch.num_rows, BLOCK_ROWS):
                    piece = {name: column.slice(start, BLOCK_ROWS) for name, column in checked.items()}
                    n = min(BLOCK_ROWS, batch.num_rows - start)
                    yield from split_block(_to_block(file, layout, piece, np.arange(first, first + n), kept))
                    first += n

    def _schema(self, file: InputFile) -> pa.Schema:
        with file.open_file() as opened:
            return self.look(file, opened)[0]


def _to_block(
    file: InputFile,
    layout: Layout,
    piece: dict[str, CheckedColumn],
    rows: NDArray[np.int64],
    kept: pa.Schema | None,
) -> RowBlock:
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
    wanted = [without_dictionary(good[name]) for name in layout.names]
    block = RowBlock(rows[~is_bad], to_table(wanted, layout), rejects)
    return block if kept is None else block._replace(kept=to_kept(list(good.values()), kept, len(block.rows)))


def without_dictionary(column: pa.Array) -> pa.Array:
    """The column with the values in place of a dictionary's numbers."""
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
