"""Values of JSON as what the wanted columns hold: integers, characters, words or vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pyarrow as pa

from tasks.storage.readers.blocks import Kind, Layout

_INT64 = (-(2**63), 2**63 - 1)
_NONE = type(None)


class _Unfit(Exception):  # noqa: N818 - a finding, not an error: caught where it arises
    """A value that cannot be what its column holds; says the reason, without the side."""


class Value(NamedTuple):
    """A value as Arrow takes it, and how it is nested: 1 for a sequence, 2 for one of sequences, 0 for either."""

    value: Any
    depth: int


def row_values(row: dict[str, Any], layout: Layout) -> list[Value] | str:
    """A value for each column, or the first reason why there is none."""
    values = []
    for name, kind, side in zip(layout.names, layout.kinds, layout.sides, strict=False):
        value = row.get(name)
        try:
            values.append(Value(None, 0) if value is None else _CONVERTERS[kind](value))
        except _Unfit as reason:
            if str(reason) == "invalid_utf8":
                return str(reason)
            if side not in layout.optional:
                return f"{side}_type"
            values.append(Value(None, 0))
    return values


def _integers(value: Any) -> Value:  # noqa: ANN401 - what JSON may hold
    """A list of integers or an integer; as types, for a bool is an integer to Python and 1.0 one to Arrow."""
    values = value if isinstance(value, list) else [value]
    found = set(map(type, values))
    if not found <= {int, _NONE}:
        raise _Unfit
    there = [item for item in values if item is not None] if _NONE in found else values
    if there and not (_INT64[0] <= min(there) and max(there) <= _INT64[1]):
        raise _Unfit
    return Value(values, 1)


def _characters(value: Any) -> Value:  # noqa: ANN401 - as above
    if not isinstance(value, str):
        raise _Unfit
    return Value(_encodable(value), 1)


def _words(value: Any) -> Value:  # noqa: ANN401 - as above
    if isinstance(value, str):
        return Value(_encodable(value), 1)
    if not isinstance(value, list) or not set(map(type, value)) <= {str, _NONE}:
        raise _Unfit
    return Value([word if word is None else _encodable(word) for word in value], 2)


def _encodable(text: str) -> str:
    """JSON may escape one half of a surrogate pair alone, which is no character in any encoding."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _Unfit("invalid_utf8") from error
    return text


def _vectors(value: Any) -> Value:  # noqa: ANN401 - as above
    values = value if isinstance(value, list) else [value]
    found = set(map(type, values))
    if list in found:
        if not found <= {list, _NONE}:
            raise _Unfit
        return Value([step if step is None else _numbers(step) for step in values], 2)
    return Value(_numbers(values), 0 if found <= {_NONE} else 1)


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


def _number(value: Any) -> Value:  # noqa: ANN401 - as above
    return Value(_numbers([value])[0], 0)


_CONVERTERS: dict[Kind, Callable[[Any], Value]] = {
    "integers": _integers,
    "characters": _characters,
    "words": _words,
    "vectors": _vectors,
    "number": _number,
}


def commoner_depth(depths: list[int]) -> int:
    """1 or 2, whichever more rows have; 2 if as many; 0 if no row has any."""
    flat, nested = depths.count(1), depths.count(2)
    return 0 if not flat + nested else (1 if flat > nested else 2)


def type_of(kind: Kind, depth: int) -> pa.DataType:
    if kind == "integers":
        return pa.large_list(pa.int64())
    if kind == "characters":
        return pa.large_string()
    if kind == "number":
        return pa.float64()
    if kind == "words":
        return pa.large_string() if depth == 1 else pa.large_list(pa.large_string())
    return pa.large_list(pa.large_list(pa.float64()) if depth == 2 else pa.float64())  # noqa: PLR2004 - see Value
