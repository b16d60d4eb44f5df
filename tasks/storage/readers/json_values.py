"""Values of JSON as what the wanted columns hold: integers, characters, words or vectors.

Rows of a file may write one column in several forms, as lists and as text that means a list. A block of several forms
comes in the one that can hold them all, so that what is beside a row never decides whether it can be read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from enum import IntEnum
from typing import Any, NamedTuple

import pyarrow as pa

from tasks.storage.readers.blocks import Kind, Layout

_SINGLE_TYPES: dict[Kind, pa.DataType] = {
    "number": pa.float64(),
    "time": pa.int64(),
    "id": pa.int64(),
    "characters": pa.large_string(),
}
_INT64 = (-(2**63), 2**63 - 1)
_NONE = type(None)
_PARTS_NUMBERS = re.compile(r"[\s,;\[\]]")


class Form(IntEnum):
    """How a value is written; a block has that of the highest number."""

    ANY = 0  # a null, or a list that could be of either kind
    FLAT = 1
    NESTED = 2
    TEXT = 3


class _Unfit(Exception):  # noqa: N818 - a finding, not an error: caught where it arises
    """A value that cannot be what its column holds; says the reason, without the side."""


class Value(NamedTuple):
    """A value as Arrow takes it, and how it is written."""

    value: Any
    form: Form


def row_values(row: dict[str, Any], layout: Layout) -> list[Value] | str:
    """A value for each column, or the first reason why there is none."""
    values = []
    for name, kind, side in zip(layout.names, layout.kinds, layout.sides, strict=False):
        value = find(row, name)
        try:
            values.append(Value(None, Form.ANY) if value is None else _CONVERTERS[kind](value))
        except _Unfit as reason:
            if str(reason) == "invalid_utf8":
                return str(reason)
            if side not in layout.optional:
                return f"{side}_{str(reason) or 'type'}"
            values.append(Value(None, Form.ANY))
    return values


def find(row: dict[str, Any], name: str) -> Any:  # noqa: ANN401 - what JSON may hold
    """The value of a key, or of a path of keys with points between; None where there is none."""
    if name in row or "." not in name:
        return row.get(name)
    for length in range(1, name.count(".") + 1):
        parts = name.split(".")
        inner = row.get(".".join(parts[:length]))
        if isinstance(inner, dict):
            found = find(inner, ".".join(parts[length:]))
            if found is not None:
                return found
    return None


def to_array(values: list[Value], kind: Kind) -> pa.Array:
    """The values of a column, in one form."""
    form = max((value.form for value in values), default=Form.ANY)
    if form == Form.TEXT:
        return pa.array([_as_text(value) for value in values], pa.large_string())
    if form == Form.NESTED:
        return pa.array([_as_nested(value) for value in values], pa.large_list(_list_type(kind)))
    return pa.array([value.value for value in values], _list_type(kind))


def _list_type(kind: Kind) -> pa.DataType:
    if kind in _SINGLE_TYPES:
        return _SINGLE_TYPES[kind]
    return pa.large_list({"integers": pa.int64(), "vectors": pa.float64()}.get(kind, pa.large_string()))


def _as_text(value: Value) -> str | None:
    if value.value is None or value.form == Form.TEXT:
        return value.value  # type: ignore[no-any-return]
    if value.form == Form.NESTED:  # in text, a step that is null is one of a single number that is
        return json.dumps([[None] if step is None else step for step in value.value])
    return json.dumps(value.value, ensure_ascii=False)


def _as_nested(value: Value) -> list[Any] | None:
    """A flat list as one of steps of one number each."""
    if value.value is None or value.form == Form.NESTED:
        return value.value  # type: ignore[no-any-return]
    return [None if item is None else [item] for item in value.value]


def _integers(value: Any) -> Value:  # noqa: ANN401 - what JSON may hold
    """A list of integers or an integer; as types, for a bool is an integer to Python and 1.0 one to Arrow."""
    if (text := _text_of_numbers(value)) is not None:
        return text
    values = value if isinstance(value, list) else [value]
    found = set(map(type, values)) - {_NONE}
    if not found <= {int} and not found <= {bool}:
        raise _Unfit
    there = values if None not in values else [item for item in values if item is not None]
    if there and not (_INT64[0] <= min(there) and max(there) <= _INT64[1]):
        raise _Unfit("integer_range")
    return Value([item if item is None else int(item) for item in values] if bool in found else values, Form.FLAT)


def _text_of_numbers(value: Any) -> Value | None:  # noqa: ANN401 - as above
    """Text, or a list in which numbers stand as text, as text that means numbers; None where it is neither."""
    if isinstance(value, str):
        return Value(_encodable(value), Form.TEXT)
    if not isinstance(value, list) or str not in set(map(type, value)):
        return None
    items = ["null" if item is None else str(item) if type(item) in (int, float) else item for item in value]
    if not all(isinstance(item, str) and item and not _PARTS_NUMBERS.search(item) for item in items):
        raise _Unfit
    return Value(_encodable(f"[{', '.join(items)}]"), Form.TEXT)


def _characters(value: Any) -> Value:  # noqa: ANN401 - as above
    if not isinstance(value, str):
        raise _Unfit
    return Value(_encodable(value), Form.TEXT)


def _words(value: Any) -> Value:  # noqa: ANN401 - as above
    if isinstance(value, str):
        return Value(_encodable(value), Form.TEXT)
    if not isinstance(value, list) or not set(map(type, value)) <= {str, _NONE}:
        raise _Unfit
    return Value([word if word is None else _encodable(word) for word in value], Form.FLAT)


def _encodable(text: str) -> str:
    """JSON may escape one half of a surrogate pair alone, which is no character in any encoding."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _Unfit("invalid_utf8") from error
    return text


def _vectors(value: Any) -> Value:  # noqa: ANN401 - as above
    if (text := _text_of_numbers(value)) is not None:
        return text
    values = value if isinstance(value, list) else [value]
    found = set(map(type, values))
    if list in found:
        if not found <= {list, _NONE}:
            raise _Unfit
        return Value([step if step is None else _numbers(step) for step in values], Form.NESTED)
    return Value(_numbers(values), Form.ANY if found <= {_NONE} else Form.FLAT)


def _numbers(values: list[Any]) -> list[float | None]:
    found = set(map(type, values)) - {_NONE}
    if not found <= {int, float} and not found <= {bool}:
        raise _Unfit
    if found <= {float}:
        return values
    try:
        # Arrow refuses integers that a float cannot hold exactly.
        return [item if item is None else float(item) for item in values]
    except OverflowError as error:
        raise _Unfit from error


def _number(value: Any) -> Value:  # noqa: ANN401 - as above
    if isinstance(value, str):
        return Value(_encodable(value), Form.TEXT)
    return Value(_numbers([value])[0], Form.FLAT)


def _mark(value: Any) -> Value:  # noqa: ANN401 - as above
    """A time stamp or an id: text, or an integer."""
    if isinstance(value, str):
        return Value(_encodable(value), Form.TEXT)
    if type(value) is not int:
        raise _Unfit
    if not _INT64[0] <= value <= _INT64[1]:
        raise _Unfit("integer_range")
    return Value(value, Form.FLAT)


def _id(value: Any) -> Value:  # noqa: ANN401 - as above
    return Value(json.dumps(value), Form.TEXT) if isinstance(value, bool) else _mark(value)


_CONVERTERS: dict[Kind, Callable[[Any], Value]] = {
    "integers": _integers,
    "characters": _characters,
    "words": _words,
    "vectors": _vectors,
    "number": _number,
    "time": _mark,
    "id": _id,
}
