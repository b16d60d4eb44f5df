"""Whether what a Parquet footer says of the columns of its row groups can be asked for.

Where a column's metadata lacks something, or counts levels that its schema has not, as after a flipped bit, pyarrow 26
ends the process once it is asked for that column: a C++ exception that passes Python. So the footer, a structure in
Thrift's compact protocol, is walked here first.
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md,
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq

_TAIL = struct.Struct("<I4s")  # the footer's length, and the file's last bytes
_ROW_GROUPS, _COLUMNS, _META_DATA, _SIZES = 4, 1, 3, 16  # of the file, a row group, a column chunk, its metadata
_HISTOGRAMS = (2, 3)  # of the sizes: how many values there are of each level of repetition, and of definition
_NEEDED = frozenset({1, 2, 3, 4, 5, 6, 7, 9})  # type, encodings, path, codec, values, sizes, first data page
_DEEPEST = 64
_MOST_BITS = 70  # of a number, 7 a byte
_BOOLEANS, _BYTE, _INTEGERS, _DOUBLE, _BINARY, _LISTS, _MAP, _STRUCT = (1, 2), 3, (4, 5, 6), 7, 8, (9, 10), 11, 12


def check_footer(opened: pa.NativeFile, schema: pq.ParquetSchema) -> None:
    """Refuses a footer that does not say what it must of a column, by its schema.

    Raises:
        pa.ArrowInvalid: it does not, or cannot be walked.
    """
    columns = [schema.column(i) for i in range(len(schema))]
    levels = [(column.max_repetition_level, column.max_definition_level) for column in columns]
    size = opened.size()
    opened.seek(max(0, size - _TAIL.size))
    length, _ = _TAIL.unpack(opened.read(_TAIL.size).rjust(_TAIL.size, b"\0"))
    opened.seek(max(0, size - _TAIL.size - length))
    data = opened.read(min(length, max(0, size - _TAIL.size)))
    opened.seek(0)
    try:
        _Walk(data, levels).file()
    except (IndexError, ValueError) as error:
        raise pa.ArrowInvalid(f"its footer is damaged: {error}") from error


class _Walk:
    """A footer's bytes, walked once from its beginning."""

    def __init__(self, data: bytes, levels: list[tuple[int, int]]) -> None:
        """Takes the bytes, and the highest levels of repetition and of definition of each column."""
        self._data, self._at = data, 0
        self._levels = levels

    def file(self) -> None:
        self._fields({_ROW_GROUPS: lambda: self._each(self._row_group)})

    def _row_group(self) -> None:
        levels = iter(self._levels)
        self._fields({_COLUMNS: lambda: self._each(lambda: self._column_chunk(next(levels, (0, 0))))})

    def _column_chunk(self, levels: tuple[int, int]) -> None:
        found: set[int] = set()
        sizes = {_SIZES: lambda: self._sizes(levels)}
        self._fields({_META_DATA: lambda: found.update(self._fields(sizes))})
        if not found >= _NEEDED:
            raise ValueError(f"a column lacks fields {sorted(_NEEDED - found)} of its metadata")

    def _sizes(self, levels: tuple[int, int]) -> None:
        self._fields(
            {
                number: lambda level=level: self._histogram(level)  # type: ignore[misc]
                for number, level in zip(_HISTOGRAMS, levels, strict=True)
            }
        )

    def _histogram(self, level: int) -> None:
        n, kind = self._list_head()
        if n not in (0, level + 1):
            raise ValueError(f"a column counts values of {n} levels, its schema has {level + 1}")
        for _ in range(n):
            self._skip(kind, 0, is_item=True)

    def _fields(self, read: dict[int, Callable[[], None]], depth: int = 0) -> set[int]:
        """Walks a structure, its fields by what reads them; gives the numbers of those that are there."""
        seen: set[int] = set()
        number = 0
        while head := self._byte():
            delta, kind = head >> 4, head & 15
            number = number + delta if delta else _signed(self._varint())
            seen.add(number)
            if number in read and kind in (*_LISTS, _STRUCT):
                read[number]()
            else:
                self._skip(kind, depth)
        return seen

    def _each(self, read: Callable[[], None]) -> None:
        n, kind = self._list_head()
        if n and kind != _STRUCT:
            raise ValueError("a list of structures holds something else")
        for _ in range(n):
            read()

    def _list_head(self) -> tuple[int, int]:
        head = self._byte()
        n = head >> 4
        return (self._varint() if n == 15 else n), head & 15  # noqa: PLR2004 - the protocol's mark of a longer list

    def _skip(self, kind: int, depth: int, *, is_item: bool = False) -> None:
        if depth > _DEEPEST:
            raise ValueError("it is nested too deep")
        if kind in _BOOLEANS:  # of a field its kind is its value
            self._at += is_item
        elif kind == _BYTE:
            self._at += 1
        elif kind in _INTEGERS:
            self._varint()
        elif kind == _DOUBLE:
            self._at += 8
        elif kind == _BINARY:
            length = self._varint()
            self._at += length
        elif kind in (*_LISTS, _MAP, _STRUCT):
            self._skip_nested(kind, depth + 1)
        else:
            raise ValueError(f"it has a field of the unknown kind {kind}")
        if self._at > len(self._data):
            raise ValueError("it ends too early")

    def _skip_nested(self, kind: int, depth: int) -> None:
        if kind == _STRUCT:
            self._fields({}, depth)
        elif kind in _LISTS:
            n, inner = self._list_head()
            for _ in range(n):
                self._skip(inner, depth, is_item=True)
        elif n := self._varint():
            kinds = self._byte()
            for _ in range(n):
                self._skip(kinds >> 4, depth, is_item=True)
                self._skip(kinds & 15, depth, is_item=True)

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _varint(self) -> int:
        value = 0
        for shift in range(0, _MOST_BITS, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:  # noqa: PLR2004 - the last one's mark
                return value
        raise ValueError("a number has more than 64 bits")


def _signed(value: int) -> int:
    """A number in zigzag: 0, -1, 1, -2, ..."""
    return (value >> 1) ^ -(value & 1)
