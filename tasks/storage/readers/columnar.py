"""What Parquet and Arrow share: columns as they are stored, their types checked before the first row is read."""

from __future__ import annotations

import contextlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types

from tasks.seq2seq.errors import DataError
from tasks.seq2seq.shown import shown
from tasks.storage.files.inputs import InputFile
from tasks.storage.files.limits import DEEPEST_TYPE, ROW_BYTES, SHOWN_BYTES
from tasks.storage.readers.arrow_columns import CheckedColumn, can_be_kept, check_column, kept_type, row_content
from tasks.storage.readers.blocks import (
    BLOCK_ROWS,
    SINGLE,
    Kind,
    Layout,
    Reject,
    RowBlock,
    check_announced,
    check_columns,
    check_names,
    dropped_names,
    kept_names,
    split_block,
    to_kept,
    to_table,
)
from tasks.storage.readers.column_guess import advise
from tasks.storage.readers.column_sizes import row_sizes
from tasks.storage.readers.spans import Span

EXPECTED: dict[Kind, str] = {
    "integers": "a list of integers, or an integer,",
    "characters": "a string",
    "words": "a string or a list of strings",
    "vectors": "a list of numbers, a list of lists of numbers, or a number,",
    "number": "a number",
    "time": "dates, timestamps, integers or text",
    "id": "text, integers, booleans or dates",
}


_SHOWN_NAME = 60  # characters
_LOOKED_AT = 50  # rows that say what a column looks like


class Columnar(ABC):
    """A format that stores columns with their types."""

    name: str
    suffixes: tuple[str, ...]
    signatures: tuple[bytes, ...]
    is_text = False
    delimiter = None
    has_schema = True

    @abstractmethod
    def look(self, file: InputFile, opened: pa.NativeFile) -> tuple[pa.Schema, bool]:
        """The schema, and whether there are any rows."""

    @abstractmethod
    def batches(self, opened: pa.NativeFile, names: list[str], span: Span | None = None) -> Iterator[pa.RecordBatch]:
        """Streams columns, all rows or those of a span, in batches of a bounded size, or of that of the file's own."""

    @abstractmethod
    def count(self, file: InputFile) -> int | None:
        """The rows by the file's metadata; None where it has none."""

    def check(self, file: InputFile, layout: Layout) -> None:
        """Reads the schema and whether there are rows."""
        schema, has_rows = self._look(file)
        check_names(file.path, [*schema.names, *_paths(schema)], layout)
        for name, kind, side in zip(layout.names, layout.kinds, layout.sides, strict=False):
            found = _place(schema, name).kind
            if side not in layout.optional and not _fits(found, kind):
                use = "" if kind in SINGLE else f" for the encoding {kind}"
                raise DataError(
                    f"{file.path}: column {name!r} is of type {found}, expected {EXPECTED[kind]}{use}"
                    f"{self._hint(file, name, kind, layout)}"
                )
        if not has_rows and not layout.may_be_empty:
            raise DataError(f"{file.path} has no rows, expected rows of sequences")

    def _hint(self, file: InputFile, name: str, kind: Kind, layout: Layout) -> str:
        """What a column of another type looks like, where it is the user who says how it is read."""
        side = layout.sides[layout.names.index(name)]
        if kind in SINGLE or layout.prefix != "data.":
            return ""
        values = []
        # A hint is not worth another error than the one that is being told.
        with contextlib.suppress(pa.ArrowException, OSError, ValueError, OverflowError), file.open_file() as opened:
            first = next(self.batches(opened, [name])).column(0)
            first.validate(full=True)  # or damage would be read beyond its buffers
            values = first.slice(0, _LOOKED_AT).to_pylist()
        advice = advise(values, f"data.{side}_encoding", kind)
        return f"; it {advice}" if advice else ""

    def has(self, file: InputFile, _layout: Layout, column: str | int) -> bool:
        """Whether the schema has the column, or the path within a structure."""
        schema = self._schema(file)
        return str(column) in (*schema.names, *_paths(schema))

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
        """Streams the rows; those whose text is not UTF-8 are rejects."""
        return self._blocks(file, layout, kept)

    def read_span(self, file: InputFile, layout: Layout, kept: pa.Schema | None, span: Span) -> Iterator[RowBlock]:
        """Streams the rows of a span."""
        return self._blocks(file, layout, kept, span)

    def _blocks(
        self, file: InputFile, layout: Layout, kept: pa.Schema | None, span: Span | None = None
    ) -> Iterator[RowBlock]:
        first = 1
        schema = self._schema(file)
        places = {name: _place(schema, name) for name in layout.names}
        names = list(dict.fromkeys(place.column for place in places.values())) if kept is None else kept.names
        with file.open_file() as opened:
            for batch in (part for whole in self.batches(opened, names, span) for part in _bounded(file, whole)):
                if isinstance(batch, _TooLarge):
                    reject = Reject(file.name, first, "too_large", batch.content)
                    nothing = {name: check_column(batch.like.column(name)) for name in names}
                    yield _to_block(file, layout, places, nothing, np.arange(0), kept)._replace(rejects=[reject])
                    first += 1
                    continue
                checked = {name: check_column(batch.column(name)) for name in names}
                for start in range(0, batch.num_rows, BLOCK_ROWS):
                    piece = {name: column.slice(start, BLOCK_ROWS) for name, column in checked.items()}
                    n = min(BLOCK_ROWS, batch.num_rows - start)
                    yield from split_block(_to_block(file, layout, places, piece, np.arange(first, first + n), kept))
                    first += n

    def _schema(self, file: InputFile) -> pa.Schema:
        return self._look(file)[0]

    def _look(self, file: InputFile) -> tuple[pa.Schema, bool]:
        """The schema, of which all names can be read, and whether there are any rows."""
        try:
            with file.open_file() as opened:
                schema, has_rows = self.look(file, opened)
        except UnicodeDecodeError as error:
            raise no_text(file, "a column", error) from error
        _check_schema(file, schema)
        return schema, has_rows


class _TooLarge(NamedTuple):
    """A row that is larger than any may be: what a reject keeps of it, and no row of the same columns."""

    content: str
    like: pa.RecordBatch


def _bounded(file: InputFile, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch | _TooLarge]:
    """A batch without the rows that are too large, which come in their places."""
    check_announced(file.path, batch.num_rows, file.size)
    if batch.nbytes <= ROW_BYTES:
        yield batch
        return
    sizes = [row_sizes(column) for column in batch.columns]
    start = 0
    for i in np.flatnonzero(np.sum(sizes, axis=0) > ROW_BYTES).tolist():
        yield from [batch.slice(start, i - start)] if i > start else []
        yield _TooLarge(_outline(batch, [int(size[i]) for size in sizes], i), batch.slice(0, 0))
        start = i + 1
    yield batch.slice(start) if start else batch


def _outline(batch: pa.RecordBatch, sizes: list[int], i: int) -> str:
    """A row as JSON, with the number of bytes in place of long values."""
    row = {
        name: json.loads(row_content([name], [column], i))[name] if size <= SHOWN_BYTES else f"{size:,} bytes"
        for name, column, size in zip(batch.schema.names, batch.columns, sizes, strict=True)
    }
    return json.dumps(row, ensure_ascii=False)


def _check_schema(file: InputFile, schema: pa.Schema) -> None:
    """Refuses names that are no text, too many fields, and fields too deep inside others; here every schema is read.

    Raises:
        DataError: with what to do.
    """
    ahead = [(schema.field(i), f"column {i + 1}", 1) for i in range(len(schema))]
    check_columns(file.path, len(ahead))
    n = 0
    while ahead:
        field, where, depth = ahead.pop()
        n += 1
        check_columns(file.path, n + len(ahead))
        try:
            _ = field.name
        except UnicodeDecodeError as error:
            raise no_text(file, where, error) from error
        if depth > DEEPEST_TYPE:
            raise DataError(
                f"{file.path}: {where} holds lists and structures of more than {DEEPEST_TYPE} levels, the most that a "
                f"column may have; write what is inside as a column of its own"
            )
        kind = field.type.value_type if types.is_dictionary(field.type) else field.type
        inner = where if depth > 1 else f"a field inside {where}"
        ahead += [(kind.field(i), inner, depth + 1) for i in range(kind.num_fields)]


def no_text(file: InputFile, where: str, error: UnicodeDecodeError) -> DataError:
    """The error of a file of which a name is not UTF-8; pyarrow says so when it is asked for the schema, or before."""
    found = shown(error.object.decode(errors="backslashreplace"), _SHOWN_NAME)
    return DataError(f"{file.path}: the name of {where} is not UTF-8 ('{found}'); rename it where the file is made")


class _Place(NamedTuple):
    """Where a wanted column is: a column, and the fields that lead to it where that is a structure."""

    column: str
    fields: list[str]
    kind: pa.DataType

    def take(self, column: pa.Array) -> pa.Array:
        """What the rows of the column hold there; a null where any structure on the way is one."""
        return pc.struct_field(column, self.fields) if self.fields else column


def _paths(schema: pa.Schema) -> dict[str, _Place]:
    """The fields within structures, by their path, except for those that a column has the name of."""
    found: dict[str, _Place] = {}
    columns = set(schema.names)

    def walk(path: str, column: str, fields: list[str], kind: pa.DataType) -> None:
        for field in kind if types.is_struct(kind) else ():
            inner = f"{path}.{field.name}"
            if inner not in columns:
                found.setdefault(inner, _Place(column, [*fields, field.name], field.type))
            walk(inner, column, [*fields, field.name], field.type)

    for field in schema:
        walk(field.name, field.name, [], field.type)
    return found


def _place(schema: pa.Schema, name: str) -> _Place:
    return _Place(name, [], schema.field(name).type) if name in schema.names else _paths(schema)[name]


def _to_block(
    file: InputFile,
    layout: Layout,
    places: dict[str, _Place],
    piece: dict[str, CheckedColumn],
    rows: NDArray[np.int64],
    kept: pa.Schema | None,
) -> RowBlock:
    is_bad = np.zeros(len(rows), dtype=bool)
    for column in piece.values():
        if column.is_bad is not None:
            is_bad |= column.is_bad
    shown = list(piece)
    rejects = [
        Reject(file.name, int(rows[i]), "invalid_utf8", row_content(shown, [piece[name].values for name in shown], i))
        for i in np.flatnonzero(is_bad).tolist()
    ]
    good = {name: column.take(~is_bad) for name, column in piece.items()}
    wanted = [
        _wanted(places[name], good[places[name].column], kind)
        for name, kind in zip(layout.names, layout.kinds, strict=True)
    ]
    block = RowBlock(rows[~is_bad], to_table(wanted, layout), rejects)
    return block if kept is None else block._replace(kept=to_kept(list(good.values()), kept, len(block.rows)))


def _wanted(place: _Place, column: pa.Array, kind: Kind) -> pa.Array:
    """The column to read; of a type that cannot be what it should, which `check` lets pass if it is optional, nulls."""
    return without_dictionary(place.take(column)) if _fits(place.kind, kind) else pa.nulls(len(column))


def without_dictionary(column: pa.Array) -> pa.Array:
    """The column with the values in place of a dictionary's numbers."""
    return column.dictionary_decode() if types.is_dictionary(column.type) else column


def _fits(found: pa.DataType, kind: Kind) -> bool:
    """Whether a column of this type may hold sequences of a kind; its text is for the rules of rows to judge."""
    found = _decoded(found)
    inner = _decoded(found.value_type) if _is_list(found) else None
    if kind == "characters":
        return _is_text(found)
    if kind == "words":
        return _is_text(found if inner is None else inner)
    if kind == "number":
        return _is_number(found)
    if kind in ("time", "id"):
        is_stamp = types.is_date(found) or types.is_timestamp(found)
        return is_stamp or types.is_integer(found) or _is_text(found) or (kind == "id" and types.is_boolean(found))
    if kind == "integers":
        return _is_number(inner or found) and not types.is_floating(inner or found)
    if inner is not None and _is_list(inner):
        inner = _decoded(inner.value_type)
    return _is_number(inner or found)


def _decoded(found: pa.DataType) -> pa.DataType:
    return found.value_type if types.is_dictionary(found) else found


def _is_number(found: pa.DataType) -> bool:
    is_number = (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean)
    return any(test(found) for test in is_number) or _is_text(found)


def _is_list(found: pa.DataType) -> bool:
    return bool(types.is_list(found) or types.is_large_list(found) or types.is_fixed_size_list(found))


def _is_text(found: pa.DataType) -> bool:
    """Text, or nothing but nulls, which may be anything's."""
    text = (types.is_string, types.is_large_string, types.is_string_view, types.is_null)
    return any(test(found) for test in text)
