"""What training data looks like: lengths and symbol counts, kept with the model to compare later data."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Pairs, Sequences
from tasks.seq2seq.data.codecs import Codecs


class Profile:
    """Counts the lengths of the pairs that pass by, and the ids of their tokens; a scaling knows its own ranges."""

    def __init__(self, codecs: Codecs) -> None:
        """Takes what the pairs are encoded with."""
        self.rows = 0
        self._counts = {
            side: np.zeros(codec.size, np.int64)
            for side, codec in (("source", codecs.source), ("target", codecs.target))
            if codec.is_tokens
        }
        self._lengths = {"source": np.zeros(0, np.int64), "target": np.zeros(0, np.int64)}

    def add(self, pairs: Pairs) -> None:
        """Counts a block of pairs."""
        self.rows += len(pairs)
        self._add("source", pairs.source)
        self._add("target", pairs.target)

    def _add(self, side: str, sequences: Sequences) -> None:
        lengths = np.bincount(sequences.lengths, minlength=len(self._lengths[side]))
        lengths[: len(self._lengths[side])] += self._lengths[side]
        self._lengths[side] = lengths
        if side in self._counts:
            steps = sequences.values[sequences.offsets[0] : sequences.offsets[-1]]
            self._counts[side] += np.bincount(steps, minlength=len(self._counts[side]))

    def add_windows(self, side: str, length: int, n: int, steps: NDArray[np.int32], times: NDArray[np.int64]) -> None:
        """Counts windows of one length of which the steps are stored once.

        Args:
            side: source or target.
            length: time steps of each window.
            n: how many windows there are.
            steps: ids `(steps,)`; of vectors nothing is counted.
            times: how many windows each step is in, `(steps,)`.
        """
        if side == "source":
            self.rows += n
        lengths = np.zeros(max(length + 1, len(self._lengths[side])), np.int64)
        lengths[: len(self._lengths[side])] = self._lengths[side]
        lengths[length] += n
        self._lengths[side] = lengths
        if side in self._counts:
            counts = np.bincount(steps, times, minlength=len(self._counts[side]))
            self._counts[side] += counts.astype(np.int64)

    def to_json(self) -> dict[str, Any]:
        """Rows, and for each side how often each length occurs, and each id where it has any."""
        sides = {
            side: {"lengths": {str(length): int(lengths[length]) for length in np.flatnonzero(lengths)}}
            for side, lengths in self._lengths.items()
        }
        counts = {side: {"id_counts": ids.tolist()} for side, ids in self._counts.items()}
        return {"rows": self.rows, **{side: {**sides[side], **counts.get(side, {})} for side in sides}}
