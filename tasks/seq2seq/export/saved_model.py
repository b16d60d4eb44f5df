"""The whole greedy decode as one TensorFlow graph, for programs without our code.

It follows the conventions of TensorFlow Serving: the signature `serving_default`, inputs and outputs by name, the
batch their first dimension.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras
import tensorflow as tf

from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.models.decoding import decode_graph, forecast_graph
from tasks.seq2seq.models.keras_internals import all_layers


class DecodeModule(tf.Module):
    """What is saved: the models, and `serve`, the decode of sources as `feeding.Batch` describes them.

    `serve` gives `tokens` `(batch, n_steps) int32` and `log_probability` `(batch,) float32`, or standardised
    `vectors` `(batch, n_steps, features) float32`.
    """

    def __init__(self, encoder: keras.Model, decoder: keras.Model, codecs: Codecs, n_steps: int) -> None:
        """Takes the inference models, and the time steps to decode at most."""
        super().__init__()
        self.models = [encoder, decoder]  # so that the weights are saved
        if isinstance(codecs.target, Vocabulary):
            decode = decode_graph(encoder, decoder, codecs.target.start, n_steps, codecs.target.end)
            serve = lambda source: decode(source)._asdict()  # noqa: E731 - its parameter's name is the signature's
        else:
            forecast = forecast_graph(encoder, decoder, n_steps)
            serve = lambda source: {"vectors": forecast(source)}  # noqa: E731 - likewise
        source = encoder.inputs[0]
        spec = tf.TensorSpec(source.shape, source.dtype, name="source")
        self.serve = tf.function(serve, input_signature=[spec], autograph=False)
        with portable(encoder, decoder):
            self.serve.get_concrete_function()  # traced now: what is saved and what is run are one graph


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
