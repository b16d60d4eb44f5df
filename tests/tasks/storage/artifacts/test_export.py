"""The SavedModel, as programs without our code see it."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

from tasks.seq2seq.arrays.sequences import Pairs, Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.collate import source_array
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.storage.artifacts.dataset import PairBlock, read_codecs, write_evaluation, write_pairs
from tasks.storage.artifacts.export import SAVED_MODEL, load_decode, read_samples, save_decode
from tests.helpers.codecs import as_vocabulary
from tests.helpers.exported import Exported, agrees

CODECS = Codecs(
    Vocabulary.learn("integers", {-1: 1, 0: 1, 5: 1, 9: 1}, "source"),
    Vocabulary.learn("words", {"a": 1, "b": 1}, "target"),
)
SOURCES = Sequences.of_lengths(
    np.random.default_rng(0).integers(4, 8, 50, dtype=np.int32), np.array([4, 0, 3, 1, 2] * 5)
)
VECTORS = Codecs(Scaling((5.0,), (2.0,), (0.0,), (9.0,)), Scaling((-1.0, 3.0), (1.0, 0.5), (-2.0, 0.0), (0.0, 4.0)))


@pytest.fixture(scope="module")
def model():
    """A model of which some sequences end by themselves and some do not."""
    return Exported.of(CODECS.source, CODECS.target, n_steps=4).favour(as_vocabulary(CODECS.target).end, 0.3)


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    save_decode(folder, model.saved_model, CODECS)
    return folder


def test_the_exported_decode_answers_like_our_predictor(model, folder):
    answer = load_decode(folder)(source_array(SOURCES, CODECS.source))
    assert answer["tokens"].shape == (25, 4)
    at_limit = model.predictor.predict(SOURCES).at_limit
    assert at_limit is not None
    assert 2 < at_limit.sum() < 23
    agrees(CODECS, answer, SOURCES, model.predictor)


def test_the_exported_forecast_answers_like_our_predictor_in_standardised_values(tmp_path):
    model = Exported.of(VECTORS.source, VECTORS.target, n_steps=3)
    save_decode(tmp_path, model.saved_model, VECTORS)
    sources = Sequences.of_rows(np.random.default_rng(0).normal(5, 2, (6, 4, 1)))
    answer = load_decode(tmp_path)(source_array(sources, VECTORS.source))
    assert answer["vectors"].shape == (6, 3, 2)
    agrees(VECTORS, answer, sources, model.predictor)


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
    assert read_samples(tmp_path, 12).source.lengths.tolist() == [2] * 5 + [3] * 7
    assert read_samples(tmp_path, 4).source.lengths.tolist() == [2] * 4
    assert len(read_samples(tmp_path, 1000).source) == 55


def test_where_no_row_was_held_out_samples_are_those_of_training(tmp_path):
    write_pairs(tmp_path / "test.parquet", [PairBlock(pairs(2, 0))])
    write_pairs(tmp_path / "train.parquet", [PairBlock(pairs(3, 50))])
    assert read_samples(tmp_path, 12).source.lengths.tolist() == [3] * 12
