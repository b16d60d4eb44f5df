"""Users' files as streams of rows: whatever the format, no row is lost without a count.

A format's module gives `check(file, layout)`, which looks at the beginning (or the footer) only, and
`read(file, layout)`, which streams. What is the same for all of them is here: the file is there, it begins like
its suffix says, it does not break off, and nobody changes it in the meantime.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from tasks.seq2seq.errors import DataError
from tasks.storage import columnar, delimited, json_lines, npz
from tasks.storage.blocks import Block, Kind, Layout, Reject
from tasks.storage.inputs import TEXT_FORMATS, InputFile

__all__ = ["Block", "Kind", "Layout", "Reject", "check_input", "read_blocks"]

_READERS: dict[str, Any] = {
    "parquet": columnar,
    "arrow": columnar,
    "csv": delimited,
    "tsv": delimited,
    "jsonl": json_lines,
    "npz": npz,
}
# What the libraries raise where bytes are missing or are not what they should be.
_DAMAGE = (pa.ArrowException, OSError, EOFError, zipfile.BadZipFile, zlib.error)
_SIGNATURES = {
    b"PAR1\x15": "Parquet",
    b"ARROW1\0\0": "Arrow",
    b"FEA1": "Feather version 1 (write it again as version 2)",
    b"PK\x03\x04": "npz",
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
}
# An Arrow stream has a file's suffix, too, and no signature: its own reader judges it.
_EXPECTED = {"parquet": "Parquet", "npz": "npz"}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def check_input(file: InputFile, layout: Layout) -> None:
    """Looks at a file's schema, header or first record, and refuses what cannot hold these columns.

    Raises:
        DataError: the file is missing, empty, without rows, cut short or of another format than its suffix; a column
            is missing, there twice, or of a type that cannot be what it should.
    """
    _check_beginning(file)
    try:
        _check_encoding(file)
        _READERS[file.format].check(file, layout)
    except _DAMAGE as error:
        raise DataError(
            f"{file.path} cannot be read as {_spoken(file)}, is it cut short or of another format? ({_reason(error)})"
        ) from error


def read_blocks(file: InputFile, layout: Layout) -> Iterator[Block]:
    """Streams a file's rows in order, a bounded number of rows and bytes at a time.

    Args:
        file: one of `list_inputs`.
        layout: the columns that are wanted; others are not converted.

    Yields:
        Rows as the file has them (nulls stay), beside the rows that its format makes unusable: `invalid_utf8`,
        `columns` (another number of fields than the header), `json`, and `source_type`, `target_type` of JSON lines.

    Raises:
        DataError: as `check_input`; or the file breaks off, is damaged, or changes while it is read.
    """
    before = file.stamp()
    check_input(file, layout)
    n_records = 0
    try:
        for block in _READERS[file.format].read(file, layout):
            n_records += len(block.rows) + len(block.rejects)
            yield block
    except _DAMAGE as error:
        _check_unchanged(file, before)
        raise DataError(
            f"{file.path} breaks off or is damaged after row {n_records}: {_reason(error)}; make or copy it again"
        ) from error
    except DataError:
        _check_unchanged(file, before)
        raise
    _check_unchanged(file, before)
    if not n_records:
        raise DataError(f"{file.path} has no rows, expected pairs of sequences")


def _check_unchanged(file: InputFile, before: tuple[int, int]) -> None:
    if file.stamp() != before:
        raise DataError(f"{file.path} changed while it was read; run again when its writer has finished")


def _check_beginning(file: InputFile) -> None:
    """Compares the first bytes with the suffix: a renamed file is otherwise a riddle of row errors."""
    if not file.size:
        raise DataError(f"{file.path} is empty (0 bytes), expected pairs of sequences")
    with file.open_file() as opened:
        head = opened.read(8)
    found = next((name for signature, name in _SIGNATURES.items() if head.startswith(signature)), None)
    expected = file.compression or _EXPECTED.get(file.format)
    if found != expected and not (file.format == "arrow" and found in (None, "Arrow")):
        raise DataError(
            f"{file.path} is not {_spoken(file)}, as its suffix says: it begins like "
            f"{found or 'another format'}; is it cut short or misnamed?"
        )


def _check_encoding(file: InputFile) -> None:
    if file.format not in TEXT_FORMATS:
        return
    with file.open_stream() as stream:
        if stream.read(2) in _UTF16:
            raise DataError(f"{file.path} is in UTF-16, expected UTF-8; convert it with: iconv -f utf-16 -t utf-8")


def _spoken(file: InputFile) -> str:
    formats = {"parquet": "Parquet", "arrow": "Arrow", "csv": "CSV", "tsv": "TSV", "jsonl": "JSON lines", "npz": "npz"}
    return formats[file.format] + (f" within {file.compression}" if file.compression else "")


def _reason(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
