"""Bundles of format 1: prediction says what to do with one, and an import makes a new one of it."""

import re
import sys

import keras
import numpy as np
import pytest

import tasks.storage.artifacts.former_bundle
from flows.import_bundle import main
from tasks.predict import load_predictor
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.errors import ArtifactError, ExportError
from tasks.seq2seq.export.drawn_sources import draw_sources
from tasks.seq2seq.inference.predictor import Predictor
from tasks.storage.artifacts.bundle import GRAPHS, KERAS_MODELS, load_bundle, read_experiment
from tasks.storage.artifacts.bundle_import import import_bundle
from tasks.storage.artifacts.dataset import read_codecs
from tasks.storage.artifacts.keras_models import save_graphs
from tasks.storage.files.json_files import load_json, write_json
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.manifest import Manifest
from tests.helpers.exported import Exported
from tests.helpers.model_bundles import MADE_FROM, former, make_bundle, record, reseal
from tests.helpers.stored import digest

WORDS = Vocabulary.learn("words", dict.fromkeys("abcdef", 1), "source")
SYMBOLS = Vocabulary.identity(9)
VECTORS = Scaling((3.0, 0.0), (2.0, 1.0), (0.0, 0.0), (1.0, 1.0))
MODELS = {
    "words": lambda: Exported.of(WORDS, WORDS, n_steps=6, attention="bahdanau").favour(WORDS.end, 0.5),
    "symbols": lambda: Exported.of(SYMBOLS, SYMBOLS, masked=False, n_steps=5, cell="gru"),
    "one symbol": lambda: Exported.of(SYMBOLS, SYMBOLS, masked=False, n_steps=1),
    "vectors": lambda: Exported.of(VECTORS, VECTORS, n_steps=4, bidirectional=True, layers=2),
}


@pytest.fixture(scope="module")
def plain():
    """A model."""
    return MODELS["words"]()


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def old(plain, tmp_path):
    """Its bundle as an older version made it, elsewhere."""
    return former(make_bundle(Store(tmp_path / "newer"), plain), tmp_path / "old")


@pytest.mark.parametrize("name", MODELS)
def test_a_bundle_of_format_1_becomes_one_of_format_2_that_predicts_to_the_last_bit_what_its_model_does(
    name, store, tmp_path
):
    model = MODELS[name]()
    own = make_bundle(Store(tmp_path / "newer"), model)
    old = former(own, tmp_path / "old")
    made = import_bundle(store, old)
    assert made.format_version == 2
    assert made.path.is_relative_to(store.root)
    for graph in GRAPHS:
        assert (made.path / graph).read_bytes() == (own.path / graph).read_bytes()
    bundle = load_bundle(made, store)
    sources = draw_sources(model.codecs.source, [bundle.facts.source.length], 20, np.random.default_rng(1))
    found = Predictor(bundle.engine, bundle.codecs, bundle.n_steps).predict(sources)
    expected = model.predictor.predict(sources)
    assert np.array_equal(found.sequences.values, expected.sequences.values)
    if found.log_probability is not None and expected.log_probability is not None:
        assert np.array_equal(found.log_probability, expected.log_probability)


def test_all_but_the_graphs_is_kept_and_the_saved_model_is_left_out(store, old):
    made = import_bundle(store, old)
    assert sorted(path.name for path in made.path.iterdir()) == sorted(
        [*GRAPHS, *KERAS_MODELS, "bundle.json", "codecs.json", "manifest.json", "profile.json"]
    )
    for name in (*KERAS_MODELS, "bundle.json", "codecs.json", "profile.json"):
        assert (made.path / name).read_bytes() == (old / name).read_bytes()
    before, now = Manifest.read(old), Manifest.read(made.path)
    assert (now.facts, now.experiment) == (before.facts, before.experiment)
    assert now.made_from == {**MADE_FROM, "bundle": before.digest}
    assert made.figures == {"verified": 1000}
    assert read_experiment(made).seed == 3
    assert read_codecs(made.path).source == WORDS


def test_a_bundle_that_was_converted_is_found_again(store, old, monkeypatch):
    """Also where TensorFlow would have to be loaded first, which it is not."""
    made = import_bundle(store, old)
    monkeypatch.setattr(tasks.storage.artifacts.former_bundle, "load_models", None)
    assert import_bundle(store, old).digest == made.digest


def test_the_command_says_how_the_new_bundle_is_used(store, old, capsys):
    assert main([str(old), "--store", str(store.root)]) == 0
    path, use = capsys.readouterr().out.splitlines()
    assert use == f"use it with: --model {path.split('/')[-1][:16]}"
    load_predictor(path, store.root)


def test_where_tensorflow_is_missing_the_command_says_so(store, old, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    assert main([str(old), "--store", str(store.root)]) == 2
    said = capsys.readouterr().err
    assert re.search(r"refused: .*/old is a bundle of format 1, .* only where TensorFlow is installed", said)
    assert not list((store.root / "bundle").glob("*"))


def test_prediction_refuses_a_bundle_of_format_1_with_what_to_do(plain, tmp_path):
    store = Store(tmp_path / "store")
    folder = former(make_bundle(store, plain), store.folder("bundle", digest("former")))
    said = rf"format 1, .* by format 2; run its experiment again.*: python -m flows\.import_bundle {folder}, where"
    with pytest.raises(ArtifactError, match=said):
        load_predictor(str(folder), store.root)


def nothing_is_there(store):
    return not list((store.root / "bundle").glob("*")) and not list((store.root / "keys").glob("*"))


@pytest.mark.parametrize("name", ["encoder.keras", "bundle.json", "profile.json"])
def test_an_altered_bundle_is_refused_before_it_is_loaded(store, old, name, monkeypatch):
    with (old / name).open("r+b") as file:
        file.write(b"x")
    monkeypatch.setattr(tasks.storage.artifacts.former_bundle, "load_models", None)
    with pytest.raises(ArtifactError, match=rf"{name} was altered"):
        import_bundle(store, old)
    assert nothing_is_there(store)


def resave(folder, model):
    """Another decoder in its place, with sound records."""
    model.save(folder / "decoder.keras")
    record(folder)


def test_models_of_another_architecture_than_the_settings_say_are_refused(store, old):
    resave(old, Exported.of(WORDS, WORDS, n_steps=6, attention="bahdanau", units=9).models.decoder)
    with pytest.raises(
        ArtifactError, match=r"decoder\.keras has layers with the weights .*, expected .* train it again"
    ):
        import_bundle(store, old)
    assert nothing_is_there(store)


def test_a_model_that_holds_code_is_refused(store, old):
    inputs = keras.Input((1,))
    resave(old, keras.Model(inputs, keras.layers.Lambda(lambda x: x, output_shape=(1,))(inputs)))
    with pytest.raises(ArtifactError, match=r"holds 'Lambda' of 'keras\.layers'"):
        import_bundle(store, old)
    assert nothing_is_there(store)


def test_graphs_that_answer_otherwise_than_the_models_are_not_published(store, old, plain, monkeypatch):
    def save_others(folder, encoder, decoder, *rest):
        kernel, bias = decoder.get_layer("output").get_weights()
        decoder.get_layer("output").set_weights([kernel, bias + np.eye(len(bias), dtype="f4")[5] * 5])
        save_graphs(folder, encoder, decoder, *rest)
        decoder.get_layer("output").set_weights([kernel, bias])

    monkeypatch.setattr(tasks.storage.artifacts.former_bundle, "save_graphs", save_others)
    with pytest.raises(ExportError, match=r"encoder\.onnx with step\.onnx answers otherwise than the trained model"):
        import_bundle(store, old)
    assert nothing_is_there(store)


@pytest.mark.parametrize("profile", [{}, {"source": {"lengths": {}}}, {"source": {"lengths": {"long": 1}}}, []])
def test_a_profile_that_does_not_say_how_long_sources_are_is_refused(store, old, profile):
    write_json(old / "profile.json", profile)
    record(old)
    with pytest.raises(ArtifactError, match=r"profile\.json (cannot be read|.*; train it again)"):
        import_bundle(store, old)
    assert nothing_is_there(store)


def test_a_file_that_is_missing_is_named(store, old):
    (old / "profile.json").unlink()
    record(old)
    with pytest.raises(ArtifactError, match=r"profile\.json cannot be read: No such file"):
        import_bundle(store, old)


@pytest.mark.parametrize("version", [0, -1])
def test_a_format_that_never_was_is_refused(store, old, version):
    reseal(old, format_version=version)
    with pytest.raises(ArtifactError, match=f"is a bundle of format {version}"):
        import_bundle(store, old)


def test_lengths_and_symbols_of_what_is_drawn_are_those_of_training():
    drawn = draw_sources(WORDS, [4, 2], 9, np.random.default_rng(0))
    assert drawn.lengths.tolist() == [2, 4] * 4 + [2]
    many = draw_sources(WORDS, [100], 10, np.random.default_rng(0)).values
    assert set(many.tolist()) == {WORDS.unknown, *range(WORDS.reserved, WORDS.size)}
    assert set(draw_sources(SYMBOLS, [99], 9, np.random.default_rng(0)).values.tolist()) == set(range(1, 10))
    vectors = draw_sources(VECTORS, [50], 40, np.random.default_rng(0)).values
    assert vectors.mean(axis=0) == pytest.approx([3, 0], abs=0.2)
    assert vectors.std(axis=0) == pytest.approx([2, 1], abs=0.2)


def test_the_profile_of_a_bundle_says_how_long_its_sources_are(store, old):
    """What is drawn follows it."""
    assert load_json(old / "profile.json")["source"]["lengths"].keys() == {"1", "2", "3", "4", "5"}
