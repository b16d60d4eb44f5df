"""What training data looks like: lengths and symbol counts, kept with the model to compare later data."""

from __future__ import annotations

from typing import Any

import numpy as np

from tasks.seq2seq.problems import Ids
from tasks.seq2seq.sampling import Pairs


class Profile:
    """Counts the lengths and ids of the pairs that pass by."""

    def __init__(self, source_vocabulary: int, target_vocabulary: int) -> None:
        """Takes the number of ids of each side."""
        self._counts = {
            "source": np.zeros(source_vocabulary, np.int64),
            "target": np.zeros(target_vocabulary, np.int64),
        }
        self._lengths: dict[str, dict[int, int]] = {"source": {}, "target": {}}
        self.rows = 0

    def add(self, pairs: Pairs) -> None:
        """Counts a block of pairs."""
        self.rows += len(pairs)
        self._add("source", pairs.source)
        self._add("target", pairs.target)

    def _add(self, side: str, ids: Ids) -> None:
        self._counts[side] += np.bincount(ids.ravel(), minlength=len(self._counts[side]))
        lengths = self._lengths[side]
        lengths[ids.shape[1]] = lengths.get(ids.shape[1], 0) + len(ids)

    def to_json(self) -> dict[str, Any]:
        """Rows, and for each side how often each length and each id occurs."""
        return {
            "rows": self.rows,
            **{
                side: {
                    "lengths": {str(length): n for length, n in self._lengths[side].items()},
                    "id_counts": self._counts[side].tolist(),
                }
                for side in self._counts
            },
        }
