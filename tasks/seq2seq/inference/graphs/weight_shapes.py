"""Which weights a model has, and of which shapes: what follows from its architecture alone."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from tasks.seq2seq.inference.graphs.attention_scores import SCORE_SHAPES
from tasks.seq2seq.inference.graphs.weights import (
    DenseWeights,
    LayerWeights,
    ModelWeights,
    NormWeights,
    RecurrentWeights,
    Weights,
)
from tasks.seq2seq.settings.architecture import PARTS, Architecture
from tasks.seq2seq.settings.model import ModelSettings

GATES = {"lstm": 4, "gru": 3}
EPSILON = 1e-3  # of Keras' normalisation


class Maker(Protocol):
    """What makes arrays of given shapes."""

    def kernel(self, n_inputs: int, n_outputs: int) -> Weights:
        """A matrix that something is multiplied by."""

    def bias(self, *shape: int) -> Weights:
        """What is added."""

    def table(self, vocabulary: int, width: int) -> Weights:
        """Embeddings."""


class Zeros:
    """Makes arrays of zeros."""

    def kernel(self, n_inputs: int, n_outputs: int) -> Weights:
        """See `Maker`."""
        return np.zeros((n_inputs, n_outputs), np.float32)

    def bias(self, *shape: int) -> Weights:
        """See `Maker`."""
        return np.zeros(shape, np.float32)

    def table(self, vocabulary: int, width: int) -> Weights:
        """See `Maker`."""
        return self.kernel(vocabulary, width)


class _Sizes:
    """Notes the shapes that it is asked for; its arrays take no memory."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def kernel(self, n_inputs: int, n_outputs: int) -> Weights:
        return self.bias(n_inputs, n_outputs)

    def bias(self, *shape: int) -> Weights:
        self.shapes.append(shape)
        return np.broadcast_to(np.float32(0), shape)

    def table(self, vocabulary: int, width: int) -> Weights:
        return self.bias(vocabulary, width)


def weight_sizes(architecture: Architecture) -> list[tuple[int, ...]]:
    """The shapes of a model's weights, in no memory; of tables that both sides share, twice."""
    sizes = _Sizes()
    make_weights(architecture, sizes)
    return sizes.shapes


def make_weights(architecture: Architecture, make: Maker) -> ModelWeights:
    """All weights of a model, as something makes arrays of their shapes, which it is asked for in the model's order."""
    settings, source, target = architecture.settings, architecture.source, architecture.target
    source_table = _table(make, source.vocabulary, settings.source_width)
    target_table = _table(make, target.vocabulary, settings.target_width)
    if settings.share_embeddings:
        source_table = target_table
    memory, units = settings.memory_width, settings.decoder_width
    source_width = architecture.read if source_table is None else source_table.shape[1]
    target_width = architecture.fed if target_table is None else target_table.shape[1]
    return ModelWeights(
        source_table,
        target_table,
        _stack(make, settings, source_width, settings.encoder_width, is_encoder=True),
        _stack(make, settings, target_width + units * settings.feeds_input, units, is_encoder=False),
        tuple(_dense(make, memory, units) for _ in range(_n_bridges(settings))),
        _dense(make, memory, units) if settings.attention_needs.has_keys else None,
        _attention(make, settings),
        _output(make, architecture, target_table),
        make.table(architecture.series, settings.series_embedding) if architecture.embeds_series else None,
    )


def _table(make: Maker, vocabulary: int, width: int) -> Weights | None:
    if not vocabulary:
        return None
    return make.table(vocabulary, width) if width else np.eye(vocabulary, dtype=np.float32)


def _dense(make: Maker, n_inputs: int, n_outputs: int) -> DenseWeights:
    return DenseWeights(make.kernel(n_inputs, n_outputs), make.bias(n_outputs))


def _stack(
    make: Maker, settings: ModelSettings, width: int, units: int, *, is_encoder: bool
) -> tuple[LayerWeights, ...]:
    depth = settings.encoder_depth if is_encoder else settings.decoder_depth
    n_directions = 2 if is_encoder and settings.bidirectional else 1
    widths = [width] + [units * n_directions] * (depth - 1)
    return tuple(_layer(make, settings, one, units, n_directions) for one in widths)


def _layer(make: Maker, settings: ModelSettings, width: int, units: int, n_directions: int) -> LayerWeights:
    size = GATES[settings.cell] * units
    bias = (2, size) if settings.cell == "gru" else (size,)
    directions = tuple(
        RecurrentWeights(make.kernel(width, size), make.kernel(units, size), make.bias(*bias))
        for _ in range(n_directions)
    )
    features = units * n_directions
    norm = NormWeights(1 + make.bias(features), make.bias(features), EPSILON) if settings.layer_norm else None
    return LayerWeights(directions, norm)


def _n_bridges(settings: ModelSettings) -> int:
    return 0 if settings.copies_state else settings.decoder_depth * len(PARTS[settings.cell])


def _attention(make: Maker, settings: ModelSettings) -> dict[str, Weights]:
    if not settings.attends:
        return {}
    units, memory = settings.decoder_width, settings.memory_width
    learned = SCORE_SHAPES.get(settings.attention, lambda _units, _memory: {})(units, memory)
    shapes = {**learned, "kernel": (memory + units, units)}
    return {name: make.kernel(*shape) for name, shape in shapes.items()}


def _output(make: Maker, architecture: Architecture, target_table: Weights | None) -> DenseWeights:
    n_outputs = architecture.target.vocabulary or architecture.outputs
    if architecture.settings.tie_embeddings and target_table is not None:
        return DenseWeights(target_table.T, np.zeros(n_outputs, np.float32))
    return _dense(make, architecture.settings.decoder_width, n_outputs)
