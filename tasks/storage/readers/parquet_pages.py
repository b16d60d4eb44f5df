"""What the pages of a Parquet file say of their own size: some kilobytes may expand to gigabytes.

pyarrow makes room for as many bytes as a page's header says, whatever the footer says of the column; and what a page of
few bytes says of its values is believed, too. So the headers are walked first.
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from tasks.seq2seq.errors import DataError
from tasks.storage.files.limits import EXPANDED_BYTES
from tasks.storage.readers.thrift import Walk

_TYPE, _EXPANDED, _COMPRESSED = 1, 2, 3  # of a page's header
_DATA, _DICTIONARY, _DATA_V2 = 5, 7, 8  # what each kind of page says more, the number of its values first
_VALUES = 1
_HEADER_BYTES, _MOST_HEADER_BYTES = 2**10, 2**24  # that are read of a header at first, and that it may have


def check_pages(
    opened: pa.NativeFile,
    metadata: Any,  # noqa: ANN401 - pyarrow has no types
    groups: list[int],
    wanted: set[str],
) -> None:
    """Refuses columns whose pages take more room at once than any reader should give them, or are not as announced.

    Args:
        opened: the file.
        metadata: its footer, which was checked.
        groups: the row groups that are read.
        wanted: the columns that are read.

    Raises:
        DataError: the pages are too large.
        pa.ArrowInvalid: they are damaged.
    """
    for i in groups:
        group = metadata.row_group(i)
        chunks = [group.column(j) for j in range(group.num_columns)]
        sizes = [_largest(opened, chunk) for chunk in chunks if chunk.path_in_schema.split(".")[0] in wanted]
        if sum(sizes) > EXPANDED_BYTES:
            raise DataError(
                f"row group {i + 1} has pages that expand to {sum(sizes):,} bytes at once, and the most that a reader "
                f"takes are {EXPANDED_BYTES:,}; write it with smaller pages, or leave columns out"
            )


def _largest(opened: pa.NativeFile, chunk: Any) -> int:  # noqa: ANN401 - as above
    """The bytes of a column's dictionary and of its largest page."""
    dictionary = largest = n_values = 0
    for kind, header, values in _pages(opened, chunk):
        size = header[_EXPANDED]
        if kind == _DICTIONARY:
            dictionary = max(dictionary, size)
        else:
            largest = max(largest, size)
            n_values += values
    if n_values > chunk.num_values:
        raise pa.ArrowInvalid(f"{chunk.num_values} values are announced of a column, its pages say {n_values}")
    return dictionary + largest


def _pages(opened: pa.NativeFile, chunk: Any) -> Iterator[tuple[int, dict[int, int], int]]:  # noqa: ANN401 - as above
    """Which kind each page of a column is, its header's numbers, and how many values it has."""
    starts = [chunk.data_page_offset, *[chunk.dictionary_page_offset] * bool(chunk.dictionary_page_offset)]
    at = min(starts)
    end = at + chunk.total_compressed_size
    seen = 0
    while at < end and seen < chunk.num_values:
        length, kind, header, values = _header(opened, at)
        if min(header[_EXPANDED], header[_COMPRESSED], values) < 0:
            raise pa.ArrowInvalid("a page has a size below nothing")
        yield kind, header, values
        seen += 0 if kind == _DICTIONARY else values
        at += length + header[_COMPRESSED]


def _header(opened: pa.NativeFile, at: int) -> tuple[int, int, dict[int, int], int]:
    """The bytes of a page's header, the page's kind, the header's numbers, and the number of values."""
    size = _HEADER_BYTES
    while True:
        opened.seek(at)
        data = opened.read(size)
        try:
            return _read_header(data)
        except (IndexError, ValueError) as error:
            if len(data) < size or size >= _MOST_HEADER_BYTES:
                raise pa.ArrowInvalid(f"a page's header is damaged: {error}") from error
        size *= 16


def _read_header(data: bytes) -> tuple[int, int, dict[int, int], int]:
    walk = Walk(data)
    header: dict[int, int] = {}
    inner: dict[int, dict[int, int]] = {}

    def read(kind: int) -> None:
        inner[kind] = {}
        walk.fields({}, integers=inner[kind])

    kinds = (_DATA, _DICTIONARY, _DATA_V2)
    walk.fields({kind: lambda kind=kind: read(kind) for kind in kinds}, integers=header)  # type: ignore[misc]
    if len(inner) != 1 or not {_TYPE, _EXPANDED, _COMPRESSED} <= set(header):
        raise ValueError("it is of no known kind")
    ((kind, numbers),) = inner.items()
    return walk.at, kind, header, numbers.get(_VALUES, -1)
