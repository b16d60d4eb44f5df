"""Models with random weights, made without Keras: they decode as fast as trained ones, and as deterministically."""

from __future__ import annotations

import numpy as np

from tasks.seq2seq.inference.engine import Engine
from tasks.seq2seq.inference.graphs.encoder import encoder_graph
from tasks.seq2seq.inference.graphs.step import step_graph
from tasks.seq2seq.inference.graphs.weights import (
    DenseWeights,
    LayerWeights,
    ModelWeights,
    NormWeights,
    RecurrentWeights,
    Weights,
)
from tasks.seq2seq.settings.architecture import PARTS, Architecture

GATES = {"lstm": 4, "gru": 3}


def random_weights(architecture: Architecture, seed: int = 0, scale: float = 0.1) -> ModelWeights:
    """Weights of the right shapes, drawn from a normal distribution."""
    rng, settings = np.random.default_rng(seed), architecture.settings
    source, target = architecture.source, architecture.target

    def draw(*shape: int) -> Weights:
        return rng.normal(0, scale, shape).astype(np.float32)

    def dense(inputs: int, outputs: int) -> DenseWeights:
        return DenseWeights(draw(inputs, outputs), draw(outputs))

    def recurrent(inputs: int, units: int) -> RecurrentWeights:
        width = GATES[settings.cell] * units
        bias = draw(width) if settings.cell == "lstm" else draw(2, width)
        return RecurrentWeights(draw(inputs, width), draw(units, width), bias)

    def stack(inputs: int, units: int, depth: int, directions: int, *, all_outputs: bool) -> tuple[LayerWeights, ...]:
        layers = []
        for i in range(depth):
            sides = tuple(recurrent(inputs, units) for _ in range(directions))
            inputs = units * directions
            has_norm = settings.layer_norm and (all_outputs or i < depth - 1)
            layers.append(LayerWeights(sides, NormWeights(1 + draw(inputs), draw(inputs), 1e-3) if has_norm else None))
        return tuple(layers)

    source_width = (settings.source_width or source.vocabulary) if source.vocabulary else source.features
    source_inputs = source_width if source.vocabulary else source_width + architecture.masked
    target_width = (settings.target_width or target.vocabulary) if target.vocabulary else target.features
    units, memory, attention = settings.decoder_width, settings.memory_width, {}
    if settings.attends:
        attention["kernel"] = draw(memory + units, units)
        if settings.attention == "luong_general":
            attention["query_kernel"] = draw(units, memory)
        if settings.attention == "bahdanau":
            attention |= {"query_kernel": draw(units, units), "score_kernel": draw(units, 1)}
    bridges = 0 if settings.copies_state else settings.decoder_depth * len(PARTS[settings.cell])
    fed = units if settings.feeds_input else 0
    return ModelWeights(
        source_table=draw(source.vocabulary, source_width) if source.vocabulary else None,
        target_table=draw(target.vocabulary, target_width) if target.vocabulary else None,
        encoder=stack(
            source_inputs,
            settings.encoder_width,
            settings.encoder_depth,
            1 + settings.bidirectional,
            all_outputs=settings.attends,
        ),
        decoder=stack(target_width + fed, units, settings.decoder_depth, 1, all_outputs=True),
        bridge=tuple(dense(memory, units) for _ in range(bridges)),
        memory_keys=dense(memory, units) if settings.attention_needs.has_keys else None,
        attention=attention,
        output=dense(units, target.vocabulary or target.features),
    )


def random_engine(architecture: Architecture, seed: int = 0, scale: float = 0.1, *, is_single: bool = False) -> Engine:
    """A model of random weights, ready to run."""
    weights = random_weights(architecture, seed, scale)
    encoder = encoder_graph(architecture, weights, is_single=is_single)
    return Engine(architecture, encoder.SerializeToString(), step_graph(architecture, weights).SerializeToString())
