"""Columns of kinds, such as regions: their values numbered as they come, and in the order of their names in the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Rows
from tasks.seq2seq.errors import DataError
from tasks.storage.ingest.reasons import FINE, NULL, Reasons
from tasks.storage.ingest.series_names import trimmed_texts

MOST = 1_000  # of a column, each of which is a feature of every step
Column = str | int


class Categories:
    """The values of such columns.

    Args:
        columns: those that there are.
        known: the values of each that training found, by the column's name.
    """

    def __init__(self, columns: Sequence[Column], known: Mapping[str, Sequence[str]] | None = None) -> None:
        found = known or {}
        self._numbers: dict[Column, dict[str, int]] = {
            column: {text: i for i, text in enumerate(found.get(str(column), ()))} for column in columns
        }

    def codes(
        self, column: Column, values: pa.ChunkedArray, path: str, *, learn: bool
    ) -> tuple[NDArray[np.float64], Reasons]:
        """A number for each value, `(n,)`, and why some have none: nulls. -1 is a value that training has not seen.

        Args:
            column: whose values they are.
            values: some of them.
            path: of their file, for messages.
            learn: whether new ones are numbered.

        Raises:
            DataError: there are more values than anybody has kinds.
        """
        encoded, numbers = trimmed_texts(values).dictionary_encode(), self._numbers[column]
        texts = encoded.dictionary.to_pylist()
        if learn:
            for text in texts:
                numbers.setdefault(text, len(numbers))
            self._check(column, path)
        of_texts = np.array([*(numbers.get(text, -1) for text in texts), -1], np.float64)
        at = encoded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)
        return of_texts[at], np.where(at == len(texts), NULL, FINE).astype(np.int8)

    def _check(self, column: Column, path: str) -> None:
        if len(self._numbers[column]) > MOST:
            raise DataError(
                f"{path}: column {str(column)!r} of data.static_categories has more than {MOST:,} different values; a "
                f"kind that few series share says nothing of new ones: name ids in data.series, and numbers in "
                f"data.static"
            )

    @property
    def names(self) -> dict[str, list[str]]:
        """The values of each column in the order of their features."""
        return {str(column): sorted(numbers) for column, numbers in self._numbers.items()}

    def features(self, column: Column, codes: Rows) -> NDArray[np.float64]:
        """1 in place of each value among the names of its column, `(n, names)`; 0 of what is not known."""
        places = {text: i for i, text in enumerate(self.names[str(column)])}
        place = np.array([*(places[text] for text in self._numbers[column]), -1], np.int64)[codes]
        result: NDArray[np.float64] = (place[:, None] == np.arange(len(places))).astype(np.float64)
        return result
