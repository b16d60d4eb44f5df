"""Users' files as streams of rows: whatever the format, no row is lost without a count.

What each format does is in `formats`. What is the same for all of them is here: the file is there, it begins like its
suffix says, it does not break off, and nobody changes it in the meantime.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pyarrow as pa

from tasks.seq2seq.errors import DataError
from tasks.storage.files.inputs import InputFile, Stamp
from tasks.storage.readers import formats
from tasks.storage.readers.blocks import Kind, Layout, Reject, RowBlock, has_changed, setting_of
from tasks.storage.readers.formats import Divisible, Format, chosen_format, known_suffixes
from tasks.storage.readers.spans import Span

__all__ = [
    "Kind",
    "Layout",
    "Reject",
    "RowBlock",
    "check_input",
    "columns_left_out",
    "count_rows",
    "divide",
    "has_column",
    "read_blocks",
    "read_columns",
]

# What the libraries raise where bytes are missing or are not what they should be.
_DAMAGE = (pa.ArrowException, OSError, EOFError, zipfile.BadZipFile, zlib.error, UnicodeDecodeError)
_COMPRESSED = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}
# Of files that are of no known format, but may well have a known suffix.
_OTHERS = {"Feather version 1 (write it again as version 2)": b"FEA1"}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def check_input(file: InputFile, layout: Layout) -> None:
    """Looks at a file's schema, header or first record, and refuses what cannot hold these columns.

    Raises:
        DataError: the file is missing, empty, without rows, cut short or of another format than its suffix; a column
            is missing, there twice, or of a type that cannot be what it should.
    """
    layout = layout.of_file
    with _legible(file, layout):
        _format(file).check(file, layout)


def has_column(file: InputFile, layout: Layout, column: str | int) -> bool:
    """Whether a file has a column of this name, or at this position if the layout has no header.

    Of JSON lines, the first 1,000 rows are asked (or those of the first 8 MiB); of other formats the header alone.

    Raises:
        DataError: the file is missing, empty, cut short or of another format than its suffix.
    """
    layout = layout.of_file
    with _legible(file, layout):
        return _format(file).has(file, layout, column)


def count_rows(file: InputFile) -> int | None:
    """How many rows a file has by its footer; None where only reading tells, as of text.

    Raises:
        DataError: the file is missing, empty, cut short or of another format than its suffix.
    """
    with _legible(file):
        return _format(file).count(file)


def read_columns(file: InputFile, layout: Layout) -> pa.Schema:
    """The schema in which all columns of a file are kept, in the file's order.

    Parquet and Arrow: the types as they are, without metadata; views of text and runs become the plain types of the
    same content (string_view: large_string). CSV and TSV: large_string; without a header the names are
    "0", "1", ... JSON lines, after one pass over the file: what the values of a key have in common, see
    `json_types`, else text that holds JSON. npz: of each array with as many rows as the wanted ones,
    int64, uint64, double, bool, string, binary, or dates and times; in lists, one for each dimension beyond the first.

    Raises:
        DataError: as `check_input`; or two columns are of one name, the file breaks off or changes while it is read,
            or JSON lines have too many different keys.
    """
    layout = layout.of_file
    check_input(file, layout)
    with _whole(file, lambda: ""):
        return _format(file).columns(file, layout)


def columns_left_out(file: InputFile, layout: Layout) -> list[str]:
    """The names of what is not kept: first what `layout.drop` names, then what cannot be; each in the file's order.

    Of an npz, arrays that are no columns (without a dimension, with another number of rows, Python objects,
    structures, complex numbers, column by column in memory); of an Arrow file, unions, month intervals and
    structures without fields, which no output can hold.

    Raises:
        DataError: as `check_input`.
    """
    layout = layout.of_file
    check_input(file, layout)
    with _whole(file, lambda: ""):
        return _format(file).left_out(file, layout)


def divide(file: InputFile, layout: Layout, rows: int) -> list[Span]:
    """Spans of a file, of about so many rows or more, that can be read by themselves; none of one that is read whole.

    Raises:
        DataError: as `check_input`.
    """
    form = _format(file)
    if not isinstance(form, Divisible):
        return []
    with _legible(file, layout):
        found = form.spans(file, layout, rows)
    return found if len(found) > 1 else []


def read_blocks(
    file: InputFile, layout: Layout, kept: pa.Schema | None = None, span: Span | None = None
) -> Iterator[RowBlock]:
    """Streams a file's rows in order, a bounded number of rows and bytes at a time.

    Args:
        file: one of `list_inputs`.
        layout: the columns that are wanted.
        kept: what `read_columns` says of this file, where blocks are to have all its columns beside the wanted ones;
            without it, other columns are not even read.
        span: one of `divide`, of which the rows are numbered as if the file began with them; else all rows come.

    Yields:
        Rows as the file has them (nulls stay), beside the rows that its format makes unusable: `invalid_utf8` (of a
        wanted column, or of any that is kept), `columns` (another number of fields than the header), `json`, and
        `source_type`, `target_type` of JSON lines. The contents of rejects show the columns that are read.

    Raises:
        DataError: as `check_input`; or the file breaks off, is damaged, or changes while it is read, or since
            `read_columns`.
    """
    layout = layout.of_file
    n_records = 0
    form = _format(file)
    dialect = replace(layout.dialect, delimiter=form.delimiter and (layout.dialect.delimiter or form.delimiter))
    of_part = f" of the part from {span.first:,} to {span.end:,}" if span else ""
    with _whole(file, lambda: f" after row {n_records}{of_part}"):
        check_input(file, layout)
        if kept is not None and form.has_schema and form.columns(file, layout) != kept:
            raise has_changed(file.path)
        for block in _read(form, file, layout, kept, span):
            n_records += len(block.rows) + len(block.rejects)
            yield block._replace(dialect=dialect)
    if not n_records and not layout.may_be_empty and span is None:
        raise DataError(f"{file.path} has no rows, expected rows of sequences")


def _read(
    form: Format, file: InputFile, layout: Layout, kept: pa.Schema | None, span: Span | None
) -> Iterator[RowBlock]:
    if span is None:
        return form.read(file, layout, kept)
    assert isinstance(form, Divisible)
    return form.read_span(file, layout, kept, span)


def _format(file: InputFile) -> Format:
    form = chosen_format(file)
    if form is None and file.form:
        raise DataError(f"{file.path} is to be read as {file.form}, which compresses inside; decompress it")
    if form is None:
        raise DataError(f"{file.path} is of no known suffix; known are {known_suffixes()}")
    return form


@contextmanager
def _legible(file: InputFile, layout: Layout | None = None) -> Iterator[None]:
    """Looks at the first bytes, and says what is wrong where the beginning or the footer cannot be read."""
    _check_beginning(file)
    try:
        _check_encoding(file, layout)
        yield
    except _DAMAGE as error:
        raise DataError(
            f"{file.path} cannot be read as {_spoken(file)}, is it cut short or of another format? ({_reason(error)})"
        ) from error
    except DataError as error:
        _name(file, error)
        raise


@contextmanager
def _whole(file: InputFile, where: Callable[[], str]) -> Iterator[None]:
    """Says that a file was changed, if it was, or else that it is damaged."""
    before = file.stamp()
    try:
        yield
    except _DAMAGE as error:
        _check_unchanged(file, before)
        raise DataError(
            f"{file.path} breaks off or is damaged{where()}: {_reason(error)}; make or copy it again"
        ) from error
    except DataError as error:
        _check_unchanged(file, before)
        _name(file, error)
        raise
    _check_unchanged(file, before)


def _name(file: InputFile, error: DataError) -> None:
    """Has an error name the file, of what knows no more of it than its bytes.

    It stays the same error: one that is its own cause would keep what it was raised by alive, threads of a reader too.
    """
    if file.path not in str(error.args[0]):
        error.args = (f"{file.path}: {error.args[0]}", *error.args[1:])


def _check_unchanged(file: InputFile, before: Stamp) -> None:
    if file.stamp() != before:
        raise has_changed(file.path)


def _check_beginning(file: InputFile) -> None:
    """Compares the first bytes with the suffix: a renamed file is otherwise a riddle of row errors."""
    if not file.size:
        raise DataError(f"{file.path} is empty (0 bytes), expected rows of sequences")
    with file.open_file() as opened:
        head = opened.read(8)
    found = next(((name, start) for name, start in _signatures() if head.startswith(start)), ("another format", b""))
    expected = (_COMPRESSED[file.compression],) if file.compression else _format(file).signatures
    if found[1] not in expected:
        raise DataError(
            f"{file.path} is not {_spoken(file)}, as {'the setting' if file.form else 'its suffix'} says: it begins "
            f"like {found[0]}; is it cut short or misnamed?"
        )


def _signatures() -> Iterator[tuple[str, bytes]]:
    """Names of formats and how their files begin, those without a signature left out."""
    yield from ((form.name, signature) for form in formats.FORMATS for signature in form.signatures if signature)
    yield from (*_COMPRESSED.items(), *_OTHERS.items())


def _check_encoding(file: InputFile, layout: Layout | None) -> None:
    if layout is None or not _format(file).is_text or not layout.dialect.is_utf8:
        return
    with file.open_stream() as stream:
        head = stream.read(4)
    if head[:2] in _UTF16 or (len(head) == len(head.replace(b"\0", b"")) + len(head) // 2 and head):
        raise DataError(
            f"{file.path} is in UTF-16, expected UTF-8; set {setting_of(layout.prefix, 'encoding', _utf16(head))}"
        )


def _utf16(head: bytes) -> str:
    """The codec of text that begins so: without a byte order mark the place of zeros tells."""
    return "utf-16" if head[:2] in _UTF16 else "utf-16-be" if head[0] == 0 else "utf-16-le"


def _spoken(file: InputFile) -> str:
    return _format(file).name + (f" within {file.compression}" if file.compression else "")


def _reason(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
