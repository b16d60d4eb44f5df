import contextlib
import importlib

import keras
import numpy as np
import pytest

from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.export.saved_model import DecodeModule, portable
from tasks.seq2seq.models.encoder_decoder import build_models
from tasks.seq2seq.settings.architecture import Architecture, Side
from tasks.seq2seq.settings.model import ModelSettings

CODECS = Codecs(Vocabulary.identity(5), Vocabulary.identity(5))


@pytest.fixture(scope="module")
def models():
    keras.utils.set_random_seed(0)
    return build_models(
        Architecture(Side(vocabulary=6), Side(vocabulary=6), False, ModelSettings(units=8, embedding=4))
    )


def operations(function):
    graph = function.get_concrete_function().graph
    return {node.op for node in graph.as_graph_def().node} | {
        node.op for inner in graph.as_graph_def().library.function for node in inner.node_def
    }


def test_a_decode_that_is_exported_on_a_gpu_runs_on_any_machine(models, monkeypatch):
    """Keras chooses cuDNN's kernels while it traces, and they run on a GPU alone."""

    def cudnn():
        names = operations(DecodeModule(models.encoder, models.decoder, CODECS, 3).serve)
        return [name for name in names if "Cudnn" in name]

    recurrent = importlib.import_module("keras.src.backend.tensorflow.rnn")
    monkeypatch.setattr(recurrent, "_is_gpu_available", lambda: True)
    assert not cudnn()
    monkeypatch.setattr("tasks.seq2seq.export.saved_model.portable", lambda *_models: contextlib.nullcontext())
    assert cudnn()


def test_models_have_their_fast_kernels_again_afterwards():
    """Layers inside layers too."""
    inputs = keras.Input((None, 3))
    inner = keras.layers.LSTM(4)
    model = keras.Model(inputs, keras.layers.Bidirectional(inner)(inputs))
    both = model.layers[-1]
    with portable(model):
        assert (both.forward_layer.use_cudnn, both.backward_layer.use_cudnn) == (False, False)
    assert (both.forward_layer.use_cudnn, both.backward_layer.use_cudnn) == ("auto", "auto")


def test_the_decode_takes_any_number_of_sources_of_any_length(models):
    decode = DecodeModule(models.encoder, models.decoder, CODECS, 3)
    for shape in ((1, 1), (5, 9)):
        answer = decode.serve(np.ones(shape, np.int32))
        assert (answer["tokens"].shape, answer["log_probability"].shape) == ((shape[0], 3), (shape[0],))
