"""Attention over the encoder's outputs, a layer that Keras does not have.

Importing this module registers it, so that a saved model loads without custom objects.

Source: M.-T. Luong, H. Pham, C. D. Manning, "Effective approaches to attention-based neural machine translation"
(2015), for the attentional vector; those of the scores are in `tasks.seq2seq.models.attention_scores`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras import layers, ops

from tasks.seq2seq.models.attention_scores import SCORES
from tasks.seq2seq.models.tensors import Tensor


class Attended(NamedTuple):
    """What comes of attending.

    vector: the attentional one, tanh(W [context; query]), `(batch, target_length, units)`.
    weights: of the source steps, `(batch, target_length, source_length) float32`, 0 on padding, in all 1.
    """

    vector: Tensor
    weights: Tensor


@keras.saving.register_keras_serializable(package="seq2seq")
class GlobalAttention(layers.Layer):
    """Attends to all steps of the source that are there.

    Called with `[query, memory, mask]`: `(batch, target_length, units)`, `(batch, source_length, features)` and
    `(batch, source_length) bool`. With a score that has keys, these, `(batch, source_length, units)`, stand before the
    mask.
    """

    def __init__(self, units: int, score: str, **options: Any) -> None:  # noqa: ANN401 - Keras' own
        """Takes the width of queries and of the attentional vector, and the score: a name as `model.attention`."""
        super().__init__(**options)
        self.units, self.score = units, score

    def build(self, input_shape: list[tuple[Any, ...]]) -> None:
        """Makes the weights."""
        features = input_shape[1][-1]
        for name, shape in SCORES[self.score].weights(self.units, features).items():
            setattr(self, name, self.add_weight(shape=shape, name=name))
        self.kernel = self.add_weight(shape=(features + self.units, self.units), name="kernel")

    def call(self, inputs: list[Tensor]) -> Attended:
        """The attentional vectors and the weights."""
        query, memory, *keys, mask = inputs
        scores = tf.cast(self._scores(query, memory, keys[0] if keys else None), tf.float32)
        weights = tf.nn.softmax(tf.where(tf.expand_dims(mask, 1), scores, scores.dtype.min))  # batch x target x source
        context = tf.matmul(tf.cast(weights, memory.dtype), memory)
        vector = tf.tanh(ops.matmul(tf.concat([context, query], axis=-1), self.kernel))
        return Attended(vector, weights)

    def _scores(self, query: Tensor, memory: Tensor, keys: Tensor | None) -> Tensor:
        """How well each query fits each step of the memory, `(batch, target_length, source_length)`."""
        score = SCORES[self.score]
        weights = {name: getattr(self, name) for name in score.weights(self.units, memory.shape[-1])}
        return score.compare(query, memory, keys, weights)

    def compute_output_spec(self, inputs: list[Tensor]) -> Attended:
        """Shapes and types of what `call` gives."""
        query, memory, *_ = inputs
        return Attended(
            keras.KerasTensor(query.shape, self.compute_dtype),
            keras.KerasTensor((*query.shape[:2], memory.shape[1]), "float32"),
        )

    def get_config(self) -> dict[str, Any]:
        """What the layer is made again from."""
        return {**super().get_config(), "units": self.units, "score": self.score}
