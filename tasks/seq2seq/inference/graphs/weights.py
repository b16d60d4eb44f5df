"""The weights of an encoder-decoder as plain arrays, which its graphs are written from.

Gates are in Keras' order: input, forget, cell, output of an LSTM; update, reset, candidate of a GRU, whose bias has two
rows, one for the inputs and one for the state (Keras' `reset_after`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float32]


class RecurrentWeights(NamedTuple):
    """A recurrent layer in one direction.

    kernel: `(inputs, gates * units)`. recurrent: `(units, gates * units)`. bias: `(gates * units,)` of an LSTM,
    `(2, gates * units)` of a GRU.
    """

    kernel: Weights
    recurrent: Weights
    bias: Weights

    @property
    def input_bias(self) -> Weights:
        """The bias of the inputs, `(gates * units,)`."""
        bias: Weights = np.atleast_2d(self.bias)[0]
        return bias

    @property
    def units(self) -> int:
        """Its width."""
        return int(self.recurrent.shape[0])


class NormWeights(NamedTuple):
    """A normalisation of a layer's outputs, `(units,)` each, and what is added to a variance before it divides."""

    gamma: Weights
    beta: Weights
    epsilon: float


class DenseWeights(NamedTuple):
    """A product: kernel `(inputs, outputs)`, bias `(outputs,)`."""

    kernel: Weights
    bias: Weights


class LayerWeights(NamedTuple):
    """A layer of a stack: each direction it reads in, forward first, and what normalises its outputs, if anything."""

    directions: tuple[RecurrentWeights, ...]
    norm: NormWeights | None = None


class ModelWeights(NamedTuple):
    """All that is learned.

    source_table, target_table: embeddings `(vocabulary, width)`; None where a side is made of vectors.
    encoder, decoder: their layers, the first one first.
    bridge: from the encoder's last state to the decoder's first, one for each part of it; none where it is copied.
    memory_keys: the projection of the memory, for a score that has keys.
    attention: by the names of `tasks.seq2seq.models.attention`; empty without attention.
    output: from what the decoder puts out to logits, or to a standardised vector.
    series_table: embeddings of series `(series, width)`; None where there are none.
    """

    source_table: Weights | None
    target_table: Weights | None
    encoder: tuple[LayerWeights, ...]
    decoder: tuple[LayerWeights, ...]
    bridge: tuple[DenseWeights, ...]
    memory_keys: DenseWeights | None
    attention: dict[str, Weights]
    output: DenseWeights
    series_table: Weights | None = None
