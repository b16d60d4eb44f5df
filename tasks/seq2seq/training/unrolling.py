"""Recurrent layers written out step by step for training, where all sequences are short and of one length.

A loop costs its own time at each step, forwards and backwards. Written out, a training on a CPU is a sixth to a fifth
faster; but the graph grows with the steps, and takes longer to make than it saves where they are many.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

import keras
from keras import layers

from tasks.seq2seq.models.acceleration import has_gpu

MOST_STEPS = 24


class Lengths(NamedTuple):
    """Time steps of every source and of every target, ends included."""

    source: int
    target: int


@contextlib.contextmanager
def unrolled(model: keras.Model, lengths: Lengths | None) -> Iterator[None]:
    """Within, what is traced of the model is written out, unless it is too long or a GPU has better.

    Args:
        model: whose layers also stand in other models, which is why they are left as they were.
        lengths: what `model` is called with; None where they differ.
    """
    recurrent = _recurrent_layers(model) if lengths and max(lengths) <= MOST_STEPS and not has_gpu() else []
    for layer in recurrent:
        layer.unroll = True
    try:
        yield
    finally:
        for layer in recurrent:
            layer.unroll = False


def _recurrent_layers(model: keras.Model) -> list[layers.RNN]:
    both = [
        one
        for layer in model.layers
        for one in ((layer.forward_layer, layer.backward_layer) if isinstance(layer, layers.Bidirectional) else [layer])
    ]
    return [layer for layer in both if isinstance(layer, layers.RNN)]
