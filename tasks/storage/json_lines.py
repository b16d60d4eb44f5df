r"""JSON lines: one object a line, split at `\n` alone (U+2028 and the like are content)."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from tasks.seq2seq.errors import DataError
from tasks.storage.blocks import BLOCK_ROWS, Block, Kind, Layout, Reject, listed, split_block, to_table
from tasks.storage.inputs import InputFile

LINE_BYTES = 256 * 2**20
BLOCK_LINE_BYTES = 8 * 2**20  # parsed values take several times the room of their text
_CHUNK_BYTES = 2**20
_INT64 = (-(2**63), 2**63 - 1)
_NONE = type(None)
_BLANK = b" \t\r"


class _Unfit(Exception):  # noqa: N818 - a finding, not an error: caught where it arises
    """A value that cannot be what its column holds; says the reason, without the side."""


class _Value(NamedTuple):
    """A value as Arrow takes it, and how it is nested: 1 for a sequence, 2 for one of sequences, 0 for either."""

    value: Any
    depth: int


def check(file: InputFile, layout: Layout) -> None:
    """Looks at the first line."""
    line = next(_lines(file), None)
    if line is None:
        raise DataError(f"{file.path} has no rows, expected pairs of sequences")
    text = line.strip()
    if text in (b"[", b"{") or text.startswith(b"[{"):
        raise DataError(f"{file.path} is one JSON value over many lines, or a list; expected one object a line")
    row = _parse(line)
    if isinstance(row, dict) and row and not set(row) & set(layout.names):
        raise DataError(
            f"{file.path}: none of the columns {listed(layout.names)} is in the first row, expected them as keys; "
            f"its keys are {listed(list(row))}; name yours with data.source and data.target"
        )


def read(file: InputFile, layout: Layout) -> Iterator[Block]:
    """Streams the rows; a key that is missing is a null.

    Integers come as large_list<int64>; characters as large_string; words as large_list<large_string>, or as
    large_string where the block's rows are strings; vectors as large_list<double>, or large_list<large_list<double>>
    where they are nested. In a block of both, the rarer ones are rejects.
    """
    lines: list[bytes] = []
    size = 0
    first = 1
    for line in _lines(file):
        lines.append(line)
        size += len(line)
        if len(lines) == BLOCK_ROWS or size >= BLOCK_LINE_BYTES:
            yield from split_block(_to_block(file, layout, lines, first))
            first += len(lines)
            lines, size = [], 0
    if lines:
        yield from split_block(_to_block(file, layout, lines, first))


def _lines(file: InputFile) -> Iterator[bytes]:
    """The lines that are not blank, without their ends and without a byte order mark."""
    with file.open_stream() as opened:
        for number, line in enumerate(_all_lines(file, opened)):
            text = line.removeprefix(codecs.BOM_UTF8) if number == 0 else line
            if text.strip(_BLANK):
                yield text.removesuffix(b"\r")


def _all_lines(file: InputFile, opened: Any) -> Iterator[bytes]:  # noqa: ANN401 - pyarrow ships no types
    parts: list[bytes] = []  # of a line that goes on; joined once, however long it is
    size = 0
    while chunk := opened.read(_CHUNK_BYTES):
        pieces = chunk.split(b"\n")
        parts.append(pieces[0])
        size += len(pieces[0])
        if size > LINE_BYTES:
            raise DataError(
                f"{file.path}: a line is longer than {LINE_BYTES // 2**20} MiB, the most that a row may have; "
                "is it one JSON value without line ends?"
            )
        if len(pieces) > 1:
            yield b"".join(parts)
            yield from pieces[1:-1]
            parts, size = [pieces[-1]], len(pieces[-1])
    yield b"".join(parts)


def _to_block(file: InputFile, layout: Layout, lines: list[bytes], first: int) -> Block:
    """The lines' rows, column by column, and those lines that give none."""
    reasons: dict[int, str] = {}
    kept: list[int] = []
    values: list[list[_Value]] = []
    for i, line in enumerate(lines):
        row = _parse(line)
        given = row if isinstance(row, str) else _row_values(row, layout)
        if isinstance(given, str):
            reasons[i] = given
        else:
            kept.append(i)
            values.append(given)
    depths = [_commoner_depth([row[side].depth for row in values]) for side in range(len(layout.names))]
    fitting = []
    for i, found in zip(kept, values, strict=True):
        odd = next((side for side, depth in enumerate(depths) if found[side].depth not in (0, depth)), None)
        if odd is None:
            fitting.append(i)
        else:
            reasons[i] = f"{layout.sides[odd]}_type"
    by_line = dict(zip(kept, values, strict=True))
    columns = [
        pa.array([by_line[i][side].value for i in fitting], _type_of(kind, depths[side]))
        for side, kind in enumerate(layout.kinds)
    ]
    rejects = [
        Reject(file.name, first + i, reasons[i], lines[i].decode(errors="backslashreplace")) for i in sorted(reasons)
    ]
    return Block(np.array(fitting, dtype=np.int64) + first, to_table(columns, layout), rejects)


def _parse(line: bytes) -> dict[str, Any] | str:
    """The line's object, or why it is none."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return "invalid_utf8"
    try:
        row = json.loads(text)
    except json.JSONDecodeError:
        return "json"
    except RecursionError:
        return "json"
    except ValueError:
        # An integer of more digits than Python reads: as a float it is refused where integers are expected.
        row = json.loads(text, parse_int=float)
    return row if isinstance(row, dict) else "json"


def _row_values(row: dict[str, Any], layout: Layout) -> list[_Value] | str:
    """A value for each column, or the first reason why there is none."""
    values = []
    for name, kind, side in zip(layout.names, layout.kinds, layout.sides, strict=False):
        value = row.get(name)
        try:
            values.append(_Value(None, 0) if value is None else _CONVERTERS[kind](value))
        except _Unfit as reason:
            return str(reason) if str(reason) == "invalid_utf8" else f"{side}_type"
    return values


def _integers(value: Any) -> _Value:  # noqa: ANN401 - what JSON may hold
    """A list of integers or an integer; as types, for a bool is an integer to Python and 1.0 one to Arrow."""
    values = value if isinstance(value, list) else [value]
    found = set(map(type, values))
    if not found <= {int, _NONE}:
        raise _Unfit
    there = [item for item in values if item is not None] if _NONE in found else values
    if there and not (_INT64[0] <= min(there) and max(there) <= _INT64[1]):
        raise _Unfit
    return _Value(values, 1)


def _characters(value: Any) -> _Value:  # noqa: ANN401 - as above
    if not isinstance(value, str):
        raise _Unfit
    return _Value(_encodable(value), 1)


def _words(value: Any) -> _Value:  # noqa: ANN401 - as above
    if isinstance(value, str):
        return _Value(_encodable(value), 1)
    if not isinstance(value, list) or not set(map(type, value)) <= {str, _NONE}:
        raise _Unfit
    return _Value([word if word is None else _encodable(word) for word in value], 2)


def _encodable(text: str) -> str:
    """JSON may escape one half of a surrogate pair alone, which is no character in any encoding."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _Unfit("invalid_utf8") from error
    return text


def _vectors(value: Any) -> _Value:  # noqa: ANN401 - as above
    values = value if isinstance(value, list) else [value]
    found = set(map(type, values))
    if list in found:
        if not found <= {list, _NONE}:
            raise _Unfit
        return _Value([step if step is None else _numbers(step) for step in values], 2)
    return _Value(_numbers(values), 0 if found <= {_NONE} else 1)


def _numbers(values: list[Any]) -> list[float | None]:
    found = set(map(type, values))
    if not found <= {int, float, _NONE}:
        raise _Unfit
    if int not in found:
        return values
    try:
        # Arrow refuses integers that a float cannot hold exactly.
        return [item if item is None else float(item) for item in values]
    except OverflowError as error:
        raise _Unfit from error


_CONVERTERS: dict[Kind, Callable[[Any], _Value]] = {
    "integers": _integers,
    "characters": _characters,
    "words": _words,
    "vectors": _vectors,
}


def _commoner_depth(depths: list[int]) -> int:
    """1 or 2, whichever more rows have; 2 if as many; 0 if no row has any."""
    flat, nested = depths.count(1), depths.count(2)
    return 0 if not flat + nested else (1 if flat > nested else 2)


def _type_of(kind: Kind, depth: int) -> pa.DataType:
    if kind == "integers":
        return pa.large_list(pa.int64())
    if kind == "characters":
        return pa.large_string()
    if kind == "words":
        return pa.large_string() if depth == 1 else pa.large_list(pa.large_string())
    return pa.large_list(pa.large_list(pa.float64()) if depth == 2 else pa.float64())  # noqa: PLR2004 - see _Value
