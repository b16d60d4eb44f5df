"""What a model attends to: of each step of some predictions, the weights of the source's steps."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Pairs
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.collate import training_batch

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
    encoder: keras.Model, decoder: keras.Model, codecs: Codecs, pairs: Pairs, ended: NDArray[np.bool_] | None = None
) -> list[AttentionMap]:
    """The weights by which predictions were made, whatever searched for them.

    The decoder is given what was predicted, a step later, as while it was predicted: it then attends as it did.

    Args:
        encoder: the inference encoder.
        decoder: the inference decoder; the weights are the last of its outputs.
        codecs: of both sides.
        pairs: sources and their predictions, as the codecs encode them.
        ended: which predictions ended by themselves, `(n,) bool`; others were cut, and their end was never said.
            None: all.

    Returns:
        As many as there are pairs; none of a model without attention.
    """
    if not _attends(decoder):
        return []
    specs = [tf.TensorSpec(model.inputs[0].shape, model.inputs[0].dtype) for model in (encoder, decoder)]
    attend = tf.function(
        lambda source, given: decoder([given, *encoder(source)])[-1], input_signature=specs, autograph=False
    )
    maps = []
    for i in range(len(pairs)):  # alone, so that nothing is padded
        batch = training_batch(pairs.part(i, i + 1), codecs)
        weights = attend(batch.source, batch.decoder_input)
        source, predicted = codecs.source.label_steps(batch.source[0]), codecs.target.label_steps(batch.target[0])
        if ended is not None and not ended[i]:
            predicted = predicted[:-1]
        maps.append(AttentionMap(source, predicted, weights.numpy()[0, : len(predicted)]))
    return maps


def _attends(decoder: keras.Model) -> bool:
    """Whether the decoder takes a memory."""
    return any(part.name.startswith("memory") for part in decoder.inputs)
