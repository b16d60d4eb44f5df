"""The whole greedy decode as one TensorFlow graph, for programs without our code.

It follows the conventions of TensorFlow Serving: the signature `serving_default`, inputs and outputs by name, the
batch their first dimension.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.quantiles import Quantiles, output_names
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.models.encoder_decoder import split_encoded
from tasks.seq2seq.models.keras_internals import all_layers
from tasks.seq2seq.models.tensors import Tensor


class DecodeModule(tf.Module):
    """What is saved: the models, and `serve`, the decode of sources as `Codec.source_array` makes them.

    `serve` gives `tokens` `(batch, n_steps) int32` and `log_probability` `(batch,) float32`, or standardised
    `vectors` `(batch, n_steps, features) float32`, and of a model with quantiles the others likewise, by the names of
    their columns, as `quantile_0.1`. A model that is given what is known of each step beforehand takes it as `ahead`,
    `(batch, n_steps, known) float32`, standardised.
    """

    def __init__(
        self, encoder: keras.Model, decoder: keras.Model, codecs: Codecs, n_steps: int, quantiles: Quantiles = ()
    ) -> None:
        """Takes the inference models, the time steps to decode at most, and the quantiles that they forecast."""
        super().__init__()
        self.models = [encoder, decoder]  # so that the weights are saved
        if isinstance(codecs.target, Vocabulary):
            vocabulary = codecs.target
            serve = lambda source: _greedy(encoder, decoder, source, vocabulary, n_steps)._asdict()  # noqa: E731 - its parameter's name is the signature's
        else:
            serve = _served_forecast(_Forecaster(encoder, decoder, n_steps, quantiles), codecs)
        source = encoder.inputs[0]
        specs = [tf.TensorSpec(source.shape, source.dtype, name="source")]
        if codecs.ahead is not None:
            specs.append(tf.TensorSpec((None, n_steps, codecs.ahead.features), tf.float32, name="ahead"))
        self.serve = tf.function(serve, input_signature=specs, autograph=False)
        with portable(encoder, decoder):
            self.serve.get_concrete_function()  # traced now: what is saved and what is run are one graph


class Greedy(NamedTuple):
    """Tokens `(batch, n_steps) int32`, the end again after an end, and their log-probability `(batch,) float32`.

    The last of the steps can only be an end: a sequence that has not ended by itself is cut there.
    """

    tokens: Tensor
    log_probability: Tensor


def _greedy(encoder: keras.Model, decoder: keras.Model, source: Tensor, vocabulary: Vocabulary, n_steps: int) -> Greedy:
    """The likeliest token at each step, until all sequences have ended."""
    state, memory = split_encoded(encoder(source), decoder)
    rows, end = tf.shape(source)[0], vocabulary.end
    filler = 0 if end is None else end

    def is_going_on(i: Tensor, _last: Tensor, ended: Tensor, *_: Any) -> Tensor:  # noqa: ANN401 - tensors and arrays
        return tf.logical_and(i < n_steps, tf.logical_not(tf.reduce_all(ended)))

    def advance(i: Tensor, last: Tensor, ended: Tensor, total: Tensor, tokens: Any, state: Any) -> tuple[Any, ...]:  # noqa: ANN401 - likewise
        logits, *after = decoder([last[:, None], *state, *memory])
        logits = logits[:, 0]
        chosen = tf.argmax(logits, axis=1, output_type=tf.int32)
        score = tf.reduce_max(logits, axis=1) - tf.reduce_logsumexp(logits, axis=1)
        if end is not None:
            is_cut = tf.logical_and(tf.equal(i, n_steps - 1), tf.not_equal(chosen, end))
            is_over = tf.logical_or(ended, is_cut)
            chosen, score = tf.where(is_over, end, chosen), tf.where(is_over, 0.0, score)
            ended = tf.equal(chosen, end)
        return i + 1, chosen, ended, total + score, tokens.write(i, chosen), after[: len(state)]

    tokens = tf.TensorArray(tf.int32, size=n_steps, element_shape=(None,)).unstack(tf.fill((n_steps, rows), filler))
    first = (tf.constant(0), tf.fill((rows,), vocabulary.start), tf.zeros((rows,), tf.bool), tf.zeros((rows,)), tokens)
    _, _, _, total, tokens, _ = tf.while_loop(is_going_on, advance, (*first, state))
    return Greedy(tf.transpose(tokens.stack()), total)


class _Forecaster(NamedTuple):
    """A model that forecasts vectors, so many steps, with these quantiles."""

    encoder: keras.Model
    decoder: keras.Model
    n_steps: int
    quantiles: Quantiles

    def outputs(self, source: Tensor, ahead: Tensor | None) -> dict[str, Tensor]:
        """Vectors `(batch, n_steps, features)` by the name of the output.

        Each step is given the vector of the one before, the first one zeros, and what is known of the step beforehand,
        of `(batch, n_steps, known)`, where there is anything.
        """
        state, memory = split_encoded(self.encoder(source), self.decoder)
        known = 0 if ahead is None else ahead.shape[-1]
        features = self.decoder.inputs[0].shape[-1] - known
        vector, taken = tf.zeros((tf.shape(source)[0], 1, features)), []
        for i in range(self.n_steps):
            fed = vector if ahead is None else tf.concat([vector, ahead[:, i : i + 1]], axis=2)
            output, *after = self.decoder([fed, *state, *memory])  # batch x 1 x outputs
            state, vector = after[: len(state)], output[..., :features]
            taken.append(output)
        names = output_names(self.quantiles)
        return dict(zip(names, tf.split(tf.concat(taken, axis=1), len(names), axis=2), strict=True))


def _served_forecast(forecaster: _Forecaster, codecs: Codecs) -> Callable[..., Any]:
    """What serves vectors; the names of its parameters are the signature's."""
    if codecs.ahead is None:
        return lambda source: forecaster.outputs(source, None)
    return forecaster.outputs


@contextlib.contextmanager
def portable(*models: keras.Model) -> Iterator[None]:
    """Graphs that are traced meanwhile run on any machine: on a GPU, Keras would put cuDNN's kernels into them."""
    layers = [layer for model in models for layer in all_layers(model) if hasattr(layer, "use_cudnn")]
    before = [layer.use_cudnn for layer in layers]
    for layer in layers:
        layer.use_cudnn = False
    try:
        yield
    finally:
        for layer, value in zip(layers, before, strict=True):
            layer.use_cudnn = value
