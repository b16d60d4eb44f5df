r"""JSON lines: one object a line, split at `\n` alone (U+2028 and the like are content)."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.seq2seq.errors import DataError
from tasks.storage.files.inputs import InputFile
from tasks.storage.files.limits import DEEPEST_JSON, ROW_BYTES, ROW_VALUES, SHOWN_BYTES
from tasks.storage.readers.blocks import (
    BLOCK_ROWS,
    Layout,
    Reject,
    RowBlock,
    dropped_names,
    dropped_positions,
    has_changed,
    listed,
    settings_of,
    split_block,
    to_kept,
    to_table,
)
from tasks.storage.readers.json_types import KeyTypes, to_columns, to_json
from tasks.storage.readers.json_values import Value, find, row_values, to_array
from tasks.storage.readers.spans import Span, even_spans
from tasks.storage.readers.utf8 import STAND_INS, Blanks, DecodedStream, Readable, restored

BLOCK_LINE_BYTES = 8 * 2**20  # parsed values take several times the room of their text
_CHUNK_BYTES = 2**20
_PARTS = (b",", b"[", b"{")  # there is one of these for each value of a line, more or less
_BLOCK_CELLS = 4 * 2**20  # of rows that have few of their file's keys
_ASKED_ROWS = 1000
_BLANK = b" \t\r"
_BLANK_LINES = re.compile(rb"\n[ \t\r\n]*\n")  # they are no rows, and a loop over them takes long
_HALF_A_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclass(frozen=True)
class JsonLines:
    """The format; what its keys hold is known only once all lines are read."""

    name: str = "JSON lines"
    suffixes: tuple[str, ...] = (".jsonl", ".ndjson")
    signatures: tuple[bytes, ...] = (b"",)
    is_text: bool = True
    delimiter: str | None = None
    has_schema: bool = False

    def check(self, file: InputFile, layout: Layout) -> None:
        """Looks at the first line."""
        line = next(_lines(file, layout), None)
        if line is None:
            raise DataError(f"{file.path} has no rows, expected rows of sequences")
        text = line.strip()
        if text in (b"[", b"{") or text.startswith(b"[{"):
            raise DataError(f"{file.path} is one JSON value over many lines, or a list; expected one object a line")
        row = _parse(line, layout)
        is_there = isinstance(row, dict) and any(find(row, name) is not None for name in layout.names)
        if isinstance(row, dict) and row and not is_there and not set(row) & set(layout.names):
            raise DataError(
                f"{file.path}: none of the columns {listed(layout.names)} is in the first row, expected them as keys; "
                f"its keys are {listed(list(row))}; name yours with {settings_of(layout)}"
            )

    def has(self, file: InputFile, layout: Layout, column: str | int) -> bool:
        """Whether one of the first rows has the key."""
        lines = next(_blocks_of_lines(_lines(file, layout), _ASKED_ROWS), [])
        rows = [row for row in (_parse(line, layout) for line in lines) if isinstance(row, dict)]
        return any(str(column) in row or find(row, str(column)) is not None for row in rows)

    def columns(self, file: InputFile, layout: Layout) -> pa.Schema:
        """Reads the whole file: all keys, as they first appear, and what their values have in common."""
        return _without_dropped(_schema(file, layout), layout)

    def left_out(self, file: InputFile, layout: Layout) -> list[str]:
        """The keys that are not wanted in outputs, for which the whole file is read too."""
        return dropped_names(_schema(file, layout).names, layout) if layout.drop else []

    def count(self, _file: InputFile) -> int | None:
        """Nothing: only reading tells."""
        return None

    def read(self, file: InputFile, layout: Layout, kept: pa.Schema | None = None) -> Iterator[RowBlock]:
        """Streams the rows; a key that is missing is a null.

        Integers come as large_list<int64>; characters as large_string; words as large_list<large_string>; vectors as
        large_list<double>, or large_list<large_list<double>> where a row of the block is nested; all of them as
        large_string where a row of the block is text.
        """
        keys = KeyTypes(file.path)
        for rows, block in _row_blocks(file, layout, _lines(file, layout), kept):
            if kept is not None:
                keys.add([row for row in rows if isinstance(row, dict)])
            yield from split_block(block)
        if kept is not None and _without_dropped(keys.schema(), layout) != kept:
            raise has_changed(file.path)

    def spans(self, file: InputFile, layout: Layout, rows: int) -> list[Span]:
        """Bytes, as long as the first lines say that so many rows are; none within a compression, or of other text."""
        if file.compression or not layout.dialect.is_utf8:
            return []
        with file.open_file() as opened:
            head = opened.read(_CHUNK_BYTES)
        return even_spans(file.size, rows * len(head) // max(1, head.count(b"\n")))

    def read_span(self, file: InputFile, layout: Layout, kept: pa.Schema | None, span: Span) -> Iterator[RowBlock]:
        """Streams the rows of the lines that begin within the span."""
        for _, block in _row_blocks(file, layout, _lines_of_span(file, span), kept):
            yield from split_block(block)


JSON_LINES = JsonLines()


def _row_blocks(
    file: InputFile, layout: Layout, found: Iterator[bytes], kept: pa.Schema | None
) -> Iterator[tuple[list[dict[str, Any] | str], RowBlock]]:
    """Blocks of lines: what each is, and the rows of all."""
    first = 1
    n_rows = BLOCK_ROWS if kept is None else min(BLOCK_ROWS, max(1, _BLOCK_CELLS // max(1, _n_leaves(kept))))
    parse = _parse if kept is None else _parse_all
    for lines in _blocks_of_lines(found, n_rows):
        rows = [parse(line, layout) for line in lines]
        yield rows, _to_block(file, layout, lines, rows, first, kept)
        first += len(lines)


def _schema(file: InputFile, layout: Layout) -> pa.Schema:
    keys = KeyTypes(file.path)
    for lines in _blocks_of_lines(_lines(file, layout), BLOCK_ROWS):
        keys.add([row for row in (_parse_all(line, layout) for line in lines) if isinstance(row, dict)])
    return keys.schema()


def _without_dropped(schema: pa.Schema, layout: Layout) -> pa.Schema:
    dropped = dropped_positions(schema.names, layout)
    return pa.schema([field for i, field in enumerate(schema) if i not in dropped]) if dropped else schema


def _n_leaves(fields: Iterable[pa.Field]) -> int:
    """The values of a row that all have places in memory, be they null."""
    return sum(_n_leaves(map(field.type.field, range(field.type.num_fields))) or 1 for field in fields)


def _blocks_of_lines(lines: Iterator[bytes], n: int) -> Iterator[list[bytes]]:
    """At most n lines at once, and not many more than `BLOCK_LINE_BYTES`."""
    block: list[bytes] = []
    size = 0
    for line in lines:
        block.append(line)
        size += len(line)
        if len(block) == n or size >= BLOCK_LINE_BYTES:
            yield block
            block, size = [], 0
    if block:
        yield block


def _lines(file: InputFile, layout: Layout) -> Iterator[bytes]:
    """The lines that are not blank, without their ends and without a byte order mark; of another encoding as UTF-8."""
    dialect = layout.dialect
    with file.open_stream() as stream:
        opened = stream if dialect.is_utf8 else DecodedStream(stream, dialect.encoding)
        lines = _all_lines(file, opened)
        first = next(lines)
        if isinstance(first, _TooLarge):
            raise DataError(
                f"{file.path}: a line is longer than {ROW_BYTES // 2**20} MiB, the most that a row may have; "
                f"is it one JSON value without line ends?"
            )
        yield from _filled_lines(chain([first.removeprefix(codecs.BOM_UTF8)], lines))


def _lines_of_span(file: InputFile, span: Span) -> Iterator[bytes]:
    """The lines that begin within a span of the file's bytes, likewise."""
    with file.open_file() as opened:
        first, end = _line_start(opened, span.first), _line_start(opened, span.end)
        opened.seek(first)
        lines = _all_lines(file, _Bounded(opened, end - first))
        if first:
            yield from _filled_lines(lines)
        else:
            yield from _filled_lines(chain([next(lines).removeprefix(codecs.BOM_UTF8)], lines))


def _line_start(opened: pa.NativeFile, at: int) -> int:
    """Where the first line begins that does not begin before a place."""
    if not at:
        return 0
    opened.seek(at - 1)
    while chunk := opened.read(_CHUNK_BYTES):
        if (found := chunk.find(b"\n")) >= 0:
            return at + int(found)
        at += len(chunk)
    return at - 1


class _Bounded:
    """A number of bytes of an open file."""

    def __init__(self, opened: Readable, n: int) -> None:
        self._opened, self._left = opened, n

    def read(self, n: int) -> bytes:
        piece = self._opened.read(min(n, self._left))
        self._left -= len(piece)
        return piece


def _filled_lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines that are not blank, as rows are read of them."""
    for line in lines:
        if isinstance(line, _TooLarge):
            yield line
        elif line.strip(_BLANK):
            yield line.removesuffix(b"\r")


def _all_lines(file: InputFile, opened: Readable) -> Iterator[bytes]:
    """All lines; of one that is too long the beginning."""
    parts: list[bytes] = []  # of a line that goes on; joined once, however long it is
    size = 0
    blanks = Blanks(file.path)
    while chunk := opened.read(_CHUNK_BYTES):
        blanks.see(chunk)
        pieces = _BLANK_LINES.sub(b"\n", chunk).split(b"\n")
        if size <= ROW_BYTES:
            parts.append(pieces[0])
        size += len(pieces[0])
        if len(pieces) > 1:
            yield _joined(parts, size)
            yield from pieces[1:-1]
            parts, size = [pieces[-1]], len(pieces[-1])
    yield _joined(parts, size)


class _TooLarge(bytes):
    """The beginning of a line that is longer than a row may be."""


def _joined(parts: list[bytes], size: int) -> bytes:
    return b"".join(parts) if size <= ROW_BYTES else _TooLarge(parts[0][:SHOWN_BYTES])


def _to_block(
    file: InputFile,
    layout: Layout,
    lines: list[bytes],
    rows: list[dict[str, Any] | str],
    first: int,
    kept: pa.Schema | None,
) -> RowBlock:
    """The lines' rows, column by column, and those lines that give none."""
    reasons: dict[int, str] = {}
    values: dict[int, list[Value]] = {}
    for i, row in enumerate(rows):
        given = row if isinstance(row, str) else row_values(row, layout)
        if isinstance(given, str):
            reasons[i] = given
        else:
            values[i] = given
    fitting = list(values)
    columns = [to_array([values[i][side] for i in fitting], kind) for side, kind in enumerate(layout.kinds)]
    rejects = [Reject(file.name, first + i, reasons[i], _shown(lines[i], reasons[i])) for i in sorted(reasons)]
    block = RowBlock(np.array(fitting, dtype=np.int64) + first, to_table(columns, layout), rejects)
    return block if kept is None else block._replace(kept=_kept_table(file, [rows[i] for i in fitting], kept))


def _shown(line: bytes, reason: str) -> str:
    """The line as a reject keeps it; of one that is too large the beginning."""
    return restored((line[:SHOWN_BYTES] if reason == "too_large" else line).decode(errors="backslashreplace"))


def _kept_table(file: InputFile, rows: list[Any], kept: pa.Schema) -> pa.Table:
    try:
        return to_kept(to_columns(rows, kept), kept, len(rows))
    except (ValueError, TypeError, OverflowError) as error:  # Arrow's own are among them
        raise has_changed(file.path) from error


def _parse(line: bytes, layout: Layout, *, rounds: bool = True) -> dict[str, Any] | str:
    """The line's object, or why it is none; `rounds` says whether integers of thousands of digits become floats."""
    if isinstance(line, _TooLarge) or (len(line) > ROW_VALUES and sum(map(line.count, _PARTS)) > ROW_VALUES):
        return "too_large"
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return "invalid_utf8"
    if not layout.dialect.is_utf8 and re.search(STAND_INS, text):
        return "invalid_encoding"
    try:
        row = json.loads(text)
    except json.JSONDecodeError:
        return "json"
    except RecursionError:
        return "json"
    except ValueError:
        # An integer of more digits than Python reads: as a float it is refused where integers are expected.
        row = json.loads(text, parse_int=float) if rounds else None
    return row if isinstance(row, dict) else "json"


def _parse_all(line: bytes, layout: Layout) -> dict[str, Any] | str:
    """The same where all keys are kept: each must be text, and no integer may become another."""
    row = _parse(line, layout, rounds=False)
    if isinstance(row, str):
        return row
    if line.count(b"[") + line.count(b"{") > DEEPEST_JSON and _is_too_deep(row):
        return "json"
    if _HALF_A_PAIR.search(line):
        try:
            to_json(row).encode()
        except UnicodeEncodeError:
            return "invalid_utf8"
    return row


def _is_too_deep(row: dict[str, Any]) -> bool:
    """Whether lists and objects are nested deeper than `DEEPEST_JSON`: Python's own limit depends on who calls."""
    inside: list[Any] = [row]
    for _ in range(DEEPEST_JSON):
        values = chain.from_iterable(value.values() if isinstance(value, dict) else value for value in inside)
        inside = [value for value in values if isinstance(value, list | dict)]
        if not inside:
            return False
    return True
