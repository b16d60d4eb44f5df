"""What settings of the dialect would read rows that cannot be used: hints for people, which decide nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np
import pyarrow as pa

from tasks.storage.ingest.number_text import NumberText
from tasks.storage.ingest.reasons import FINE, REASONS, TYPE, UNCLEAR_COMMA
from tasks.storage.readers.blocks import Reject, setting_of

# What public files write where a value is missing.
MARKERS = ("?", "NA", "N/A", "n/a", "#N/A", "NULL", "None", "-", "--", ".", "nil", "missing", "unknown")
_ESCAPED_BYTE = re.compile(r"\\x([0-9a-f]{2})")
_CODECS = ("cp1252", "latin-1")  # the second has a character for every byte

Said = Callable[[str, str], str]  # a setting's name and value, as the user writes them


def advise_dialect(rejects: Iterable[Reject], prefix: str) -> list[str]:
    """Lines that name a setting, and the value of it that would read some of the rejects.

    Args:
        rejects: some of the rows that cannot be used.
        prefix: before the names of settings: `data.` in training, `--` at prediction.
    """
    said = partial(setting_of, prefix)
    lines: dict[str, str] = {}
    for reject in rejects:
        for line in _lines(reject, said):
            lines.setdefault(line.split(", as in")[0], line)  # one example is enough
    return list(lines.values())


def _lines(reject: Reject, said: Said) -> Iterator[str]:
    if reject.reason == "invalid_utf8":
        yield from _encodings(reject.content, said)
    elif reject.reason == "quote":
        yield from _quotes(reject, said)
    elif reject.reason.endswith(f"_{REASONS[UNCLEAR_COMMA]}"):
        yield from _commas(reject, said)
    elif reject.reason.endswith(f"_{REASONS[TYPE]}"):
        yield from _markers(reject, said)


def _encodings(content: str, said: Said) -> Iterator[str]:
    found = bytes(int(digits, 16) for digits in _ESCAPED_BYTE.findall(content))
    codec = next((codec for codec in _CODECS if found and _decodes(found, codec)), None)
    if codec is not None:
        shown = _ESCAPED_BYTE.sub(lambda byte: bytes([int(byte[1], 16)]).decode(codec), content)
        yield f"bytes that are not UTF-8 would be read with {said('encoding', codec)}, as in {shown[:60]}"


def _decodes(found: bytes, codec: str) -> bool:
    try:
        found.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def _quotes(reject: Reject, said: Said) -> Iterator[str]:
    if any('\\"' in text for text in _cells(reject) or [reject.content]):
        escape = said("escape", "\\")
        yield f"text goes on behind a closing quote; with {escape} a quote behind a backslash is content"
    else:
        yield f"text goes on behind a closing quote; with {said('quote', '')} quotes are content"


def _commas(reject: Reject, said: Said) -> Iterator[str]:
    for cell in _cells(reject):
        ways = [said("decimal", ",")] * _reads(cell, decimal=",")
        ways += [said("thousands", ",")] * _reads(cell, thousands=",")
        ways += [f"{said('decimal', '.')} where commas part numbers"] * _reads(cell)
        if ways:
            yield f"commas inside numbers would be read with {' or '.join(ways)}, as in {cell[:40]!r}"
            return


def _reads(cell: str, decimal: str = ".", thousands: str = "") -> bool:
    text = NumberText(integers=False, decimal=decimal, thousands=thousands)
    numbers = text.read(pa.array([cell], pa.large_string()), np.full(1, FINE, np.int8))
    return bool(numbers.reasons[0] == FINE and not numbers.faults.any() and len(numbers.values))


def _markers(reject: Reject, said: Said) -> Iterator[str]:
    words = {word for cell in _cells(reject) for word in re.split(r"[\s,;\[\]]+", cell)}
    found = [marker for marker in MARKERS if marker in words]
    if found:
        yield f"{found[0]!r} would be a missing value with {said('missing', found[0])}"


def _cells(reject: Reject) -> list[str]:
    """The text in the row's cells; none where it could not be parsed."""
    try:
        row = json.loads(reject.content)
    except ValueError:
        return []
    return [cell for cell in row.values() if isinstance(cell, str)] if isinstance(row, dict) else []
