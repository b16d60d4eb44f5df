"""A recurrent decoder that is given what it attended to in the step before, a layer that Keras does not have.

Importing this module registers it, so that a saved model loads without custom objects.

Source: M.-T. Luong, H. Pham, C. D. Manning, "Effective approaches to attention-based neural machine translation"
(2015), section 3.3.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import layers

from tasks.seq2seq.models.attention import GlobalAttention
from tasks.seq2seq.models.cells import CELLS, STATES
from tasks.seq2seq.models.tensors import UNROLLED_STEPS, Tensor


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
