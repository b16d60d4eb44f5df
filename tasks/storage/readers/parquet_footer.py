"""Whether what a Parquet footer says of the columns of its row groups can be asked for.

Where a column's metadata lacks something, or counts levels that its schema has not, as after a flipped bit, pyarrow 26
ends the process once it is asked for that column: a C++ exception that passes Python. So the footer, a structure in
Thrift's compact protocol, is walked here first.
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from __future__ import annotations

import struct

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.storage.readers.thrift import Walk

_TAIL = struct.Struct("<I4s")  # the footer's length, and the file's last bytes
_ROW_GROUPS, _COLUMNS, _META_DATA, _SIZES = 4, 1, 3, 16  # of the file, a row group, a column chunk, its metadata
_HISTOGRAMS = (2, 3)  # of the sizes: how many values there are of each level of repetition, and of definition
_NEEDED = frozenset({1, 2, 3, 4, 5, 6, 7, 9})  # type, encodings, path, codec, values, sizes, first data page


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


class _Walk(Walk):
    """A footer's bytes, walked once from its beginning."""

    def __init__(self, data: bytes, levels: list[tuple[int, int]]) -> None:
        """Takes the bytes, and the highest levels of repetition and of definition of each column."""
        super().__init__(data)
        self._levels = levels

    def file(self) -> None:
        self.fields({_ROW_GROUPS: lambda: self.each(self._row_group)})

    def _row_group(self) -> None:
        levels = iter(self._levels)
        self.fields({_COLUMNS: lambda: self.each(lambda: self._column_chunk(next(levels, (0, 0))))})

    def _column_chunk(self, levels: tuple[int, int]) -> None:
        found: set[int] = set()
        sizes = {_SIZES: lambda: self._sizes(levels)}
        self.fields({_META_DATA: lambda: found.update(self.fields(sizes))})
        if not found >= _NEEDED:
            raise ValueError(f"a column lacks fields {sorted(_NEEDED - found)} of its metadata")

    def _sizes(self, levels: tuple[int, int]) -> None:
        self.fields(
            {
                number: lambda level=level: self._histogram(level)  # type: ignore[misc]
                for number, level in zip(_HISTOGRAMS, levels, strict=True)
            }
        )

    def _histogram(self, level: int) -> None:
        n, kind = self.list_head()
        if n not in (0, level + 1):
            raise ValueError(f"a column counts values of {n} levels, its schema has {level + 1}")
        for _ in range(n):
            self.skip(kind, 0, is_item=True)
