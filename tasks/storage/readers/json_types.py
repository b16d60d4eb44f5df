"""What the values of a JSON key have in common, over all rows of a file: the type of the column that they are kept in.

    nothing but null                       string
    true, false                            bool
    integers                               int64, or uint64 if they are beyond it and none is negative
    numbers, of which some are no integer  double, if it holds each integer exactly
    strings                                string
    lists                                  list of what their items have in common
    objects                                struct of what the values of each key have in common
    all else                               string: a string as it is, any other value as JSON

All else is: values of several kinds, larger integers, objects that are always empty, and what is nested too deep or
of too many keys to be columns (where keys are data). The type does not depend on the order of the rows, except for that
of the columns and fields: as they first appear.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from tasks.seq2seq.errors import DataError
from tasks.storage.files.limits import DEEPEST_COLUMN, MOST_COLUMNS, MOST_PARTS

_EXACT = 2**53  # the integers up to here are doubles
_SCALARS = {bool: pa.bool_(), float: pa.float64(), str: pa.string()}


class _NoType(Exception):  # noqa: N818 - a finding, not an error: caught where it arises
    """Values that have no type in common."""


class KeyTypes:
    """The keys of a file's rows and what their values have in common, learned rows by rows in bounded memory."""

    def __init__(self, path: str) -> None:
        """Takes the file's path, for messages."""
        self._path = path
        self._keys: dict[str, _Key] = {}

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        """Learns from rows.

        Raises:
            DataError: there are too many different keys to be columns.
        """
        for name, values in _by_key(rows).items():
            if name not in self._keys:
                if len(self._keys) == MOST_COLUMNS:
                    raise DataError(
                        f"{self._path} has more than {MOST_COLUMNS:,} different keys, of which each would become a "
                        f"column, expected about the same keys in each row; put such keys into an object"
                    )
                self._keys[name] = _Key()
            self._keys[name].add(values)

    def schema(self) -> pa.Schema:
        """The columns that all rows so far can be kept in."""
        return pa.schema([(name, key.kind()) for name, key in self._keys.items()])


class _Key:
    """The values of one key; once they have no type in common, they never will."""

    def __init__(self) -> None:
        self._shape: _Shape | None = _Shape(itertools.count(1), 0)

    def add(self, values: Sequence[Any]) -> None:
        if self._shape is not None:
            try:
                self._shape.add(values)
            except _NoType:
                self._shape = None

    def kind(self) -> pa.DataType:
        try:
            return pa.string() if self._shape is None else self._shape.kind()
        except _NoType:
            return pa.string()


class _Shape:
    """What values at one place inside a key's values are."""

    def __init__(self, parts: Iterator[int], depth: int) -> None:
        """Takes the counter of the key's parts, and how deep inside this one is."""
        self._parts = parts
        self._depth = depth
        if next(self._parts) > MOST_PARTS or depth > DEEPEST_COLUMN:
            raise _NoType
        self._python: type | None = None
        self._low = self._high = 0
        self._items: _Shape | None = None
        self._fields: dict[str, _Shape] = {}

    def add(self, values: Sequence[Any]) -> None:
        kinds = set(map(type, values))
        found = kinds - {type(None)}
        if not found:
            return
        self._merge(found)
        if int in found:
            self._widen(values if len(kinds) == 1 else [value for value in values if type(value) is int])
        elif self._python is list:
            if self._items is None:
                self._items = _Shape(self._parts, self._depth + 1)
            self._items.add(list(itertools.chain.from_iterable(value for value in values if value is not None)))
        elif self._python is dict:
            for name, inner in _by_key([value for value in values if value is not None]).items():
                if name not in self._fields:
                    self._fields[name] = _Shape(self._parts, self._depth + 1)
                self._fields[name].add(inner)

    def _merge(self, found: set[type]) -> None:
        merged = found if self._python is None else found | {self._python}
        if len(merged) > 1 and merged != {int, float}:
            raise _NoType
        self._python = float if len(merged) > 1 else next(iter(merged))
        if self._python is float:
            self._widen(())

    def _widen(self, integers: Sequence[int]) -> None:
        self._low, self._high = min(self._low, min(integers, default=0)), max(self._high, max(integers, default=0))
        if self._python is float:
            fits = max(-self._low, self._high) <= _EXACT
        else:
            fits = self._low >= -(2**63) and self._high < (2**64 if self._low == 0 else 2**63)
        if not fits:
            raise _NoType

    def kind(self) -> pa.DataType:
        if self._python is int:
            return pa.int64() if self._high < 2**63 else pa.uint64()
        if self._items is not None:
            return pa.list_(self._items.kind())
        if self._python is dict:
            if not self._fields:
                raise _NoType
            return pa.struct([(name, shape.kind()) for name, shape in self._fields.items()])
        return pa.string() if self._python is None else _SCALARS[self._python]


def _by_key(rows: Sequence[dict[str, Any]]) -> Mapping[str, Sequence[Any]]:
    """The values of each key, the keys as they first appear."""
    if len(set(map(tuple, rows))) == 1:
        return dict(zip(rows[0], zip(*map(dict.values, rows), strict=True), strict=False))
    found: dict[str, list[Any]] = {}
    for row in rows:
        for name, value in row.items():
            found.setdefault(name, []).append(value)
    return found


def to_columns(rows: Sequence[dict[str, Any]], schema: pa.Schema) -> list[pa.Array]:
    """The rows' values as columns of these types, null where a row has no such key.

    Raises:
        ValueError, TypeError, OverflowError: a value does not fit; it was none of those that `KeyTypes` saw.
    """
    columns = []
    there: set[str] = set().union(*rows)
    for name, kind in zip(schema.names, schema.types, strict=True):
        if name not in there:
            columns.append(pa.nulls(len(rows), kind))
            continue
        values = [row.get(name) for row in rows]
        if kind == pa.string() and not set(map(type, values)) <= {str, type(None)}:
            values = [value if value is None or isinstance(value, str) else to_json(value) for value in values]
        columns.append(pa.array(values, kind))
    return columns


def to_json(value: Any) -> str:  # noqa: ANN401 - what JSON may hold
    """The value as JSON, its text as it is."""
    return json.dumps(value, ensure_ascii=False)
