"""Recurrent layers on top of one another, as the encoder and the decoder have them."""

from __future__ import annotations

import keras
from keras import layers

from tasks.seq2seq.models.cells import STATES
from tasks.seq2seq.models.tensors import Tensor
from tasks.seq2seq.settings.architecture import numbered
from tasks.seq2seq.settings.model import ModelSettings

_KINDS = {"lstm": layers.LSTM, "gru": layers.GRU}


class Stack:
    """Recurrent layers; each call connects them anew, with the same weights."""

    def __init__(
        self, settings: ModelSettings, name: str, units: int, depth: int, *, bidirectional: bool, sequences: bool
    ) -> None:
        """Takes the sizes.

        Args:
            settings: the kind of the layers, and what stands between them.
            name: of the layers, numbered where there are more.
            units: of each layer and direction.
            depth: how many layers.
            bidirectional: whether they read in both directions, and give both outputs side by side.
            sequences: whether the last layer gives all its outputs, or only the last one.
        """
        self._settings, self._bidirectional = settings, bidirectional
        self._layers, self._drops, self._norms = [], [], []
        for i in range(depth):
            called = numbered(name, i, depth)
            self._layers.append(self._layer(units, called, sequences=sequences or i < depth - 1))
            if settings.dropout:
                self._drops.append(layers.Dropout(settings.dropout, name=f"{called}_dropout"))
            if settings.layer_norm and (sequences or i < depth - 1):
                self._norms.append(layers.LayerNormalization(name=f"{called}_norm"))

    def _layer(self, units: int, name: str, *, sequences: bool) -> keras.layers.Layer:
        layer = _KINDS[self._settings.cell](
            units,
            return_sequences=sequences,
            return_state=True,
            recurrent_dropout=self._settings.recurrent_dropout,
            name=name,
        )
        return layers.Bidirectional(layer, name=name) if self._bidirectional else layer

    def __call__(
        self, features: Tensor, state: list[Tensor] | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, list[list[Tensor]]]:
        """Connects the layers.

        Args:
            features: `(batch, length, width)`.
            state: the first state of the layers, tensors `(batch, units)`; None for zeros.
            mask: steps that are there, `(batch, length) bool`; None for all.

        Returns:
            The outputs of the last layer, `(batch, length, features)`, or its last one, `(batch, features)`; and the
            last state of each layer, tensors `(batch, features)`, both directions side by side.
        """
        hidden, states, size = features, [], STATES[self._settings.cell]
        for i, layer in enumerate(self._layers):
            before = self._drops[i](hidden) if self._drops else hidden
            first = state and state[i * size : (i + 1) * size]
            output, *after = layer(before, initial_state=first, mask=mask)
            states.append(self._side_by_side(after))
            if i < len(self._layers) - 1 or len(output.shape) > 2:  # noqa: PLR2004 - a lone last output goes nowhere
                hidden = layers.Add()([hidden, output]) if self._settings.residual and i else output
                hidden = self._norms[i](hidden) if self._norms else hidden
        return hidden, states

    def _side_by_side(self, state: list[Tensor]) -> list[Tensor]:
        if not self._bidirectional:
            return state
        half = len(state) // 2
        return [layers.Concatenate()(list(both)) for both in zip(state[:half], state[half:], strict=True)]
