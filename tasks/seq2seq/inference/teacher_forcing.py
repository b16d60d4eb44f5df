"""Teacher-forced accuracy: how often the decoder is right where it is given the true tokens before."""

from __future__ import annotations

import numpy as np

from tasks.seq2seq.arrays.sequences import Pairs
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.inference.batches import MOST_SCORES, MOST_SOURCES, batches
from tasks.seq2seq.inference.engine import Engine


class TeacherForced:
    """How many target tokens are right where the decoder is given the true ones before.

    Sources are batched as those of predictions are, so that what is said of a pair does not depend on the others.
    """

    def __init__(self, engine: Engine, codecs: Codecs) -> None:
        """Takes the model, whose target is tokens, and the codecs of both sides."""
        self._engine, self._codecs = engine, codecs

    def count(self, pairs: Pairs) -> tuple[int, int]:
        """Right tokens and all tokens of some pairs, ends included."""
        source, target = self._codecs.source, self._codecs.target
        pairs = pairs.take(np.lexsort((pairs.target.lengths, pairs.source.lengths)))
        most = max(1, min(MOST_SOURCES, MOST_SCORES // max(1, target.size)))
        found = batches(self._engine, pairs.source.lengths + source.has_end, most)
        counts = [self._count(pairs.part(batch.part.start, batch.part.stop), batch.width) for batch in found]
        return sum(right for right, _ in counts), sum(n for _, n in counts)

    def _count(self, pairs: Pairs, width: int) -> tuple[int, int]:
        target = self._codecs.target
        forced = target.teacher_forcing(pairs.target)
        is_countable = forced.is_step.astype(np.bool_)
        n = int(is_countable.sum())
        if target.unknown is not None:  # the user's symbol was not produced
            is_countable &= forced.target != target.unknown
        state, memory = self._engine.encode(self._codecs.source.source_array(pairs.source, width))
        right = 0
        for i in range(forced.target.shape[1]):
            scores, state = self._engine.step(forced.decoder_input[:, i], state, memory)
            right += int(((scores.argmax(axis=1) == forced.target[:, i]) & is_countable[:, i]).sum())
        return right, n
