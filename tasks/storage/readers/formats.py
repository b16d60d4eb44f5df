"""The formats that users' files come in: a row of a table each, which all that knows of formats reads.

Another format is a class in a module of its own, as `Format` describes it, and a row of `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import pyarrow as pa

from tasks.storage.files.inputs import COMPRESSIONS, InputFile, split_suffixes
from tasks.storage.readers.arrow import ARROW
from tasks.storage.readers.blocks import Layout, RowBlock
from tasks.storage.readers.delimited import CSV, TSV
from tasks.storage.readers.json_lines import JSON_LINES
from tasks.storage.readers.npz import NPZ
from tasks.storage.readers.parquet import PARQUET
from tasks.storage.readers.spans import Span


class Format(Protocol):
    """One format: how its files are told from others, and how they are read.

    Whoever calls the methods has compared the first bytes, and turns what the libraries raise into errors of the
    user's (`user_files`).
    """

    @property
    def name(self) -> str:
        """What it is called in messages."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The suffixes of its files, in lower case, each of this format only; settings call it by the first."""

    @property
    def signatures(self) -> tuple[bytes, ...]:
        """The first bytes that its files may have; empty ones stand for any that are no other format's signature."""

    @property
    def is_text(self) -> bool:
        """Whether its files are text, which may be compressed as a whole."""

    @property
    def delimiter(self) -> str | None:
        """What parts the fields of a record unless the layout says otherwise; None where nothing does."""

    @property
    def has_schema(self) -> bool:
        """Whether a file's beginning or end says its columns; else `columns` reads it all, and `read` compares."""

    def check(self, file: InputFile, layout: Layout) -> None:
        """Refuses a file that cannot hold these columns, by its beginning or its footer only."""

    def has(self, file: InputFile, layout: Layout, column: str | int) -> bool:
        """Whether the file has a column of this name, or at this position if the layout has no header."""

    def columns(self, file: InputFile, layout: Layout) -> pa.Schema:
        """The schema in which all columns are kept, in the file's order."""

    def left_out(self, file: InputFile, layout: Layout) -> list[str]:
        """The names of what cannot be kept, in the file's order."""

    def count(self, file: InputFile) -> int | None:
        """How many rows there are by the file's metadata; None where only reading tells."""

    def read(self, file: InputFile, layout: Layout, kept: pa.Schema | None = None) -> Iterator[RowBlock]:
        """Streams the rows in order: the layout's columns, and those of `kept`, which is what `columns` says."""


@runtime_checkable
class Divisible(Format, Protocol):
    """A format whose files can be read in spans, without reading what is before each."""

    def spans(self, file: InputFile, layout: Layout, rows: int) -> list[Span]:
        """Spans of about so many rows, or more; one or none where this file cannot be divided."""

    def read_span(self, file: InputFile, layout: Layout, kept: pa.Schema | None, span: Span) -> Iterator[RowBlock]:
        """Streams the rows of a span as `read` does, numbered as if the file began with them."""


FORMATS: tuple[Format, ...] = (
    PARQUET,
    ARROW,
    CSV,
    TSV,
    JSON_LINES,
    NPZ,
)


def format_of(path: str) -> Format | None:
    """The format that a file's name says; None where it says none, or one that cannot be compressed so."""
    suffix, compression = split_suffixes(path)
    found = of_suffix(suffix)
    return None if found is None or (compression and not found.is_text) else found


def key_of(form: Format) -> str:
    """What a setting calls a format: its first suffix without the dot."""
    return form.suffixes[0].removeprefix(".")


def chosen_format(file: InputFile) -> Format | None:
    """The format that a file is read as: the one that is set for it, else that of its suffix."""
    if file.form is None:
        return format_of(file.path)
    return next((one for one in FORMATS if key_of(one) == file.form and (one.is_text or not file.compression)), None)


def format_name(file: InputFile) -> str:
    """What a setting calls the format that a file is read as; empty where it has none."""
    form = chosen_format(file)
    return key_of(form) if form else ""


def of_suffix(suffix: str) -> Format | None:
    """The format of a suffix in lower case."""
    return next((one for one in FORMATS if suffix in one.suffixes), None)


def known_suffixes() -> str:
    """All suffixes, as messages list them."""
    every = ", ".join(suffix for one in FORMATS for suffix in one.suffixes)
    text = " ".join(suffix for one in FORMATS if one.is_text for suffix in one.suffixes)
    *first, last = COMPRESSIONS
    return f"{every}; those of text ({text}) also with {', '.join(first)} or {last} after it"
