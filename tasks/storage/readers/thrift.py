"""Thrift's compact protocol, walked without making anything of it: what Parquet writes its metadata in.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

from collections.abc import Callable

_DEEPEST = 64
_MOST_BITS = 70  # of a number, 7 a byte
_BOOLEANS, _BYTE, _INTEGERS, _DOUBLE, _BINARY, _LISTS, _MAP, _STRUCT = (1, 2), 3, (4, 5, 6), 7, 8, (9, 10), 11, 12


class Walk:
    """Bytes of structures, walked once from the beginning; what is no structure raises ValueError or IndexError."""

    def __init__(self, data: bytes) -> None:
        """Takes the bytes."""
        self._data, self._at = data, 0

    @property
    def at(self) -> int:
        """How many bytes are walked."""
        return self._at

    def fields(
        self, read: dict[int, Callable[[], None]], depth: int = 0, integers: dict[int, int] | None = None
    ) -> set[int]:
        """Walks a structure, its fields by what reads them; gives the numbers of those that are there.

        Args:
            read: what reads a list or a structure, by the field's number.
            depth: how deep inside others it is.
            integers: takes the integers among the fields, by their numbers.
        """
        seen: set[int] = set()
        number = 0
        while head := self._byte():
            delta, kind = head >> 4, head & 15
            number = number + delta if delta else _signed(self._varint())
            seen.add(number)
            if number in read and kind in (*_LISTS, _STRUCT):
                read[number]()
            elif integers is not None and kind in _INTEGERS:
                integers[number] = _signed(self._varint())
            else:
                self.skip(kind, depth)
        return seen

    def each(self, read: Callable[[], None]) -> None:
        """Walks a list of structures."""
        n, kind = self.list_head()
        if n and kind != _STRUCT:
            raise ValueError("a list of structures holds something else")
        for _ in range(n):
            read()

    def list_head(self) -> tuple[int, int]:
        """How many items a list has, and of which kind."""
        head = self._byte()
        n = head >> 4
        return (self._varint() if n == 15 else n), head & 15  # noqa: PLR2004 - the protocol's mark of a longer list

    def skip(self, kind: int, depth: int, *, is_item: bool = False) -> None:
        """Passes a value."""
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
            self.fields({}, depth)
        elif kind in _LISTS:
            n, inner = self.list_head()
            for _ in range(n):
                self.skip(inner, depth, is_item=True)
        elif n := self._varint():
            kinds = self._byte()
            for _ in range(n):
                self.skip(kinds >> 4, depth, is_item=True)
                self.skip(kinds & 15, depth, is_item=True)

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
