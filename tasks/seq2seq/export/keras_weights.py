"""The weights of a Keras model as the arrays that graphs are written from; layers are found by their names."""

from __future__ import annotations

import keras
import numpy as np

from tasks.seq2seq.inference.graphs.weights import (
    DenseWeights,
    LayerWeights,
    ModelWeights,
    NormWeights,
    RecurrentWeights,
    Weights,
)
from tasks.seq2seq.models.input_feeding import InputFeedingDecoder
from tasks.seq2seq.settings.architecture import PARTS, Architecture, numbered
from tasks.seq2seq.settings.model import ModelSettings


def keras_weights(architecture: Architecture, *models: keras.Model) -> ModelWeights:
    """The weights of a training model, or of an inference encoder and an inference decoder."""
    settings = architecture.settings
    layers = {layer.name: layer for model in reversed(models) for layer in model.layers}
    source, target = ("shared_features",) * 2 if settings.share_embeddings else ("source_features", "target_features")
    target_table = _table(layers[target]) if architecture.target.vocabulary else None
    depth = settings.decoder_depth
    return ModelWeights(
        source_table=_table(layers[source]) if architecture.source.vocabulary else None,
        target_table=target_table,
        encoder=_stack(layers, "encoder", settings.encoder_depth),
        decoder=_fed_stack(layers["decoder"]) if settings.feeds_input else _stack(layers, "decoder", depth),
        bridge=()
        if settings.copies_state
        else tuple(
            _dense(layers[numbered(f"bridge_{name[-1]}", i, depth)])
            for i in range(depth)
            for name in PARTS[settings.cell]
        ),
        memory_keys=_dense(layers["memory_keys"]) if settings.attention_needs.has_keys else None,
        attention=_attention(layers, settings),
        series_table=_table(layers["series_features"]) if architecture.embeds_series else None,
        output=_tied(target_table)
        if settings.tie_embeddings and target_table is not None
        else _dense(layers["output"]),
    )


def _table(layer: keras.layers.Layer) -> Weights:
    return np.asarray(layer.embeddings)


def _tied(table: Weights) -> DenseWeights:
    return DenseWeights(table.T, np.zeros(len(table), np.float32))


def _dense(layer: keras.layers.Layer) -> DenseWeights:
    return DenseWeights(*layer.get_weights())


def _stack(layers: dict[str, keras.layers.Layer], name: str, depth: int) -> tuple[LayerWeights, ...]:
    found = []
    for i in range(depth):
        called = numbered(name, i, depth)
        arrays = layers[called].get_weights()  # of a bidirectional layer, forward and then backward
        directions = tuple(RecurrentWeights(*arrays[j : j + 3]) for j in range(0, len(arrays), 3))
        found.append(LayerWeights(directions, _norm(layers.get(f"{called}_norm"))))
    return tuple(found)


def _fed_stack(layer: InputFeedingDecoder) -> tuple[LayerWeights, ...]:
    norms = layer.norms or [None] * len(layer.cells)
    return tuple(
        LayerWeights((RecurrentWeights(*cell.get_weights()),), _norm(norm))
        for cell, norm in zip(layer.cells, norms, strict=True)
    )


def _norm(layer: keras.layers.Layer | None) -> NormWeights | None:
    if layer is None:
        return None
    gamma, beta = layer.get_weights()
    return NormWeights(gamma, beta, layer.epsilon)


def _attention(layers: dict[str, keras.layers.Layer], settings: ModelSettings) -> dict[str, Weights]:
    if not settings.attends:
        return {}
    layer = layers["decoder"].attention if settings.feeds_input else layers["attention"]
    return {weight.name: np.asarray(weight) for weight in layer.weights}
