"""How files write what they hold: a file's dialect is the user's to say, never guessed."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Dialect:
    """What readers are told of files; the settings of the same names say it.

    Attributes:
        header: whether the first record of a CSV or TSV names the columns.
        delimiter: between fields; None means a comma for CSV, a tab for TSV.
        quote: around fields; None means `"` for CSV and none for TSV; empty means none.
        escape: before a character that is content, as a backslash; None means none.
        encoding: of the bytes of CSV, TSV and JSON lines: any of Python's codecs for text.
        decimal: the mark before decimals, in text that means numbers; None means a point.
        thousands: the mark between groups of three digits, likewise; None means none.
        missing: what stands for a missing value, be it a cell or a number of a list.
        padding_value: what lists and arrays are padded with, at either end.
    """

    header: bool = True
    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    encoding: str = "utf-8"
    decimal: str | None = None
    thousands: str | None = None
    missing: tuple[str, ...] = ()
    padding_value: float | None = None

    def changes(self) -> dict[str, Any]:
        """What is not as it is without a word, except for `header`, `delimiter` and `quote`."""
        known = ("header", "delimiter", "quote")
        found = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in known}
        return {name: value for name, value in found.items() if value != getattr(Dialect, name)}

    @property
    def is_utf8(self) -> bool:
        """Whether bytes are UTF-8, with or without a byte order mark."""
        return codecs.lookup(self.encoding).name in ("utf-8", "utf-8-sig")


PLAIN = Dialect()


def dialect_faults(dialect: Dialect, prefix: str) -> Iterator[str]:
    """What does not fit in a dialect, each fault with its key.

    Args:
        dialect: as the settings say.
        prefix: before the names of settings: `data.` in training, `--` at prediction.
    """
    try:
        b"".decode(dialect.encoding)
    except (LookupError, ValueError):
        yield (
            f"{prefix}encoding is {dialect.encoding!r}, expected the name of one of Python's codecs for text, "
            f"such as cp1252, latin-1, utf-16 or shift_jis"
        )
    if dialect.thousands is not None and dialect.thousands == (dialect.decimal or "."):
        yield (
            f"{prefix}thousands is {dialect.thousands!r}, as is the decimal mark; set {prefix}decimal to the other "
            f"mark, or leave {prefix}thousands out"
        )
    if dialect.escape is not None and dialect.escape == dialect.quote:
        yield f"{prefix}escape is {dialect.escape!r}, as is {prefix}quote; a doubled quote is read without it"
