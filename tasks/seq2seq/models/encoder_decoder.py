"""The encoder-decoder: one training model and two inference models that share its layers.

The encoder reads the source; the decoder starts from its last state and predicts the target one time step at a time.
In training it is given the true target shifted right (teacher forcing); at inference it is given what it predicted
last. With attention it also looks, at each step, at all that the encoder put out: the memory.

Sources: I. Sutskever, O. Vinyals, Q. V. Le, "Sequence to sequence learning with neural networks" (2014); for
attention see `tasks.seq2seq.models.attention`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
from keras import layers, ops

from tasks.seq2seq.data.quantiles import above, below
from tasks.seq2seq.models.attention import GlobalAttention
from tasks.seq2seq.models.input_feeding import InputFeedingDecoder
from tasks.seq2seq.models.quantile_output import QuantileOutput
from tasks.seq2seq.models.recurrent_stack import Stack
from tasks.seq2seq.models.tensors import Tensor
from tasks.seq2seq.settings.architecture import PARTS, Architecture, Side, memory_names, numbered, state_names
from tasks.seq2seq.settings.model import ModelSettings


class Models(NamedTuple):
    """Three models with the same weights.

    train: `[source, decoder_input] -> output`
    encoder: `source -> [*state, *memory]`
    decoder: `[decoder_input, *state, *memory] -> [output, *state]`, and with attention its weights, the last.

    The state is the decoder's, `(batch, units) float32` each, named as the decoder's inputs: `state_h` and `state_c`
    of one LSTM layer, numbered from the first where there are more, without `state_c` for a GRU; and with input feeding
    `attentional`, the attentional vector of the step before. There is a memory with attention alone: `memory`, the
    encoder's outputs `(batch, source_length, features) float32`, 0 on padding; `memory_keys`, their projection, for a
    score that has keys; `memory_mask` `(batch, source_length) bool`, false on padding. Attention weights are
    `(batch, target_length, source_length) float32`.
    """

    train: keras.Model
    encoder: keras.Model
    decoder: keras.Model


class _Sequence(NamedTuple):
    """One side in the graph: the model's input, the vectors made of it, and which steps are there (None: all)."""

    input: Tensor
    features: Tensor
    mask: Tensor | None = None


def define_models(n_input: int, n_output: int, n_units: int) -> Models:
    """The tutorial's three models, over one-hot or real vectors.

    Args:
        n_input: features of a source time step; sources are `(batch, source_length, n_input) float32`.
        n_output: features of a target time step; targets are `(batch, target_length, n_output) float32`.
        n_units: LSTM units of the encoder and of the decoder.

    Returns:
        The training model, the inference encoder and the inference decoder; outputs are probabilities.
    """
    source, target = (
        keras.Input((None, n), name=name) for n, name in ((n_input, "source"), (n_output, "decoder_input"))
    )
    output = layers.Dense(n_output, activation="softmax", name="output")
    return _connect(ModelSettings(units=n_units), _Sequence(source, source), _Sequence(target, target), output)


def build_models(architecture: Architecture) -> Models:
    """The pipeline's three models, over ids or real vectors.

    Sources and decoder inputs are as `feeding.Batch` describes them; outputs are logits `(batch,
    target_length, target_vocabulary) float32`, or standardised vectors `(batch, target_length, features)
    float32`, of each quantile where there are any.
    """
    settings, side = architecture.settings, architecture.target
    source = _input(architecture.source, "source", marked=architecture.masked)
    decoder_input = _input(Side(side.vocabulary, architecture.fed), "decoder_input", marked=False)
    of_source, of_target = _embeddings(architecture)
    mask = _mask(architecture.source, source) if architecture.masked else None
    return _connect(
        settings,
        _Sequence(source, of_source(_with_series(architecture, source)), mask),
        _Sequence(decoder_input, of_target(decoder_input)),
        _output(architecture, of_target if settings.tie_embeddings else None),
    )


def _input(side: Side, name: str, *, marked: bool) -> Tensor:
    if side.vocabulary:
        return keras.Input((None,), dtype="int32", name=name)
    return keras.Input((None, side.features + marked), name=name)  # the last one marks steps that are there


def _embeddings(architecture: Architecture) -> tuple[layers.Layer, layers.Layer]:
    """What makes vectors of the source and of the target; one layer for both where they share it."""
    settings = architecture.settings
    tied = settings.tie_embeddings
    if settings.share_embeddings:
        both = _features(architecture.target, settings.target_width, "shared_features", tied=tied)
        return both, both
    return (
        _features(architecture.source, settings.source_width, "source_features"),
        _features(architecture.target, settings.target_width, "target_features", tied=tied),
    )


def _features(side: Side, width: int, name: str, *, tied: bool = False) -> layers.Layer:
    """Vectors of ids, learned or one-hot (the frozen identity matrix); real vectors as they are."""
    if side.features:
        return layers.Identity(name=name)
    if tied:
        return layers.ReversibleEmbedding(side.vocabulary, width, reverse_dtype="float32", name=name)
    if width:
        return layers.Embedding(side.vocabulary, width, name=name)
    return layers.Embedding(
        side.vocabulary, side.vocabulary, embeddings_initializer="identity", trainable=False, name=name
    )


def _with_series(architecture: Architecture, source: Tensor) -> Tensor:
    """The source with an embedding in place of its series' number, which stands before the mark of what is there.

    The first embedding is that of series which training has not seen: zeros, which no gradient reaches. The number is
    taken from the source itself, since numbers of less precision would be others.
    """
    if not architecture.embeds_series:
        return source
    at = architecture.source.features - 1
    values, number, mark = ops.split(source, [at, at + 1], axis=-1)
    width = architecture.settings.series_embedding
    table = layers.Embedding(architecture.series, width, name="series_features", embeddings_initializer="zeros")
    return layers.Concatenate(name="source_with_series")([values, table(ops.max(number, axis=-1)), mark])


def _mask(side: Side, source: Tensor) -> Tensor:
    """Which steps of padded sources are there, `(batch, source_length) bool`."""
    return ops.not_equal(source if side.vocabulary else ops.max(source, axis=-1), 0)


def _output(architecture: Architecture, tied: layers.Layer | None) -> Callable[[Tensor], Tensor]:
    if tied is not None:
        return lambda hidden: tied(hidden, reverse=True)
    width, quantiles = architecture.target.vocabulary or architecture.outputs, architecture.quantiles
    dense: Callable[[Tensor], Tensor] = layers.Dense(width, dtype="float32", name="output")
    if not quantiles:
        return dense
    ordered = QuantileOutput(len(below(quantiles)), len(above(quantiles)), dtype="float32", name="quantiles")
    return lambda hidden: ordered(dense(hidden))


def _connect(
    settings: ModelSettings, source: _Sequence, target: _Sequence, output: Callable[[Tensor], Tensor]
) -> Models:
    first, memory = _encode(settings, source)
    decode = _decoder(settings, output)
    train = keras.Model([source.input, target.input], decode(target.features, first, memory)[0], name="train")

    state = [keras.Input((settings.decoder_width,), name=name) for name in state_names(settings)]
    kept = [
        keras.Input(part.shape[1:], dtype=part.dtype, name=name)
        for part, name in zip(memory, memory_names(settings), strict=True)
    ]
    return Models(
        train,
        keras.Model(source.input, [*first, *memory], name="inference_encoder"),
        keras.Model([target.input, *state, *kept], decode(target.features, state, kept), name="inference_decoder"),
    )


def _encode(settings: ModelSettings, source: _Sequence) -> tuple[list[Tensor], list[Tensor]]:
    """The decoder's first state, and the memory."""
    stack = Stack(
        settings,
        "encoder",
        settings.encoder_width,
        settings.encoder_depth,
        bidirectional=settings.bidirectional,
        sequences=settings.attends,
    )
    outputs, states = stack(source.features, mask=source.mask)
    first = _first_state(settings, states)
    if not settings.attends:
        return first, []
    there = source.mask
    if there is None:
        there = ops.ones_like(ops.max(outputs, axis=-1), dtype="bool")
    else:
        outputs = ops.where(ops.expand_dims(there, -1), outputs, 0.0)  # which also takes Keras' own mask away
    if not settings.attention_needs.has_keys:
        return first, [outputs, there]
    return first, [outputs, layers.Dense(settings.decoder_width, name="memory_keys")(outputs), there]


def _first_state(settings: ModelSettings, states: list[list[Tensor]]) -> list[Tensor]:
    """The decoder's first state: each layer starts from the encoder's that is as far from the last.

    Of a deeper encoder the first layers give nothing; of a deeper decoder all first layers start from the encoder's
    first.
    """
    depth, first = settings.decoder_depth, []
    for i in range(depth):
        state = states[max(0, i + len(states) - depth)]
        if not settings.copies_state:
            state = [
                layers.Dense(settings.decoder_width, activation="tanh", name=numbered(f"bridge_{name[-1]}", i, depth))(
                    part
                )
                for part, name in zip(state, PARTS[settings.cell], strict=True)
            ]
        first += state
    return [*first, ops.zeros_like(first[0])] if settings.feeds_input else first


# Features of the target, the state and the memory to the output, the next state and, with attention, its weights.
_Decode = Callable[[Tensor, list[Tensor], list[Tensor]], list[Tensor]]


def _decoder(settings: ModelSettings, output: Callable[[Tensor], Tensor]) -> _Decode:
    """The decoder's layers; each call connects them anew, with the same weights."""
    drop = layers.Dropout(settings.output_dropout, name="output_dropout") if settings.output_dropout else lambda x: x
    recur = _input_feeding(settings) if settings.feeds_input else _recurrence(settings)

    def decode(features: Tensor, state: list[Tensor], memory: list[Tensor]) -> list[Tensor]:
        hidden, *rest = recur(features, state, memory)
        return [output(drop(hidden)), *rest]

    return decode


def _recurrence(settings: ModelSettings) -> _Decode:
    """All steps by the recurrent layers, then attention from all of them at once."""
    depth, units = settings.decoder_depth, settings.decoder_width
    stack = Stack(settings, "decoder", units, depth, bidirectional=False, sequences=True)
    attend = GlobalAttention(units, settings.attention, name="attention") if settings.attends else None

    def recur(features: Tensor, state: list[Tensor], memory: list[Tensor]) -> list[Tensor]:
        hidden, states = stack(features, state)
        after = [part for layer in states for part in layer]
        if attend is None:
            return [hidden, *after]
        attended = attend([hidden, *memory])
        return [attended.vector, *after, attended.weights]

    return recur


def _input_feeding(settings: ModelSettings) -> _Decode:
    """Each step by all layers, and attention from it."""
    drop = layers.Dropout(settings.dropout, name="decoder_dropout") if settings.dropout else lambda x: x
    layer = InputFeedingDecoder(
        settings.decoder_width,
        settings.attention,
        settings.cell,
        settings.decoder_depth,
        residual=settings.residual,
        layer_norm=settings.layer_norm,
        dropout=settings.dropout,
        recurrent_dropout=settings.recurrent_dropout,
        name="decoder",
    )
    return lambda features, state, memory: layer([drop(features), *state, *memory])


def n_states(decoder: keras.Model) -> int:
    """Tensors of an inference decoder's state; those of its memory follow among its inputs."""
    return sum(not tensor.name.startswith("memory") for tensor in decoder.inputs[1:])


def split_encoded(encoded: Any, decoder: keras.Model) -> tuple[list[Tensor], list[Tensor]]:  # noqa: ANN401
    """The decoder's first state and its memory, of the inference encoder's outputs."""
    encoded = list(encoded) if isinstance(encoded, list | tuple) else [encoded]  # a lone state is no list
    n = n_states(decoder)
    return encoded[:n], encoded[n:]
