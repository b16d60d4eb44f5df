r"""CSV and TSV, by pyarrow's streaming reader, which alone does not say when an open quote swallowed the rest.

A line ends at `\n`, `\r\n` or `\r`; within quotes these are content. Blank lines are no records; in a
file of one column they are missing values, except for those at its end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv

from tasks.seq2seq.errors import DataError
from tasks.storage.files.inputs import InputFile
from tasks.storage.files.limits import ROW_BYTES
from tasks.storage.readers.arrow_columns import row_content
from tasks.storage.readers.blocks import (
    Layout,
    Reject,
    RowBlock,
    check_columns,
    check_names,
    dropped_names,
    kept_names,
    listed,
    settings_of,
    split_block,
    to_kept,
    to_table,
)
from tasks.storage.readers.quotes import MARKS, QuoteMarker, without_marks
from tasks.storage.readers.utf8 import STAND_INS, CsvStream, Decoder, restored

_FIRST_LOOK_BYTES = 64 * 2**10
# Each field of a last record that is added to every file: if it does not come out again, a quote is open.
_END = "\0\x1a\0"


@dataclass(frozen=True)
class Delimited:
    """A format of records in lines; what is between and around the fields unless the layout says otherwise."""

    name: str
    suffixes: tuple[str, ...]
    delimiter: str
    quote: str
    signatures: tuple[bytes, ...] = (b"",)
    is_text: bool = True
    has_schema: bool = True

    def check(self, file: InputFile, layout: Layout) -> None:
        """Reads the first record, and whether there is another."""
        layout = self._filled(layout)
        fields, has_more = _first_record(file, layout)
        _check_fields(file, layout, [_shown(field) for field in fields])
        if layout.dialect.header and not has_more and not layout.may_be_empty:
            raise DataError(f"{file.path} has no rows, only a header; expected rows of sequences")

    def has(self, file: InputFile, layout: Layout, column: str | int) -> bool:
        """Whether the first record names the column, or has a field at its position."""
        return str(column) in self._column_names(file, layout)

    def columns(self, file: InputFile, layout: Layout) -> pa.Schema:
        """Text under the names of the header, or positions as names."""
        names = kept_names(file.path, self._column_names(file, layout), layout)
        return pa.schema([(name, pa.large_string()) for _, name in names])

    def left_out(self, file: InputFile, layout: Layout) -> list[str]:
        """The columns that are not wanted in outputs."""
        return dropped_names(self._column_names(file, layout), layout)

    def count(self, _file: InputFile) -> int | None:
        """Nothing: only reading tells."""
        return None

    def read(self, file: InputFile, layout: Layout, kept: pa.Schema | None = None) -> Iterator[RowBlock]:
        """Streams columns as large_string, never null; a record of another number of fields is a reject."""
        layout = self._filled(layout)
        fields, _ = _first_record(file, layout)
        rejects: list[Reject] = []

        dialect = layout.dialect

        def reject(row: csv.InvalidRow) -> str:
            reason = "quote" if re.search(MARKS, row.text) else "columns"
            rejects.append(Reject(file.name, row.number - dialect.header, reason, _shown(row.text)))
            return "skip"

        with file.open_stream() as opened:
            last = _delimiter(layout).join([_END] * len(fields))
            text = CsvStream(file.path, opened, last, dialect.encoding, _quote_marker(layout))
            try:
                batches = csv.open_csv(
                    text,
                    read_options=_read_options(layout, [str(i) for i in range(len(fields))]),
                    parse_options=_parse_options(file, layout, reject, blank_is_record=len(fields) == 1),
                    convert_options=_convert_options(layout, fields, kept),
                )
                for block in _blocks(file, layout, batches, rejects, blank_is_record=len(fields) == 1):
                    yield from split_block(_checked(file, layout, block, text, kept))
            except pa.ArrowInvalid as error:
                if "straddl" not in str(error):
                    raise
                raise DataError(_too_long(file, layout)) from error
            finally:
                text.end()  # a thread of pyarrow's reads ahead

    def _column_names(self, file: InputFile, layout: Layout) -> list[str]:
        layout = self._filled(layout)
        return _names(layout, _first_record(file, layout)[0])

    def _filled(self, layout: Layout) -> Layout:
        """The layout with the format's own delimiter and quote where it has none."""
        dialect = layout.dialect
        quote = self.quote if dialect.quote is None else dialect.quote
        return replace(layout, dialect=replace(dialect, delimiter=dialect.delimiter or self.delimiter, quote=quote))


CSV = Delimited("CSV", (".csv",), delimiter=",", quote='"')
TSV = Delimited("TSV", (".tsv",), delimiter="\t", quote="")


def _names(layout: Layout, fields: list[str]) -> list[str]:
    return [_shown(field) if layout.dialect.header else str(i) for i, field in enumerate(fields)]


def _shown(text: str) -> str:
    """Text of a file as messages and rejects show it."""
    return without_marks(restored(text))


def _quote_marker(layout: Layout) -> QuoteMarker:
    return QuoteMarker(_delimiter(layout), layout.dialect.quote or "", layout.dialect.escape)


def _first_record(file: InputFile, layout: Layout) -> tuple[list[str], bool]:
    """The fields of the first record, with stand-ins for what is not UTF-8, and whether there is another.

    It is asked for whenever a file is looked at, so it is remembered for as long as the file stays as it is.
    """
    fields, has_more = _read_first_record(file, file.stamp(), Layout((), (), layout.dialect, prefix=layout.prefix))
    return list(fields), has_more


@lru_cache(maxsize=64)
def _read_first_record(file: InputFile, _stamp: tuple[int, int], layout: Layout) -> tuple[tuple[str, ...], bool]:
    size = _FIRST_LOOK_BYTES
    data = b""
    with file.open_stream() as opened:
        while True:
            data += opened.read(size - len(data))
            at_end = len(data) < size
            fields, n_more = _peek(file, layout, data)
            if n_more or (at_end and fields):
                return tuple(fields), n_more > 0
            if at_end:
                raise DataError(f"{file.path} has no rows, expected rows of sequences")
            if size >= ROW_BYTES:
                raise DataError(_too_long(file, layout))
            size *= 4


def _peek(file: InputFile, layout: Layout, data: bytes) -> tuple[list[str], int]:
    """The first record of the data, of which the last may be cut, and the number of the others; with stand-ins."""
    rejected = []

    def count(row: csv.InvalidRow) -> str:
        rejected.append(row.number)
        return "skip"

    decoder = Decoder(layout.dialect.encoding)
    body = _quote_marker(layout).mark(decoder.decode(data, at_end=False), at_end=True)
    if not body.strip(b"\r\n"):
        return [], 0
    check_columns(file.path, _n_columns(body, layout))
    table = csv.read_csv(
        pa.BufferReader(body + b"\n"),  # a first record without its end would be none
        read_options=csv.ReadOptions(use_threads=False, block_size=len(body) + 1),
        parse_options=_parse_options(file, layout, count),
        convert_options=csv.ConvertOptions(check_utf8=False),
    )
    return table.schema.names, table.num_rows + len(rejected)


def _n_columns(body: bytes, layout: Layout) -> int:
    """The fields of the first record, more or less: a parser makes a column of each before it can be asked."""
    quote = re.escape((layout.dialect.quote or "").encode())
    plain = re.sub(quote + b"[^" + quote + b"]*(" + quote + b"|$)", b"", body) if quote else body
    return plain.lstrip(b"\r\n").partition(b"\n")[0].count(_delimiter(layout).encode()) + 1


def _check_fields(file: InputFile, layout: Layout, fields: list[str]) -> None:
    delimiter = repr(_delimiter(layout))
    quote = f"; is a quote opened and never closed? {_no_quotes(layout)}"
    hint = quote if layout.dialect.quote and any("\n" in field for field in fields) else ""
    if len(fields) < len(set(layout.names)):
        raise DataError(
            f"{file.path} has {len(fields)} columns ({listed(fields)}), expected {len(set(layout.names))} or more; "
            f"are its fields delimited by {delimiter}?{hint}"
        )
    if layout.dialect.header:
        try:
            check_names(file.path, fields, layout)
        except DataError as error:
            raise DataError(f"{error} (fields are delimited by {delimiter}){hint}") from error
        return
    for column in layout.columns:
        if not isinstance(column, int) or not 0 <= column < len(fields):
            raise DataError(
                f"{file.path}: column {column!r} is not there; without a header columns are numbered, and there are "
                f"{len(fields)} (0 to {len(fields) - 1}); number yours with {settings_of(layout)}{hint}"
            )


def _blocks(
    file: InputFile,
    layout: Layout,
    batches: Iterable[pa.RecordBatch],
    rejects: list[Reject],
    *,
    blank_is_record: bool,
) -> Iterator[RowBlock]:
    """Numbers the rows, with the rejects between them, and takes our own last record off again."""
    first = 1
    previous = None
    for batch in batches:
        if batch.num_rows and previous is not None:
            block, first = _numbered(previous, rejects, first)
            yield block
        previous = batch if batch.num_rows else previous
    if previous is None or any(str(column[-1]) != _END for column in previous.columns):
        n_good = previous.num_rows if previous is not None else 0
        raise DataError(
            f"{file.path}: a quote is opened in row {first + n_good + len(rejects) - 1} and never closed; close it, or "
            f"if quotes are content here, {_no_quotes(layout)}"
        )
    block, _ = _numbered(previous, rejects, first)
    n = len(block.rows) - 1 - (_blank_at_end(block.table) if blank_is_record else 0)
    yield RowBlock(block.rows[:n], block.table.slice(0, n), block.rejects)


def _blank_at_end(table: pa.Table) -> int:
    """Blank lines before our own record, which are the end of a file of one column and not missing values."""
    filled = pc.not_equal(table.column(0), "").to_numpy(zero_copy_only=False)[:-1]
    return len(filled) - 1 - int(np.flatnonzero(filled)[-1]) if filled.any() else len(filled)


def _numbered(batch: pa.RecordBatch, rejects: list[Reject], first: int) -> tuple[RowBlock, int]:
    """A batch's rows with their record numbers, the rejects before its last row, and the next record's number."""
    rejected = np.array([reject.row for reject in rejects], dtype=np.int64)
    rows = _good_rows(batch.num_rows, rejected, first)
    n_rejects = int(np.searchsorted(rejected, rows[-1]))
    taken = rejects[:n_rejects]
    del rejects[:n_rejects]  # pyarrow's parser runs ahead: the others belong to later batches
    return RowBlock(rows, pa.Table.from_batches([batch]), taken), int(rows[-1]) + 1


def _good_rows(n: int, rejected: NDArray[np.int64], first: int) -> NDArray[np.int64]:
    """The first n numbers from `first` that are not among the sorted rejected ones, `(n,)`."""
    good_before = rejected - first - np.arange(len(rejected))  # of each rejected record
    order = np.arange(n, dtype=np.int64)
    return order + first + np.searchsorted(good_before, order, side="right")


def _checked(file: InputFile, layout: Layout, block: RowBlock, text: CsvStream, kept: pa.Schema | None) -> RowBlock:
    """The block without the rows that could not be decoded, or whose quotes are misplaced."""
    names = _read_names(layout, kept)
    table = block.table.rename_columns(names)
    columns = {name: table[name].combine_chunks() for name in names}
    rows, rejects = block.rows, block.rejects
    reasons = _reasons(columns, len(rows), layout, text)
    if reasons:
        shown = [*columns.values()]
        found = [
            Reject(file.name, int(rows[i]), reason, _shown(row_content(names, shown, i)))
            for i, reason in reasons.items()
        ]
        is_good = np.ones(len(rows), dtype=bool)
        is_good[list(reasons)] = False
        rejects = sorted([*rejects, *found], key=lambda reject: reject.row)
        rows = rows[is_good]
        columns = {name: column.filter(pa.array(is_good)) for name, column in columns.items()}
    checked = RowBlock(rows, to_table([columns[name] for name in layout.names], layout), rejects)
    return checked if kept is None else checked._replace(kept=to_kept([*columns.values()], kept, len(rows)))


def _reasons(columns: dict[str, pa.Array], n: int, layout: Layout, text: CsvStream) -> dict[int, str]:
    """The rows of which a field could not be decoded, or goes on behind a closing quote, and which of them it is."""
    wanted = {}
    if text.has_marks:
        wanted["quote"] = MARKS
    if text.has_stand_ins:
        wanted["invalid_utf8" if layout.dialect.is_utf8 else "invalid_encoding"] = STAND_INS
    reasons: dict[int, str] = {}
    for reason, pattern in wanted.items():
        is_bad = np.zeros(n, dtype=bool)
        for column in columns.values():
            is_bad |= pc.match_substring_regex(column, pattern).to_numpy(zero_copy_only=False)
        reasons |= dict.fromkeys(np.flatnonzero(is_bad).tolist(), reason)
    return dict(sorted(reasons.items()))


def _read_names(layout: Layout, kept: pa.Schema | None) -> list[str]:
    """The columns that are read, each once."""
    return list(dict.fromkeys(layout.names if kept is None else kept.names))


def _read_options(layout: Layout, numbers: list[str]) -> csv.ReadOptions:
    # Threads would leave rejected rows without numbers.
    return csv.ReadOptions(
        use_threads=False, block_size=ROW_BYTES, column_names=None if layout.dialect.header else numbers
    )


def _parse_options(
    file: InputFile,
    layout: Layout,
    reject: Callable[[csv.InvalidRow], str],
    *,
    blank_is_record: bool = False,
) -> csv.ParseOptions:
    delimiter, quote, escape = _delimiter(layout), layout.dialect.quote, layout.dialect.escape
    for name, value in (("delimiter", delimiter), ("quote", quote or '"'), ("escape", escape or "\\")):
        if len(value) != 1 or not value.isascii():
            raise DataError(f"{file.path}: {layout.prefix}{name} is {value!r}, expected one ASCII character")
    return csv.ParseOptions(
        delimiter=delimiter,
        quote_char=quote or False,
        double_quote=bool(quote),
        escape_char=escape or False,
        newlines_in_values=bool(quote),
        ignore_empty_lines=not blank_is_record,
        invalid_row_handler=reject,
    )


def _convert_options(layout: Layout, fields: list[str], kept: pa.Schema | None) -> csv.ConvertOptions:
    stored = fields if layout.dialect.header else [str(i) for i in range(len(fields))]
    by_name = dict(zip(_names(layout, fields), stored, strict=True))
    names = [by_name[name] for name in _read_names(layout, kept)]
    return csv.ConvertOptions(
        check_utf8=False,  # Utf8Stream did
        strings_can_be_null=False,
        quoted_strings_can_be_null=False,
        include_columns=names,
        column_types=dict.fromkeys(names, pa.large_string()),
    )


def _delimiter(layout: Layout) -> str:
    return layout.dialect.delimiter or ""


def _too_long(file: InputFile, layout: Layout) -> str:
    quote = f", or a quote is opened and never closed ({_no_quotes(layout)})"
    return (
        f"{file.path}: a record is longer than {ROW_BYTES // 2**20} MiB, the most that a row may have"
        f"{quote if layout.dialect.quote else ''}"
    )


def _no_quotes(layout: Layout) -> str:
    flag = f'{layout.prefix}quote = ""' if layout.prefix == "data." else f'{layout.prefix}quote ""'
    return f"{flag} turns quoting off"
