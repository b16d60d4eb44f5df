"""The decode in onnxruntime says what the decode in TensorFlow does."""

import keras
import numpy as np
import onnxruntime
import pytest

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.collate import source_array
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.export.onnx_decode import onnx_decode
from tasks.seq2seq.export.saved_model import DecodeModule
from tasks.seq2seq.models.encoder_decoder import build_models
from tasks.seq2seq.settings.architecture import Architecture, Side
from tasks.seq2seq.settings.model import ModelSettings
from tests.tasks.seq2seq.models.test_kinds import KINDS

WORDS = Vocabulary.learn("words", dict.fromkeys("abcdef", 1), "source")
SYMBOLS = Vocabulary.identity(9)
VECTORS = Scaling((0.0, 0.0), (1.0, 1.0), (0.0, 0.0), (1.0, 1.0))
LENGTHS = np.array([0, 5, 1, 7, 3, 3, 2, 6] * 3)
RNG = np.random.default_rng(0)


def sources(codec, lengths):
    if isinstance(codec, Scaling):
        return Sequences.of_lengths(RNG.normal(size=(lengths.sum(), 2)), lengths)
    return Sequences.of_lengths(RNG.integers(codec.reserved, codec.size, lengths.sum(), dtype=np.int32), lengths)


def built(source, target, masked, **settings):
    keras.utils.set_random_seed(0)
    source_side, target_side = (Side(codec.size, codec.features) for codec in (source, target))
    models = build_models(
        Architecture(source_side, target_side, masked, ModelSettings(**{"units": 8, "embedding": 4, **settings}))
    )
    if "layer_norm" not in settings:  # larger weights, by which tokens differ; normalised layers would magnify rounding
        models.train.set_weights([3 * weight for weight in models.train.get_weights()])
    return models


class Run:
    """A model in both runtimes."""

    def __init__(self, source, target, *, masked, n_steps, **settings):
        models, self.codecs = built(source, target, masked, **settings), Codecs(source, target)
        self.decode = DecodeModule(models.encoder, models.decoder, self.codecs, n_steps).serve
        self.proto = onnx_decode(models.encoder, models.decoder, self.codecs, n_steps)
        self.session = onnxruntime.InferenceSession(self.proto.SerializeToString())

    def both(self, source):
        names = [output.name for output in self.session.get_outputs()]
        other = dict(zip(names, self.session.run(names, {"source": source}), strict=True))
        return {name: value.numpy() for name, value in self.decode(source).items()}, other

    def agrees(self, source):
        expected, other = self.both(source)
        assert sorted(other) == sorted(expected)
        for name, value in expected.items():
            assert (other[name].shape, other[name].dtype) == (value.shape, value.dtype)
            np.testing.assert_allclose(other[name], value, atol=1e-4)
        return expected


def test_symbols_of_a_fixed_length_are_decoded_alike_whatever_the_number_and_the_length_of_sources():
    run = Run(SYMBOLS, SYMBOLS, masked=False, n_steps=5)
    for n, length in ((6, 4), (1, 9)):
        tokens = run.agrees(source_array(sources(SYMBOLS, np.full(n, length)), SYMBOLS))["tokens"]
        assert tokens.shape == (n, 5)


def test_sequences_with_an_end_are_decoded_alike_and_filled_up_with_the_end():
    run = Run(WORDS, WORDS, masked=True, n_steps=8, cell="gru")
    tokens = run.agrees(source_array(sources(WORDS, LENGTHS), WORDS))["tokens"]
    ended = (tokens == WORDS.end).any(1)
    assert 0 < ended.sum() < len(ended)
    of_early, other = run.both(source_array(sources(WORDS, LENGTHS), WORDS)[ended][:1])
    assert of_early["tokens"].shape == other["tokens"].shape == (1, 8)


def test_once_all_have_ended_no_more_steps_are_taken_and_the_end_fills_up():
    """Here the first token is the end; what would come after is never decoded."""
    models = built(WORDS, WORDS, masked=True)
    kernel, bias = models.train.get_layer("output").get_weights()
    bias[WORDS.end] = 100
    models.train.get_layer("output").set_weights([kernel, bias])
    proto = onnx_decode(models.encoder, models.decoder, Codecs(WORDS, WORDS), 6)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    tokens, score = session.run(["tokens", "log_probability"], {"source": np.array([[4, 2], [5, 2]], np.int32)})
    assert tokens.tolist() == [[WORDS.end] * 6] * 2
    assert score == pytest.approx([0, 0], abs=1e-6)


@pytest.mark.parametrize("source", [VECTORS, WORDS], ids=["vectors", "words"])
def test_vectors_are_forecast_alike(source):
    run = Run(source, VECTORS, masked=True, n_steps=4, embedding=4)
    assert run.agrees(source_array(sources(source, LENGTHS + 1), source))["vectors"].shape == (24, 4, 2)


def test_attention_and_what_is_fed_back_of_it_go_through_the_loop():
    run = Run(WORDS, WORDS, masked=True, n_steps=8, **KINDS["one-hot with input feeding"])
    run.agrees(source_array(sources(WORDS, LENGTHS), WORDS))


@pytest.mark.exhaustive
@pytest.mark.parametrize("masked", [True, False], ids=["masked", "fixed"])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_kind_of_model_is_decoded_alike(kind, masked):
    codec = WORDS if masked else SYMBOLS
    run = Run(codec, codec, masked=masked, n_steps=8, **kind)
    run.agrees(source_array(sources(codec, LENGTHS if masked else np.full(20, 5)), codec))


def test_the_files_sizes_have_names():
    proto = Run(SYMBOLS, SYMBOLS, masked=False, n_steps=3).proto
    sizes = {
        value.name: [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*proto.graph.input, *proto.graph.output)
    }
    assert sizes == {"source": ["batch", "source_length"], "tokens": ["batch", 3], "log_probability": ["batch"]}
