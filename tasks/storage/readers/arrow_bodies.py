"""What the compressed bodies of an Arrow file say of their own size: some kilobytes may expand to gigabytes.

pyarrow makes room for as many bytes as stand before each compressed buffer, all those of a batch at once. Where the
buffers are is in Flatbuffers, of which as much is read here as leads there.
https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc,
https://flatbuffers.dev/internals/
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa

from tasks.seq2seq.errors import DataError
from tasks.storage.files.limits import EXPANDED_BYTES

_TAIL = struct.Struct("<i6s")  # the footer's length, and the file's last bytes
_DICTIONARIES, _BATCHES = 2, 3  # fields of the footer
_HEADER_TYPE, _HEADER = 1, 2  # of a message
_OF_DICTIONARY, _OF_BATCH = 2, 3  # types of a message's header
_LENGTH, _BUFFERS, _COMPRESSION = 0, 2, 3  # of a batch
_DATA = 1  # of a dictionary: its batch
_BLOCK, _BUFFER, _SIZE = struct.Struct("<qi4xq"), struct.Struct("<qq"), struct.Struct("<q")
_CONTINUED = 0xFFFFFFFF


class _Message(NamedTuple):
    """A message's metadata, and where its body begins in the file."""

    metadata: bytes
    body: int


def check_bodies(opened: pa.NativeFile, *, is_stream: bool) -> None:
    """Refuses batches and dictionaries that expand to more than a reader should make room for.

    Raises:
        DataError: they do.
        pa.ArrowInvalid: the metadata that leads to them is damaged.
    """
    dictionaries = 0
    try:
        for message in _in_stream(opened) if is_stream else _in_file(opened):
            is_dictionary, size = _expanded(opened, message)
            dictionaries += size if is_dictionary else 0
            if max(size, dictionaries) > EXPANDED_BYTES:
                what = "dictionaries" if is_dictionary else "a batch"
                raise DataError(
                    f"it holds {what} that expand to {max(size, dictionaries):,} bytes at once, and the most that a "
                    f"reader takes are {EXPANDED_BYTES:,}; write it in smaller batches"
                )
    except (struct.error, IndexError) as error:
        raise pa.ArrowInvalid(f"its metadata is damaged: {error}") from error
    opened.seek(0)


def count_rows(opened: pa.NativeFile) -> int:
    """The rows of all batches of a file, no stream, by their metadata; pyarrow's own count of a damaged one may crash.

    Raises:
        pa.ArrowInvalid: the metadata is damaged.
    """
    try:
        roots = [_Table.root(message.metadata) for message in _in_file(opened)]
        batches = [root.table(_HEADER) for root in roots if root.byte(_HEADER_TYPE) == _OF_BATCH]
        rows = sum(batch.long(_LENGTH) for batch in batches if batch)
    except (struct.error, IndexError) as error:
        raise pa.ArrowInvalid(f"its metadata is damaged: {error}") from error
    opened.seek(0)
    return rows


def _in_file(opened: pa.NativeFile) -> Iterator[_Message]:
    """The dictionaries and batches that the footer leads to."""
    size = opened.size()
    length, _ = _TAIL.unpack(_read(opened, size - _TAIL.size, _TAIL.size))
    footer = _Table.root(_read(opened, size - _TAIL.size - length, length))
    for field in (_DICTIONARIES, _BATCHES):
        for at, n_metadata, _ in footer.structures(field, _BLOCK):
            head = _read(opened, at, 8)
            skipped = 8 if _u32(head, 0) == _CONTINUED else 4  # files of before Arrow 0.15 have the length only
            yield _Message(_read(opened, at + skipped, n_metadata - skipped), at + n_metadata)


def _in_stream(opened: pa.NativeFile) -> Iterator[_Message]:
    """The messages one behind the other; their bodies are passed over."""
    at = 0
    while True:
        head = _read(opened, at, 8)
        is_continued = _u32(head, 0) == _CONTINUED
        length, skipped = _u32(head, 4 if is_continued else 0), 8 if is_continued else 4
        if not length:
            return
        message = _Message(_read(opened, at + skipped, length), at + skipped + length)
        yield message
        at = message.body + _Table.root(message.metadata).long(3)


def _expanded(opened: pa.NativeFile, message: _Message) -> tuple[bool, int]:
    """Whether a message is a dictionary, and the bytes that its compressed buffers expand to."""
    root = _Table.root(message.metadata)
    kind, batch = root.byte(_HEADER_TYPE), root.table(_HEADER)
    if kind == _OF_DICTIONARY and batch:
        batch = batch.table(_DATA)
    if kind not in (_OF_DICTIONARY, _OF_BATCH) or batch is None or batch.table(_COMPRESSION) is None:
        return False, 0
    n_bytes = 0
    for at, length in batch.structures(_BUFFERS, _BUFFER):
        if length >= _SIZE.size:
            (size,) = _SIZE.unpack(_read(opened, message.body + at, _SIZE.size))
            n_bytes += length if size < 0 else size  # -1: as it is
    return kind == _OF_DICTIONARY, n_bytes


class _Table(NamedTuple):
    """A table of Flatbuffers."""

    data: bytes
    at: int

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, _u32(data, 0))

    def _field(self, number: int) -> int | None:
        """Where a field's value stands; None of one that is not there."""
        vtable = self.at - struct.unpack_from("<i", self.data, self.at)[0]
        if vtable < 0 or 4 + 2 * number >= _u16(self.data, vtable):
            return None
        offset = _u16(self.data, vtable + 4 + 2 * number)
        return self.at + offset if offset else None

    def byte(self, number: int) -> int:
        at = self._field(number)
        return 0 if at is None else self.data[at]

    def long(self, number: int) -> int:
        at = self._field(number)
        return 0 if at is None else max(0, int(_SIZE.unpack_from(self.data, at)[0]))

    def table(self, number: int) -> _Table | None:
        at = self._field(number)
        return None if at is None else _Table(self.data, at + _u32(self.data, at))

    def structures(self, number: int, kind: struct.Struct) -> Iterator[tuple[int, ...]]:
        at = self._field(number)
        if at is None:
            return
        at += _u32(self.data, at)
        for i in range(_u32(self.data, at)):
            yield kind.unpack_from(self.data, at + 4 + i * kind.size)


def _u16(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<H", data, at)[0])


def _u32(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<I", data, at)[0])


def _read(opened: pa.NativeFile, at: int, n: int) -> bytes:
    """Exactly so many bytes of a file."""
    if at < 0 or n < 0 or at + n > opened.size():
        raise IndexError("it leads out of the file")
    opened.seek(at)
    data: bytes = opened.read(n)
    return data
