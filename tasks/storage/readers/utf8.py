"""Bytes that are meant to be UTF-8, mended so that pyarrow's CSV reader takes them all.

It cannot hand over a rejected row with a byte that is no UTF-8, and ends instead. Such bytes pass through it as
characters that nobody uses (the end of the last private plane of Unicode); a row that holds one is a reject.
"""

from __future__ import annotations

import codecs
import re

import pyarrow as pa

_STAND_IN = 0x10FF00
STAND_INS = "[\U0010ff80-\U0010ffff]"
_LONE_SURROGATES = {0xDC00 + byte: _STAND_IN + byte for byte in range(0x80, 0x100)}


class Utf8Stream:
    r"""A stream of bytes as pyarrow reads it: always UTF-8, and with a last record of our own.

    A piece never ends between `\r` and `\n`: pyarrow would lose the latter in a quoted field.
    """

    closed = False

    def __init__(self, opened: pa.NativeFile, last: str) -> None:
        self._opened = opened
        self._last = f"{last}\n".encode()
        self._is_line_open = False
        self._held = b""  # of the last piece, to be decoded with the next
        self._ready = b""
        self.has_stand_ins = False

    def read(self, n: int) -> bytes:
        """Gives n bytes, or one less; fewer at the end. Short pieces amid a long record would be errors to pyarrow."""
        while len(self._ready) < n and self._last:
            self._refill(n)
        end = n - 1 if self._ready[n - 1 : n] == b"\r" else n
        given, self._ready = self._ready[:end], self._ready[end:]
        return given

    def _refill(self, n: int) -> None:
        piece = self._opened.read(n - len(self._held))
        data = self._held + piece
        body, used, stands_in = valid_utf8(data, at_end=not piece)
        self._ready += body
        if body:
            self._is_line_open = not body.endswith((b"\n", b"\r"))
        self._held = data[used:]
        self.has_stand_ins |= stands_in
        if not piece:
            self._ready += b"\n" * self._is_line_open + self._last
            self._last = b""

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
    r"""The text with `\xNN` for each byte that was no UTF-8."""
    return re.sub(STAND_INS, lambda found: f"\\x{ord(found[0]) - _STAND_IN:02x}", text)
