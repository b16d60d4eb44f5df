"""Quotes that end a field before its text does, found in the bytes of a CSV.

pyarrow's parser takes what follows a closing quote for the rest of the field, and drops the quotes: `"5" by 3"` comes
as `5 by 3"`. Here a character that nobody uses is put behind such a quote, so that its row can be told.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

_MARK = 0x10FE00
MARKS = "[\U0010fe00-\U0010fe7f]"
_LINE_ENDS = b"\r\n"


class QuoteMarker:
    """Follows the quotes of a file, piece by piece."""

    def __init__(self, delimiter: str, quote: str, escape: str | None = None) -> None:
        """Takes what is between fields, around them (nothing: there are no quotes), and before content."""
        self._ends = np.frombuffer(delimiter.encode() + _LINE_ENDS, np.uint8)
        self._quote = quote.encode()
        self._escaped = re.compile(re.escape(escape.encode()) + b"[\\s\\S]") if escape else None
        self._undecided = self._quote + (escape or "").encode()
        self._mark = chr(_MARK + ord(quote)).encode() if quote else b""
        self._held = b""
        self._before = _LINE_ENDS[-1:]
        self._is_open = False
        self.has_marks = False

    def mark(self, data: bytes, *, at_end: bool) -> bytes:
        """The next piece with its marks, without quotes at its end that only the next one explains."""
        data = self._held + data
        body = data if at_end else data.rstrip(self._undecided) if self._quote else data
        self._held = data[len(body) :]
        if self._quote and self._quote in body:
            bad = self._misplaced(self._plain(body))
            if bad:
                pieces = [body[first:last] for first, last in zip([0, *bad], [*bad, len(body)], strict=True)]
                marked = self._mark.join(pieces)
                self._before = body[-1:]
                self.has_marks = True
                return marked
        self._before = body[-1:] or self._before
        return body

    def _plain(self, body: bytes) -> bytes:
        """The piece without what an escape makes content; of the same length."""
        return self._escaped.sub(b"xx", body) if self._escaped else body

    def _misplaced(self, body: bytes) -> list[int]:
        """The places behind quotes that close a field which goes on."""
        data = np.frombuffer(body, np.uint8)
        at = np.flatnonzero(data == self._quote[0])
        begins = np.flatnonzero(np.diff(at, prepend=at[0] - 2) != 1)  # of runs of quotes
        first = at[begins]
        n = np.diff(np.append(begins, len(at)))
        after = first + n
        padded = np.concatenate([np.frombuffer(self._before, np.uint8), data, np.frombuffer(_LINE_ENDS, np.uint8)[:1]])
        starts, ends = np.isin(padded[first], self._ends), np.isin(padded[after + 1], self._ends)
        is_open = (np.cumsum(n) - n + self._is_open) % 2 == 1
        is_odd = n % 2 == 1
        is_content = ~is_open & ~starts
        if not is_content.any():
            closes = (is_open == is_odd) & ~ends
            self._is_open = bool((int(n.sum()) + self._is_open) % 2)
            return [int(place) for place in after[closes]]
        return self._followed(starts, ends, is_odd, after)

    def _followed(
        self, starts: NDArray[np.bool_], ends: NDArray[np.bool_], is_odd: NDArray[np.bool_], after: NDArray[np.intp]
    ) -> list[int]:
        """The same run by run, where some quotes are content of fields that are not quoted."""
        bad, is_open = [], self._is_open
        for begins, is_end, odd, place in zip(
            starts.tolist(), ends.tolist(), is_odd.tolist(), after.tolist(), strict=True
        ):
            if not is_open and not begins:
                continue
            if is_open == odd and not is_end:
                bad.append(place)
            is_open ^= odd
        self._is_open = is_open
        return bad


def without_marks(text: str) -> str:
    """The text with the quotes that were marked, and would be lost."""
    return re.sub(MARKS, lambda found: chr(ord(found[0]) - _MARK), text)
