"""The SavedModel, as programs without our code see it."""

import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from tasks.seq2seq.models.predictor import Predictor

from tasks.seq2seq.arrays.sequences import Pairs, Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.collate import source_array, until_end
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.export.saved_model import DecodeModule
from tasks.seq2seq.models.encoder_decoder import build_models
from tasks.seq2seq.settings.architecture import Architecture, Side
from tasks.seq2seq.settings.decoding import DecodingSettings
from tasks.seq2seq.settings.model import ModelSettings
from tasks.storage.artifacts.dataset import PairBlock, read_codecs, write_evaluation, write_pairs
from tasks.storage.artifacts.export import SAVED_MODEL, load_decode, read_samples, save_decode
from tests.helpers.codecs import as_scaling, as_vocabulary

CODECS = Codecs(
    Vocabulary.learn("integers", {-1: 1, 0: 1, 5: 1, 9: 1}, "source"),
    Vocabulary.learn("words", {"a": 1, "b": 1}, "target"),
)
SOURCES = Sequences.of_lengths(
    np.random.default_rng(0).integers(4, 8, 50, dtype=np.int32), np.array([4, 0, 3, 1, 2] * 5)
)
VECTORS = Codecs(Scaling((5.0,), (2.0,), (0.0,), (9.0,)), Scaling((-1.0, 3.0), (1.0, 0.5), (-2.0, 0.0), (0.0, 4.0)))


@pytest.fixture(scope="module")
def models():
    """A model of which some sequences end by themselves and some do not."""
    keras.utils.set_random_seed(3)
    models = build_models(
        Architecture(Side(vocabulary=8), Side(vocabulary=6), True, ModelSettings(units=8, embedding=4))
    )
    models.train.set_weights([5 * weights for weights in models.train.get_weights()])
    kernel, bias = models.train.get_layer("output").get_weights()
    bias[as_vocabulary(CODECS.target).end] += 1
    models.train.get_layer("output").set_weights([kernel, bias])
    return models


@pytest.fixture(scope="module")
def folder(models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    save_decode(folder, DecodeModule(models.encoder, models.decoder, CODECS, 4), CODECS)
    return folder


def test_the_exported_decode_answers_like_our_predictor(models, folder):
    """But that it gives the last token too of what did not end, which the predictor cuts."""
    answer = {name: value.numpy() for name, value in load_decode(folder)(source_array(SOURCES, CODECS.source)).items()}
    limited = DecodingSettings(max_length=3)
    predicted = Predictor(models.encoder, models.decoder, CODECS, 100, limited, xla=False).predict(SOURCES)
    assert answer["tokens"].shape == (25, 4)
    ended = until_end(answer["tokens"][:, :-1], as_vocabulary(CODECS.target))
    assert np.array_equal(ended.values, predicted.sequences.values)
    assert np.array_equal(ended.offsets, predicted.sequences.offsets)
    assert predicted.at_limit is not None
    assert 5 < predicted.at_limit.sum() < 20
    by_itself = ~predicted.at_limit
    assert answer["log_probability"][by_itself] == pytest.approx(predicted.log_probability[by_itself], abs=1e-5)


def test_the_exported_forecast_answers_like_our_predictor_in_standardised_values(tmp_path):
    keras.utils.set_random_seed(0)
    models = build_models(Architecture(Side(features=1), Side(features=2), True, ModelSettings(units=8, embedding=0)))
    save_decode(tmp_path, DecodeModule(models.encoder, models.decoder, VECTORS, 3), VECTORS)
    sources = Sequences.of_rows(np.random.default_rng(0).normal(5, 2, (6, 4, 1)))
    answer = load_decode(tmp_path)(source_array(sources, VECTORS.source))["vectors"].numpy()
    predicted = Predictor(models.encoder, models.decoder, VECTORS, 3).predict(sources)
    assert answer.shape == (6, 3, 2)
    assert as_scaling(VECTORS.target).restore(answer) == pytest.approx(predicted.sequences.padded(), abs=1e-5)


def run_alone(code, *arguments):
    """Runs Python where our code cannot be imported; gives the lines that it prints."""
    command = [sys.executable, "-I", "-c", textwrap.dedent(code), *map(str, arguments)]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_process_without_our_code_decodes_any_number_of_sources_of_any_length(folder):
    """With what TensorFlow Serving looks for: a numbered version, and a signature for prediction by its name."""
    tokens = load_decode(folder)(np.array([[4, 5, 2], [6, 2, 0]], np.int32))["tokens"].numpy()
    printed = run_alone(
        """
        import sys, tensorflow as tf
        from tensorflow.python.saved_model import loader_impl
        (graph,) = loader_impl.parse_saved_model(sys.argv[1] + "/1").meta_graphs
        signature = graph.signature_def["serving_default"]
        print(signature.method_name, sorted(signature.inputs), sorted(signature.outputs), *graph.meta_info_def.tags)
        print([d.size for named in (signature.inputs, signature.outputs) for _, t in sorted(named.items())
               for d in t.tensor_shape.dim])
        serve = tf.saved_model.load(sys.argv[1] + "/1").signatures["serving_default"]
        print(serve(source=tf.constant([[4, 5, 2], [6, 2, 0]]))["tokens"].numpy().tolist())
        print(serve(source=tf.constant([[4, 5, 6, 7, 2]]))["log_probability"].shape)
        """,
        folder / "saved_model",
    )
    assert printed == [
        "tensorflow/serving/predict ['source'] ['log_probability', 'tokens'] serve",
        "[-1, -1, -1, -1, 4]",
        str(tokens.tolist()),
        "(1,)",
    ]


def test_the_symbols_lie_beside_the_decode_where_tensorflow_keeps_what_users_add(folder):
    assert read_codecs(folder / SAVED_MODEL / "assets.extra") == CODECS


def pairs(length, n):
    return Pairs.of_rows(np.full((n, length), 1, np.int32), np.full((n, 1), 1, np.int32))


def test_samples_are_held_out_sources_first_then_those_of_training(tmp_path):
    write_evaluation(tmp_path / "evaluation.npz", pairs(2, 5))
    write_pairs(tmp_path / "train.parquet", [PairBlock(pairs(3, 50))])
    assert read_samples(tmp_path, 12).lengths.tolist() == [2] * 5 + [3] * 7
    assert read_samples(tmp_path, 4).lengths.tolist() == [2] * 4
    assert len(read_samples(tmp_path, 1000)) == 55


def test_where_no_row_was_held_out_samples_are_those_of_training(tmp_path):
    write_pairs(tmp_path / "test.parquet", [PairBlock(pairs(2, 0))])
    write_pairs(tmp_path / "train.parquet", [PairBlock(pairs(3, 50))])
    assert read_samples(tmp_path, 12).lengths.tolist() == [3] * 12
