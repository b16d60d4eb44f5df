"""A batch decoded in segments: between them, sources that are done make room.

Batches come in few sizes, so that no graph is compiled for each number of sources: a batch is filled up with copies of
its first source, whose answers are dropped.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tasks.seq2seq.arrays.hashing import Hashes
from tasks.seq2seq.arrays.random_draws import drawn_numbers
from tasks.seq2seq.arrays.sequences import Rows
from tasks.seq2seq.models.decoding import Search, Segment, segment_steps
from tasks.seq2seq.models.hypotheses import Part
from tasks.seq2seq.models.tensors import Tensor

BATCH_SIZES = (1, 32, 256, 512)


def fitting_size(n: int, sizes: tuple[int, ...]) -> int:
    """The smallest of some sizes, ascending, that holds `n`."""
    return next(size for size in sizes if size >= n)


def filled(array: NDArray[Any], size: int) -> NDArray[Any]:
    """`array` `(n, ...)` with copies of its first row, `size` rows in all."""
    if len(array) == size:
        return array
    return np.concatenate([array, np.repeat(array[:1], size - len(array), axis=0)])


class SegmentDecoder:
    """Runs a search over batches of sources; threads may share one."""

    def __init__(
        self,
        encode: Callable[[Tensor], tuple[list[Tensor], list[Tensor]]],
        search: Search,
        start: int,
        source: tf.TensorSpec,
        *,
        sizes: tuple[int, ...] = BATCH_SIZES,
        xla: bool = False,
        draws: bool = False,
    ) -> None:
        """Takes what is run.

        Args:
            encode: sources to the decoder's first state and its memory, tensors `(sources, ...)`.
            search: the way to decode.
            start: the token that each sequence starts from.
            source: shape and type of the sources, any number of them.
            sizes: sources of a batch, ascending.
            xla: compile for every size and length of sources.
            draws: whether the search draws by numbers.
        """

        def begin(sources: Tensor, uniform: Tensor | None = None) -> tuple[Segment, list[Tensor], list[Tensor]]:
            state, memory = encode(sources)
            first = tf.fill((tf.shape(sources)[0],), start)
            return search.begin(state, memory, first, uniform), state, memory

        self._search, self._sizes = search, sizes
        self._steps = segment_steps(search.n_steps)
        self._options: dict[str, Any] = {"jit_compile": xla, "autograph": False}
        self._uniform = [tf.TensorSpec((None, self._steps), tf.float64)] if draws else []
        # One graph for all shapes: two of them need not agree to the last bit.
        self._begin = tf.function(begin, input_signature=[source, *self._uniform], **self._options)
        self._later: Any = None
        self._lock = threading.Lock()

    def decode(
        self, sources: NDArray[Any], keys: Hashes | None = None, *, with_states: bool = False
    ) -> tuple[list[Part], list[NDArray[np.float32]]]:
        """Decodes a batch.

        Args:
            sources: `(n, ...)`, at least one and at most the largest batch.
            keys: to draw by, one a source, `(n,)`.
            with_states: give the decoder's first state too.

        Returns:
            The segments, and the decoder's first state, arrays `(n, ...)`, or none.
        """
        rows: Rows = np.arange(len(sources))
        size = fitting_size(len(rows), self._sizes)
        segment, state, memory = self._begin(filled(sources, size), *self._numbers(keys, rows, 0, size))
        state = [part.numpy()[: len(rows)] for part in state] if with_states else []
        parts = [_on_host(segment, rows)]
        taken = parts[0].tokens.shape[2]
        while taken < self._search.n_steps:
            alive = np.flatnonzero(~segment.done.numpy()[: len(rows)])
            if not alive.size:
                break
            carry, memory, size = self._packed(segment.carry, memory, alive, len(rows), size)
            rows = rows[alive]
            segment = self._go_on()(carry, memory, tf.constant(taken), *self._numbers(keys, rows, taken, size))
            parts.append(_on_host(segment, rows))
            taken += parts[-1].tokens.shape[2]
        return parts, state

    def _packed(
        self, carry: list[Tensor], memory: list[Tensor], alive: Rows, n: int, size: int
    ) -> tuple[list[Tensor], list[Tensor], int]:
        """What the sources at `alive` of `n` go on from, as a batch of its own, their memory, and its size."""
        fitting = fitting_size(len(alive), self._sizes)
        if len(alive) == n and fitting == size:
            return carry, memory, size
        places = filled(alive, fitting)
        return [tf.gather(part, places) for part in carry], [tf.gather(part, places) for part in memory], fitting

    def _numbers(self, keys: Hashes | None, rows: Rows, taken: int, size: int) -> list[NDArray[np.float64]]:
        if keys is None:
            return []
        return [filled(drawn_numbers(keys[rows], taken, self._steps), size)]

    def _go_on(self) -> Any:  # noqa: ANN401
        with self._lock:
            if self._later is None:
                segment, _, memory = self._begin.get_concrete_function().structured_outputs
                specs = [[tf.TensorSpec(part.shape, part.dtype) for part in parts] for parts in (segment.carry, memory)]
                signature = [*specs, tf.TensorSpec((), tf.int32), *self._uniform]
                self._later = tf.function(self._search.go_on, input_signature=signature, **self._options)
            return self._later


def _on_host(segment: Segment, rows: Rows) -> Part:
    """The real sources of a segment, and the steps that were taken."""
    n, taken = len(rows), None if segment.taken is None else int(segment.taken)
    return Part(
        rows,
        segment.tokens.numpy()[:n, :, :taken],
        segment.scores.numpy()[:n, :, :taken],
        None if segment.origin is None else segment.origin.numpy()[:n],
    )
