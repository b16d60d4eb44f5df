"""What a model attends to: of each step of some predictions, the weights of the source's steps."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Pairs
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.collate import training_batch
from tasks.seq2seq.inference.engine import Engine

DECIMALS = 4


class AttentionMap(NamedTuple):
    """The weights of one prediction.

    source, predicted: how each time step is written, the end included; of vectors their numbers, from 1.
    weights: `(predicted, source) float32`; each row adds up to 1.
    """

    source: list[str]
    predicted: list[str]
    weights: NDArray[np.float32]

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary, the weights rounded."""
        rows = [[round(weight, DECIMALS) for weight in row] for row in self.weights.tolist()]
        return {"source": self.source, "predicted": self.predicted, "weights": rows}


def map_attention(
    engine: Engine, codecs: Codecs, pairs: Pairs, ended: NDArray[np.bool_] | None = None
) -> list[AttentionMap]:
    """The weights by which predictions were made, whatever searched for them.

    The decoder is given what was predicted, a step later, as while it was predicted: it then attends as it did.

    Args:
        engine: the model.
        codecs: of both sides.
        pairs: sources and their predictions, as the codecs encode them.
        ended: which predictions ended by themselves, `(n,) bool`; others were cut, and their end was never said.
            None: all.

    Returns:
        As many as there are pairs; none of a model without attention.
    """
    if not engine.attends:
        return []
    maps = []
    for i in range(len(pairs)):  # alone, so that nothing is padded
        batch = training_batch(pairs.part(i, i + 1), codecs)
        state, memory = engine.encode(batch.source)
        weights = []
        for fed in batch.decoder_input[0]:
            now, state = engine.attend(np.array([fed]), state, memory)
            weights.append(now[0])
        source, predicted = codecs.source.label_steps(batch.source[0]), codecs.target.label_steps(batch.target[0])
        if ended is not None and not ended[i]:
            predicted = predicted[:-1]
        maps.append(AttentionMap(source, predicted, np.array(weights)[: len(predicted), : len(source)]))
    return maps
