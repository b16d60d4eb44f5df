"""Which series there are: numbered in the order in which they first come, each with its name and its rows counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.storage.ingest.reasons import FINE, NULL, Reasons

Numbers = NDArray[np.int64]
_BETWEEN = "\x1f"  # of several ids of a row


class SeriesNames:
    """The series of all files.

    Attributes:
        keys: the setting of `[data]` that each was found through.
        files: the file that each first came in.
        ids: its ids as text, one for each column; none where each file is a series.
    """

    def __init__(self) -> None:
        """Starts with none."""
        self.keys: list[str] = []
        self.files: list[str] = []
        self.ids: list[tuple[str, ...]] = []
        self._numbers: dict[str, int] = {}
        self._counts = {name: np.zeros(0, np.int64) for name in ("read", "rejected")}

    def __len__(self) -> int:
        return len(self.keys)

    def number_of_file(self, key: str, file: str) -> int:
        """The number of a file that is a series, a new one each time."""
        return self._add(key, file, ())

    def numbers(self, key: str, file: str, columns: Sequence[pa.ChunkedArray]) -> tuple[Numbers, Reasons]:
        """The number of the series of each row, `(n,)`, -1 of those without an id, and why these have none."""
        texts = [trimmed_texts(column) for column in columns]
        joined = (
            texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, pa.scalar(_BETWEEN, pa.large_string()))
        )
        encoded = joined.dictionary_encode()
        known = [self._numbered(key, file, text) for text in encoded.dictionary.to_pylist()]
        indices = encoded.indices.fill_null(len(known)).to_numpy(zero_copy_only=False)
        numbers: Numbers = np.array([*known, -1], np.int64)[indices]
        return numbers, np.where(numbers < 0, NULL, FINE).astype(np.int8)

    def _numbered(self, key: str, file: str, text: str) -> int:
        name = f"{key}{_BETWEEN}{text}"
        if name not in self._numbers:
            self._numbers[name] = self._add(key, file, tuple(text.split(_BETWEEN)))
        return self._numbers[name]

    def _add(self, key: str, file: str, ids: tuple[str, ...]) -> int:
        self.keys.append(key)
        self.files.append(file)
        self.ids.append(ids)
        return len(self.keys) - 1

    def count(self, what: str, numbers: NDArray[Any]) -> None:
        """Counts rows that were `read` or `rejected`, by their series; those of none are left out."""
        found = np.bincount(numbers[numbers >= 0], minlength=len(self))
        found[: len(self._counts[what])] += self._counts[what]
        self._counts[what] = found

    def counted(self, what: str) -> Numbers:
        """What was counted of each series, `(series,)`."""
        counts = self._counts[what]
        return np.concatenate([counts, np.zeros(len(self) - len(counts), np.int64)])

    def numbers_of_ids(self) -> Numbers:
        """A number for the ids of each series, `(series,)`, from 1; the same for those of one that two splits have."""
        known: dict[tuple[str, ...], int] = {}
        return np.array([known.setdefault(ids, len(known) + 1) for ids in self.ids], np.int64)

    def title(self, number: int) -> str:
        """What a series is called in messages."""
        return " / ".join(self.ids[number]) or self.files[number]


def trimmed_texts(column: pa.ChunkedArray) -> pa.Array:
    """Values as text, without space around it; null where nothing is left."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    text = array.cast(pa.large_string())
    text = pc.utf8_trim_whitespace(text)
    text = pc.replace_substring(text, _BETWEEN, "")
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, text.type), text)
