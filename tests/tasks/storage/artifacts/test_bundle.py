import dataclasses
import functools
import zipfile

import keras
import numpy as np
import pytest

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.collate import source_array
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.errors import ArtifactError
from tasks.seq2seq.export.saved_model import DecodeModule
from tasks.seq2seq.inference.predictor import Predictor
from tasks.seq2seq.models.encoder_decoder import build_models
from tasks.seq2seq.settings.architecture import Architecture, Side
from tasks.seq2seq.settings.model import ModelSettings
from tasks.storage.artifacts.bundle import GRAPHS, KERAS_MODELS, BundleFacts, load_bundle, n_steps, read_experiment
from tasks.storage.artifacts.dataset import SideFacts
from tasks.storage.artifacts.keras_models import load_keras_models, load_weights, save_weights, weights_digest
from tasks.storage.files.json_files import load_json
from tasks.storage.store.artifact_store import Store
from tests.helpers.exported import Exported, agrees, build
from tests.helpers.model_bundles import facts_of, make_bundle

ARCHITECTURE = Architecture(Side(vocabulary=8), Side(vocabulary=6), True, ModelSettings(units=8, embedding=4))
FACTS = BundleFacts(
    units=8, parameters=1, source=SideFacts(encoding="integers", vocabulary=8, length=4),
    target=SideFacts(encoding="words", vocabulary=6, length=3), masked=True, relative=False,
)  # fmt: skip
CODECS = Codecs(
    Vocabulary.learn("integers", {-1: 1, 0: 1, 5: 1, 9: 1}, "source"),
    Vocabulary.learn("words", {"a": 1, "b": 1}, "target"),
)
SOURCES = Sequences.of_lengths(
    np.random.default_rng(0).integers(4, 8, 50, dtype=np.int32), np.array([4, 0, 3, 1, 2] * 5)
)
VECTORS = Codecs(Scaling((5.0,), (2.0,), (0.0,), (9.0,)), Scaling((-1.0, 3.0), (1.0, 0.5), (-2.0, 0.0), (0.0, 4.0)))
VECTOR_FACTS = BundleFacts(
    units=8, parameters=1, source=SideFacts(encoding="vectors", features=1, length=4),
    target=SideFacts(encoding="vectors", features=2, length=3), masked=True, relative=True,
)  # fmt: skip


@pytest.fixture(scope="module")
def model():
    return Exported(ARCHITECTURE, build(ARCHITECTURE), CODECS, 4)


@pytest.fixture(scope="module")
def models(model):
    return model.models


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def bundle_of(store, model):
    """Makes a bundle, with its files changed by `change` before they are recorded."""
    return functools.partial(make_bundle, store, model)


def test_a_loaded_bundle_predicts_what_the_models_in_memory_do(model, bundle_of, store):
    loaded = load_bundle(bundle_of(), store)
    predictor = Predictor(loaded.engine, loaded.codecs, loaded.n_steps)
    predicted, same = predictor.predict(SOURCES), model.predictor.predict(SOURCES)
    assert np.array_equal(predicted.sequences.values, same.sequences.values)
    assert np.array_equal(predicted.sequences.offsets, same.sequences.offsets)
    assert predicted.log_probability is not None
    assert predicted.log_probability.tolist() == same.log_probability.tolist()
    agrees(CODECS, model.saved_model.serve(source_array(SOURCES, CODECS.source)), SOURCES, predictor)


def test_keras_loads_the_models_of_a_bundle(model, bundle_of, store):
    encoder, decoder = load_keras_models(bundle_of(), store)
    answer = DecodeModule(encoder, decoder, CODECS, 4).serve(source_array(SOURCES, CODECS.source))
    agrees(CODECS, answer, SOURCES, model.predictor)


def test_a_bundle_holds_all_that_prediction_needs(model, bundle_of, store):
    handle = bundle_of()
    bundle = load_bundle(handle, store)
    assert bundle.codecs == CODECS
    assert bundle.facts == facts_of(model)
    kept = load_json(handle.path / "bundle.json")
    assert kept["experiment"] == read_experiment(handle).model_dump(mode="json")
    assert {name: kept[name] for name in bundle.facts.model_dump()} == bundle.facts.model_dump()


@pytest.mark.parametrize("name", [*GRAPHS, *KERAS_MODELS])
def test_a_bundle_that_was_altered_is_not_loaded(bundle_of, store, name):
    handle = bundle_of()
    with (handle.path / name).open("r+b") as file:
        file.write(b"x")
    for load in (load_bundle, load_keras_models):
        with pytest.raises(ArtifactError, match=rf"{name} was altered"):
            load(handle, store)


def test_a_bundle_that_lies_outside_the_store_is_not_loaded(bundle_of, store, tmp_path):
    """Even where all its files are sound."""
    handle = bundle_of()
    handle.path.rename(tmp_path / "elsewhere")
    handle.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtifactError, match="leads out of the store"):
        load_bundle(handle, store)


def test_a_model_that_holds_code_is_not_loaded(bundle_of, store):
    """A Lambda layer carries marshalled Python; its manifest is as sound as any."""

    def add_code(folder):
        inputs = keras.Input((1,))
        code = keras.layers.Lambda(lambda x: x + 1, output_shape=(1,))
        keras.Model(inputs, code(inputs)).save(folder / "encoder.keras")

    handle = bundle_of(add_code)
    with pytest.raises(ArtifactError, match=r"holds 'Lambda' of 'keras\.layers'"):
        load_keras_models(handle, store)


def write_junk(path):
    path.write_bytes(b"junk")


def write_other_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "a")


@pytest.mark.parametrize("write", [write_junk, write_other_zip])
def test_a_model_file_that_is_none_is_refused_as_an_artifact(bundle_of, store, write):
    handle = bundle_of(lambda folder: write(folder / "encoder.keras"))
    with pytest.raises(ArtifactError):
        load_keras_models(handle, store)


def test_a_bundle_of_format_1_is_refused_with_what_to_do(bundle_of, store):
    handle = bundle_of().model_copy(update={"format_version": 1})
    for load in (load_bundle, load_keras_models):
        with pytest.raises(ArtifactError, match=r"of format 1, .* by format 2; run its experiment again"):
            load(handle, store)


def test_a_target_with_an_end_takes_a_step_more_to_decode():
    assert n_steps(FACTS, CODECS) == 4
    assert n_steps(FACTS, Codecs(CODECS.source, Vocabulary.identity(5))) == 3
    assert n_steps(VECTOR_FACTS, VECTORS) == 3


def test_weights_are_read_as_they_were_written(models, tmp_path):
    save_weights(models.train, tmp_path)
    other = build_models(ARCHITECTURE).train
    assert weights_digest(other) != weights_digest(models.train)
    load_weights(other, tmp_path)
    for weight, same in zip(other.get_weights(), models.train.get_weights(), strict=True):
        assert np.array_equal(weight, same)


def test_a_model_is_identified_by_its_weights_whatever_was_built_before_it(models, tmp_path):
    """A process that trains one model after another gives each the digest that it would have alone."""
    save_weights(models.train, tmp_path)
    other = build_models(ARCHITECTURE).train
    load_weights(other, tmp_path)
    assert weights_digest(other) == weights_digest(models.train)


@pytest.mark.parametrize(
    "change",
    [
        {"settings": ModelSettings(units=16, embedding=4)},
        {"settings": ModelSettings(units=8, embedding=0)},
        {"settings": ModelSettings(units=8, embedding=4, attention="luong_dot")},
        {"target": Side(vocabulary=7)},
    ],
)
def test_weights_of_another_architecture_are_refused(models, tmp_path, change):
    save_weights(models.train, tmp_path)
    other = build_models(dataclasses.replace(ARCHITECTURE, **change)).train
    with pytest.raises(ArtifactError, match=r"model\.weights\.h5 does not fit the model"):
        load_weights(other, tmp_path)


def test_a_single_weight_tells_two_models_apart():
    train = build_models(ARCHITECTURE).train
    before = weights_digest(train)
    kernel, bias = train.get_layer("output").get_weights()
    bias[0] += 1e-6
    train.get_layer("output").set_weights([kernel, bias])
    assert weights_digest(train) != before
