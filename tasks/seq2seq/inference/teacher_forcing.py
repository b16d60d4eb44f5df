"""Teacher-forced accuracy: how often the decoder is right where it is given the true tokens before."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tasks.seq2seq.arrays.sequences import Pairs
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.inference.batches import MOST_SCORES, MOST_SOURCES, padded_width
from tasks.seq2seq.inference.engine import Engine


class TeacherForced:
    """How many target tokens are right where the decoder is given the true ones before."""

    def __init__(self, engine: Engine, codecs: Codecs) -> None:
        """Takes the model, whose target is tokens, and the codecs of both sides."""
        self._engine, self._codecs = engine, codecs

    def count(self, pairs: Pairs) -> tuple[int, int]:
        """Right tokens and all tokens of some pairs, ends included."""
        counts = [self._count(part) for part in self._parts(pairs)]
        return sum(right for right, _ in counts), sum(n for _, n in counts)

    def _count(self, pairs: Pairs) -> tuple[int, int]:
        target = self._codecs.target
        forced = target.teacher_forcing(pairs.target)
        is_countable = forced.is_step.astype(np.bool_)
        n = int(is_countable.sum())
        if target.unknown is not None:  # the user's symbol was not produced
            is_countable &= forced.target != target.unknown
        steps = pairs.source.longest + self._codecs.source.has_end
        sources = self._codecs.source.source_array(pairs.source, padded_width(self._engine, steps))
        state, memory = self._engine.encode(sources)
        right = 0
        for i in range(forced.target.shape[1]):
            scores, state = self._engine.step(forced.decoder_input[:, i], state, memory)
            right += int(((scores.argmax(axis=1) == forced.target[:, i]) & is_countable[:, i]).sum())
        return right, n

    def _parts(self, pairs: Pairs) -> Iterator[Pairs]:
        order = np.argsort(pairs.target.lengths, kind="stable")
        size = max(1, min(MOST_SOURCES, MOST_SCORES // max(1, self._codecs.target.size)))
        for first in range(0, len(order), size):
            yield pairs.take(order[first : first + size])
