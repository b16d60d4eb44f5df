"""Bytes of text in any encoding as UTF-8, mended so that pyarrow's CSV reader takes them all.

It cannot hand over a rejected row with a byte that is not UTF-8, and ends instead. Such bytes pass through it as
characters that nobody uses (the end of the last private plane of Unicode); a row that holds one is a reject.
"""

from __future__ import annotations

import codecs
import re
import threading
from typing import Protocol

import pyarrow as pa

from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.dialect import Dialect
from tasks.storage.files.limits import BLANK_BYTES

_STAND_IN = 0x10FF00
STAND_INS = "[\U0010ff00-\U0010ffff]"
_LONE_SURROGATES = {0xDC00 + byte: _STAND_IN + byte for byte in range(0x80, 0x100)}
_ERRORS = "seq2seq.stand_in"
_BLANK = b" \t\r\n\0"  # in UTF-16, every other byte is a zero
_PIECE_BYTES = 2**20  # what is looked at in one piece; arrays of its quotes take a hundred times of that


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(_STAND_IN + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_ERRORS, _stand_in)


class Decoder:
    """Bytes of an encoding as UTF-8, piece by piece, without a byte order mark."""

    def __init__(self, encoding: str) -> None:
        """Takes the name of a codec for text."""
        self._is_utf8 = Dialect(encoding=encoding).is_utf8
        self._decoder = codecs.getincrementaldecoder(encoding)(_ERRORS)
        self._held = b""  # of the last piece, to be decoded with the next
        self._is_first = True
        self.has_stand_ins = False

    def decode(self, piece: bytes, *, at_end: bool) -> bytes:
        """The next piece, without the beginning of a character that is not whole yet."""
        body = self._checked(piece, at_end) if self._is_utf8 else self._decoded(piece, at_end)
        if self._is_first and body:
            self._is_first = False
            return body.removeprefix(codecs.BOM_UTF8)
        return body

    def _checked(self, piece: bytes, at_end: bool) -> bytes:
        data = self._held + piece
        body, used, stands_in = valid_utf8(data, at_end=at_end)
        self._held = data[used:]
        self.has_stand_ins |= stands_in
        return body

    def _decoded(self, piece: bytes, at_end: bool) -> bytes:
        text = self._decoder.decode(piece, at_end)
        self.has_stand_ins |= bool(re.search(STAND_INS, text))
        return text.encode(errors="backslashreplace")  # some codecs give halves of surrogate pairs


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, n: int, /) -> bytes:
        """At most n bytes; none at the end."""


class DecodedStream:
    """The bytes of a stream as UTF-8."""

    def __init__(self, opened: Readable, encoding: str) -> None:
        """Takes the stream, and the name of its encoding."""
        self._opened = opened
        self._decoder = Decoder(encoding)

    def read(self, n: int) -> bytes:
        """About n bytes; none at the end."""
        while piece := self._opened.read(n):
            if body := self._decoder.decode(piece, at_end=False):
                return body
        return self._decoder.decode(b"", at_end=True)


class Marker(Protocol):
    """What marks places in a text that a parser would read in silence."""

    @property
    def has_marks(self) -> bool:
        """Whether it marked any yet."""

    def mark(self, data: bytes, *, at_end: bool) -> bytes:
        """The next piece with its marks."""


class Blanks:
    """Counts blank lines that follow one another: a gigabyte of them is a megabyte of gzip."""

    def __init__(self, path: str) -> None:
        """Takes the file's path, for the message."""
        self._path = path
        self._n = 0

    def see(self, piece: bytes) -> None:
        """Takes the next piece.

        Raises:
            DataError: there are too many of them.
        """
        self._n = 0 if piece.strip(_BLANK) else self._n + len(piece)
        if self._n > BLANK_BYTES:
            raise DataError(
                f"{self._path} has {BLANK_BYTES // 2**20} MiB of blank lines one after the other, the most that a file "
                f"may have; is it damaged?"
            )


class CsvStream:
    r"""A stream of bytes as pyarrow reads it: always UTF-8, and with a last record of our own.

    A piece never ends between `\r` and `\n`: pyarrow would lose the latter in a quoted field.
    """

    closed = False

    def __init__(self, path: str, opened: pa.NativeFile, last: str, encoding: str, marker: Marker) -> None:
        """Takes the file and its stream, the last record, the stream's encoding, and what marks misplaced quotes."""
        self._blanks = Blanks(path)
        self._reading = threading.Lock()
        self._opened = opened
        self._last = f"{last}\n".encode()
        self._decoder = Decoder(encoding)
        self._marker = marker
        self._is_line_open = False
        self._ready = b""

    @property
    def has_stand_ins(self) -> bool:
        """Whether anything yet could not be decoded."""
        return self._decoder.has_stand_ins

    @property
    def has_marks(self) -> bool:
        """Whether any quote yet is misplaced."""
        return self._marker.has_marks

    def read(self, n: int) -> bytes:
        """Gives n bytes, or one less; fewer at the end. Short pieces amid a long record would be errors to pyarrow."""
        with self._reading:
            while len(self._ready) < n and self._last:
                self._refill(n)
            end = n - 1 if self._ready[n - 1 : n] == b"\r" else n
            given, self._ready = self._ready[:end], self._ready[end:]
            return given

    def _refill(self, n: int) -> None:
        piece = self._opened.read(min(n, _PIECE_BYTES))
        self._blanks.see(piece)
        body = self._marker.mark(self._decoder.decode(piece, at_end=not piece), at_end=not piece)
        self._ready += body
        if body:
            self._is_line_open = not body.endswith((b"\n", b"\r"))
        if not piece:
            self._ready += b"\n" * self._is_line_open + self._last
            self._last = b""

    def end(self) -> None:
        """Gives nothing from now on, and waits for what is being read: a thread must not outlive the process."""
        with self._reading:
            self._last = self._ready = b""

    def readable(self) -> bool:
        """Yes."""
        return True

    def writable(self) -> bool:
        """No."""
        return False

    def seekable(self) -> bool:
        """No."""
        return False

    def close(self) -> None:
        """Leaves the stream to whoever opened it."""


def valid_utf8(data: bytes, at_end: bool) -> tuple[bytes, int, bool]:
    """The bytes with stand-ins where they are no UTF-8, how many were used, and whether there are stand-ins."""
    try:
        _, used = codecs.utf_8_decode(data, "strict", at_end)
    except UnicodeDecodeError:
        text, used = codecs.utf_8_decode(data, "surrogateescape", at_end)
        return text.translate(_LONE_SURROGATES).encode(), used, True
    return data[:used], used, False


def restored(text: str) -> str:
    r"""The text with `\xNN` for each byte that could not be decoded."""
    return re.sub(STAND_INS, lambda found: f"\\x{ord(found[0]) - _STAND_IN:02x}", text)
