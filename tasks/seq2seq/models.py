"""The encoder-decoder LSTM: one training model and two inference models that share its layers.

The encoder reads the source and keeps only its last state; the decoder starts from that state and
predicts the target one time step at a time. In training it is given the true target shifted right
(teacher forcing); at inference it is given what it predicted last.

Source: I. Sutskever, O. Vinyals, Q. V. Le, "Sequence to sequence learning with neural networks" (2014).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
from keras import layers

from tasks.seq2seq.architecture import Architecture, Side

Tensor = Any  # a symbolic or eager Keras tensor: Keras ships no types


class Models(NamedTuple):
    """Three models with the same weights.

    train: `[source, decoder_input] -> output`
    encoder: `source -> [state_h, state_c]`, each `(batch, units) float32`
    decoder: `[decoder_input, state_h, state_c] -> [output, state_h, state_c]`
    """

    train: keras.Model
    encoder: keras.Model
    decoder: keras.Model


def define_models(n_input: int, n_output: int, n_units: int) -> Models:
    """The tutorial's three models, over one-hot or real vectors.

    Args:
        n_input: features of a source time step; sources are `(batch, source_length, n_input) float32`.
        n_output: features of a target time step; targets are `(batch, target_length, n_output) float32`.
        n_units: LSTM units of the encoder and of the decoder.

    Returns:
        The training model, the inference encoder and the inference decoder; outputs are probabilities.
    """
    source = keras.Input((None, n_input), name="source")
    decoder_input = keras.Input((None, n_output), name="decoder_input")
    output = layers.Dense(n_output, activation="softmax", name="output")
    return _connect(source, source, decoder_input, decoder_input, output, n_units)


def build_models(architecture: Architecture) -> Models:
    """The pipeline's three models, over ids or real vectors.

    Sources and decoder inputs are as `feeding.Batch` describes them; outputs are logits `(batch,
    target_length, target_vocabulary) float32`, or standardised vectors `(batch, target_length, features)
    float32`.
    """
    source = _input(architecture.source, "source", marked=architecture.masked)
    decoder_input = _input(architecture.target, "decoder_input", marked=False)
    return _connect(
        source,
        _features(architecture.source, architecture.embedding, "source_features", masked=architecture.masked)(source),
        decoder_input,
        _features(architecture.target, architecture.embedding, "target_features", masked=False)(decoder_input),
        layers.Dense(architecture.target.vocabulary or architecture.target.features, name="output"),
        architecture.units,
    )


def _input(side: Side, name: str, *, marked: bool) -> Tensor:
    if side.vocabulary:
        return keras.Input((None,), dtype="int32", name=name)
    return keras.Input((None, side.features + marked), name=name)  # the last one marks steps that are there


def _features(side: Side, embedding: int, name: str, *, masked: bool) -> layers.Layer:
    """Vectors of ids, learned or one-hot (the frozen identity matrix); real vectors as they are."""
    if side.features:
        return layers.Masking(name=name) if masked else layers.Identity(name=name)
    if embedding:
        return layers.Embedding(side.vocabulary, embedding, mask_zero=masked, name=name)
    return layers.Embedding(
        side.vocabulary,
        side.vocabulary,
        embeddings_initializer="identity",
        trainable=False,
        mask_zero=masked,
        name=name,
    )


def _connect(
    source: Tensor,
    source_features: Tensor,
    decoder_input: Tensor,
    target_features: Tensor,
    output: layers.Layer,
    n_units: int,
) -> Models:
    encoder = layers.LSTM(n_units, return_state=True, name="encoder")
    decoder = layers.LSTM(n_units, return_sequences=True, return_state=True, name="decoder")

    _, *encoder_state = encoder(source_features)
    hidden, _, _ = decoder(target_features, initial_state=encoder_state)  # batch x time x units
    train = keras.Model([source, decoder_input], output(hidden), name="train")

    state = [keras.Input((n_units,), name="state_h"), keras.Input((n_units,), name="state_c")]
    hidden, *next_state = decoder(target_features, initial_state=state)
    return Models(
        train,
        keras.Model(source, encoder_state, name="inference_encoder"),
        keras.Model([decoder_input, *state], [output(hidden), *next_state], name="inference_decoder"),
    )
