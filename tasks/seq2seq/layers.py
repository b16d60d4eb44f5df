"""The layers that Keras does not have: attention over the encoder's outputs, and a decoder that is fed with it.

Importing this module registers them, so that a saved model loads without custom objects.

Sources: M.-T. Luong, H. Pham, C. D. Manning, "Effective approaches to attention-based neural machine translation"
(2015), for the scores `dot` and `general`, the attentional vector and input feeding; D. Bahdanau, K. Cho, Y. Bengio,
"Neural machine translation by jointly learning to align and translate" (2015), for the additive score.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras import layers, ops

Tensor = Any  # a symbolic or eager Keras tensor: Keras ships no types

CELLS = {"lstm": layers.LSTMCell, "gru": layers.GRUCell}
STATES = {"lstm": 2, "gru": 1}  # tensors of a layer's state
# So many steps are written out where their number is known beforehand: a loop costs its own time at each.
UNROLLED_STEPS = 16


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
    `(batch, source_length) bool`. With the score of Bahdanau the memory's projection, `(batch, source_length, units)`,
    stands before the mask: it is the same for all queries.
    """

    def __init__(self, units: int, score: str, **options: Any) -> None:  # noqa: ANN401 - Keras' own
        """Takes the width of queries and of the attentional vector, and the score: a name as `model.attention`."""
        super().__init__(**options)
        self.units, self.score = units, score

    def build(self, input_shape: list[tuple[Any, ...]]) -> None:
        """Makes the weights."""
        features = input_shape[1][-1]
        if self.score == "luong_general":
            self.query_kernel = self.add_weight(shape=(self.units, features), name="query_kernel")
        if self.score == "bahdanau":
            self.query_kernel = self.add_weight(shape=(self.units, self.units), name="query_kernel")
            self.score_kernel = self.add_weight(shape=(self.units, 1), name="score_kernel")
        self.kernel = self.add_weight(shape=(features + self.units, self.units), name="kernel")

    def call(self, inputs: list[Tensor]) -> Attended:
        """The attentional vectors and the weights."""
        query, memory, *keys, mask = inputs
        scores = tf.cast(self._scores(query, memory, *keys), tf.float32)
        weights = tf.nn.softmax(tf.where(tf.expand_dims(mask, 1), scores, scores.dtype.min))  # batch x target x source
        context = tf.matmul(tf.cast(weights, memory.dtype), memory)
        vector = tf.tanh(ops.matmul(tf.concat([context, query], axis=-1), self.kernel))
        return Attended(vector, weights)

    def _scores(self, query: Tensor, memory: Tensor, keys: Tensor | None = None) -> Tensor:
        """How well each query fits each step of the memory, `(batch, target_length, source_length)`."""
        if self.score == "luong_dot":
            return tf.matmul(query, memory, transpose_b=True)
        projected = ops.matmul(query, self.query_kernel)
        if self.score == "luong_general":
            return tf.matmul(projected, memory, transpose_b=True)
        both = tf.tanh(tf.expand_dims(projected, 2) + tf.expand_dims(keys, 1))  # batch x target x source x units
        return ops.squeeze(ops.matmul(both, self.score_kernel), axis=-1)

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


@keras.saving.register_keras_serializable(package="seq2seq")
class InputFeedingDecoder(layers.Layer):
    """Recurrent layers whose first is given, beside its features, the attentional vector of the step before.

    Called with `[features, *state, *memory]`: features `(batch, target_length, width)`; the state of each layer, then
    the attentional vector of the step before, `(batch, units)` each; the memory as `GlobalAttention` takes it.
    Gives `[attentional vectors, *state, weights]`; see `Attended`.
    """

    def __init__(
        self,
        units: int,
        score: str,
        cell: str = "lstm",
        depth: int = 1,
        *,
        residual: bool = False,
        layer_norm: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        **options: Any,  # noqa: ANN401 - Keras' own
    ) -> None:
        """Takes what the settings of the same names say; `depth` is the number of layers."""
        super().__init__(**options)
        self._settings = {
            "units": units,
            "score": score,
            "cell": cell,
            "depth": depth,
            "residual": residual,
            "layer_norm": layer_norm,
            "dropout": dropout,
            "recurrent_dropout": recurrent_dropout,
        }
        self.units, self.residual, self.state_size = units, residual, STATES[cell]
        self.cells = [
            CELLS[cell](units, recurrent_dropout=recurrent_dropout, dtype=self.dtype_policy, name=f"cell_{i + 1}")
            for i in range(depth)
        ]
        self.norms = [
            layers.LayerNormalization(dtype=self.dtype_policy, name=f"norm_{i + 1}")
            for i in range(depth if layer_norm else 0)
        ]
        # The first layer's features are dropped before they come here.
        self.drops = [
            layers.Dropout(dropout, dtype=self.dtype_policy, name=f"dropout_{i + 1}")
            for i in range(1, depth if dropout else 1)
        ]
        self.attention = GlobalAttention(units, score, dtype=self.dtype_policy, name="attention")

    def build(self, input_shape: list[tuple[Any, ...]]) -> None:
        """Makes the weights."""
        features, *_ = input_shape
        for i, cell in enumerate(self.cells):
            cell.build((features[0], self.units if i else features[-1] + self.units))
        for norm in self.norms:
            norm.build((features[0], self.units))
        self.attention.build([(features[0], features[1], self.units), *input_shape[1 + self.n_states :]])

    @property
    def n_states(self) -> int:
        """Tensors of the state, the attentional vector included."""
        return len(self.cells) * self.state_size + 1

    def call(self, inputs: list[Tensor], training: bool = False) -> list[Tensor]:
        """All time steps, one after the other."""
        features, state, memory = inputs[0], inputs[1 : 1 + self.n_states], inputs[1 + self.n_states :]
        sequences = [features, *self._kept(features, training)]
        if training:
            self._draw_recurrent_dropout(state)
        if features.shape[1] is not None and features.shape[1] <= UNROLLED_STEPS:
            result = self._written_out(sequences, state, memory, training)
        else:
            result = self._loop(sequences, state, memory, training)
        for cell in self.cells:
            cell.reset_recurrent_dropout_mask()
        return result

    def _kept(self, features: Tensor, training: bool) -> list[Tensor]:
        """What the inputs of the layers after the first are multiplied with, `(batch, target_length, units)` each.

        Drawn before the loop: a random generator inside would be another in each trace.
        """
        if not training or not self.drops:
            return []
        ones = tf.ones((*tf.unstack(tf.shape(features)[:2]), self.units), self.compute_dtype)
        return [drop(ones, training=True) for drop in self.drops]

    def _draw_recurrent_dropout(self, state: list[Tensor]) -> None:
        """One mask for all time steps, drawn before the loop."""
        for i, cell in enumerate(self.cells):
            cell.get_recurrent_dropout_mask(state[i * self.state_size])

    def _written_out(
        self, sequences: list[Tensor], state: list[Tensor], memory: list[Tensor], training: bool
    ) -> list[Tensor]:
        outputs = []
        for i in range(sequences[0].shape[1]):
            *now, state = self._step([part[:, i] for part in sequences], state, memory, training)
            outputs.append(now)
        vectors, weights = (tf.stack(parts, axis=1) for parts in zip(*outputs, strict=True))
        return [vectors, *state, weights]

    def _loop(self, sequences: list[Tensor], state: list[Tensor], memory: list[Tensor], training: bool) -> list[Tensor]:
        steps = tf.shape(sequences[0])[1]
        inputs = [
            tf.TensorArray(part.dtype, steps, clear_after_read=False).unstack(tf.transpose(part, (1, 0, 2)))
            for part in sequences
        ]
        shapes = ((None, self.units), (None, memory[0].shape[1]))
        outputs = [
            tf.TensorArray(kind, steps, element_shape=shape)
            for kind, shape in zip((self.compute_dtype, "float32"), shapes, strict=True)
        ]

        def advance(i: Tensor, outputs: list[Any], state: list[Tensor]) -> tuple[Any, ...]:
            *now, after = self._step([part.read(i) for part in inputs], state, memory, training)
            return i + 1, [array.write(i, part) for array, part in zip(outputs, now, strict=True)], after

        first = (tf.constant(0), outputs, [tf.cast(part, self.compute_dtype) for part in state])
        _, outputs, state = tf.while_loop(lambda i, *_: i < steps, advance, first, maximum_iterations=steps)
        vectors, weights = (tf.transpose(array.stack(), (1, 0, 2)) for array in outputs)
        return [vectors, *state, weights]

    def _step(
        self, now: list[Tensor], state: list[Tensor], memory: list[Tensor], training: bool
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """The attentional vector `(batch, units)`, the weights `(batch, source_length)`, and the state after a step."""
        features, *kept = now
        *state, fed = state
        hidden, after = tf.concat([features, fed], axis=-1), list[Tensor]()
        for i, cell in enumerate(self.cells):
            before = hidden * kept[i - 1] if i and kept else hidden
            output, new = cell(before, state[i * self.state_size : (i + 1) * self.state_size], training=training)
            after += new if isinstance(new, list | tuple) else [new]
            hidden = hidden + output if self.residual and i else output
            hidden = self.norms[i](hidden) if self.norms else hidden
        attended = self.attention([hidden[:, None], *memory])
        vector = attended.vector[:, 0]
        return vector, attended.weights[:, 0], [*after, vector]

    def compute_output_spec(self, inputs: list[Tensor], training: bool = False) -> list[Tensor]:  # noqa: ARG002
        """Shapes and types of what `call` gives."""
        features, memory = inputs[0], inputs[1 + self.n_states]
        batch, steps = features.shape[:2]
        return [
            keras.KerasTensor((batch, steps, self.units), self.compute_dtype),
            *(keras.KerasTensor((batch, self.units), self.compute_dtype) for _ in range(self.n_states)),
            keras.KerasTensor((batch, steps, memory.shape[1]), "float32"),
        ]

    def get_config(self) -> dict[str, Any]:
        """What the layer is made again from."""
        return {**super().get_config(), **self._settings}
