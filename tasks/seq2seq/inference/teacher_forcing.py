"""Teacher-forced accuracy: how often the decoder is right where it is given the true tokens before."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tasks.seq2seq.arrays.sequences import Pairs
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.collate import training_batch
from tasks.seq2seq.models.decoding import MAX_LOGITS, split_encoded
from tasks.seq2seq.models.tensors import Tensor


class TeacherForced:
    """How many target tokens are right where the decoder is given the true ones before."""

    def __init__(self, encoder: keras.Model, decoder: keras.Model, codecs: Codecs) -> None:
        """Takes the inference models, whose target is tokens, and the codecs of both sides."""

        def count(source: Tensor, decoder_input: Tensor, target: Tensor, weights: Tensor) -> Tensor:
            state, memory = split_encoded(encoder(source), decoder)
            logits, *_ = decoder([decoder_input, *state, *memory])
            right = ops.equal(ops.cast(ops.argmax(logits, axis=-1), "int32"), target)
            if unknown is not None:  # the user's symbol was not produced
                right = ops.logical_and(right, ops.not_equal(target, unknown))
            return ops.sum(ops.cast(right, "float32") * weights)

        unknown = getattr(codecs.target, "unknown", None)
        self._codecs, self._vocabulary = codecs, decoder.outputs[0].shape[-1]
        self._count = tf.function(count, reduce_retracing=True)

    def count(self, pairs: Pairs) -> tuple[int, int]:
        """Right tokens and all tokens of some pairs, ends included."""
        right = total = 0.0
        for part in self._parts(pairs):
            batch = training_batch(part, self._codecs)
            right += float(self._count(*(tf.constant(array) for array in batch)))
            total += float(batch.weights.sum())
        return int(right), int(total)

    def _parts(self, pairs: Pairs) -> Iterator[Pairs]:
        order = np.argsort(pairs.target.lengths, kind="stable")
        first = 0
        while first < len(order):
            longest = int(pairs.target.lengths[order[min(first + 511, len(order) - 1)]]) + 1
            size = max(1, min(512, MAX_LOGITS // (longest * self._vocabulary)))
            yield pairs.take(order[first : first + size])
            first += size
