import dataclasses
import time
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from tasks.seq2seq.architecture import Architecture
from tasks.seq2seq.decoding import Predictor
from tasks.seq2seq.errors import ArtifactError
from tasks.seq2seq.models import build_models
from tasks.seq2seq.vocabulary import Vocabularies, Vocabulary
from tasks.storage.atomic import read_json, write_json
from tasks.storage.bundles import (
    BundleFacts,
    load_bundle,
    load_weights,
    save_bundle,
    save_decode,
    save_weights,
    weights_digest,
)
from tasks.storage.datasets import write_vocabularies
from tasks.storage.store import Made, Recipe, Store

RECIPE = Recipe("bundle", {}, {}, {}, {})
ARCHITECTURE = Architecture(source_vocabulary=8, target_vocabulary=6, units=8, embedding=4)
FACTS = BundleFacts(
    units=8, parameters=1, source_encoding="integers", target_encoding="integers", source_length=4,
    target_length=3, start=1,
)  # fmt: skip
SOURCES = np.random.default_rng(0).integers(1, 8, (20, 4), dtype=np.int32)
VOCABULARIES = Vocabularies(
    Vocabulary.learn(np.array([-1, 0, 5, 9]), "source"), Vocabulary.learn(np.array([3, 4]), "target")
)


@pytest.fixture(scope="module")
def models():
    keras.utils.set_random_seed(0)
    return build_models(ARCHITECTURE)


@pytest.fixture
def dataset(tmp_path):
    folder = tmp_path / "dataset"
    folder.mkdir()
    write_vocabularies(folder, VOCABULARIES)
    write_json(folder / "profile.json", {"rows": 20})
    return folder


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def make_bundle(store, models, dataset):
    """Makes a bundle, with its files changed by `change` before they are recorded."""

    def make(change=lambda _folder: None):
        def write(folder):
            save_bundle(folder, models.encoder, models.decoder, FACTS, dataset, {"seed": 3})
            change(folder)
            return Made(FACTS.model_dump())

        with store.lock(RECIPE):
            return store.make(RECIPE, write, time.perf_counter)

    return make


def predict(encoder, decoder):
    return Predictor(encoder, decoder, FACTS.start, FACTS.target_length).predict(SOURCES)


def test_a_loaded_bundle_predicts_what_the_models_in_memory_do(models, make_bundle, store):
    bundle = load_bundle(make_bundle(), store)
    tokens, log_probability = predict(bundle.encoder, bundle.decoder)
    same_tokens, same_log_probability = predict(models.encoder, models.decoder)
    assert np.array_equal(tokens, same_tokens)
    assert np.array_equal(log_probability, same_log_probability)


def test_a_bundle_holds_all_that_prediction_needs(make_bundle, store):
    handle = make_bundle()
    bundle = load_bundle(handle, store)
    assert bundle.vocabularies == VOCABULARIES
    assert bundle.facts == FACTS
    assert read_json(handle.path / "bundle.json") == {**FACTS.model_dump(), "experiment": {"seed": 3}}
    assert read_json(handle.path / "profile.json") == {"rows": 20}


def test_a_bundle_that_was_altered_is_not_loaded(make_bundle, store):
    handle = make_bundle()
    with (handle.path / "decoder.keras").open("r+b") as file:
        file.write(b"x")
    with pytest.raises(ArtifactError, match=r"decoder\.keras was altered"):
        load_bundle(handle, store)


def test_a_bundle_that_lies_outside_the_store_is_not_loaded(make_bundle, store, tmp_path):
    """Even where all its files are sound."""
    handle = make_bundle()
    handle.path.rename(tmp_path / "elsewhere")
    handle.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtifactError, match="leads out of the store"):
        load_bundle(handle, store)


def test_a_model_that_holds_code_is_not_loaded(make_bundle, store):
    """A Lambda layer carries marshalled Python; its manifest is as sound as any."""

    def add_code(folder):
        inputs = keras.Input((1,))
        code = keras.layers.Lambda(lambda x: x + 1, output_shape=(1,))
        keras.Model(inputs, code(inputs)).save(folder / "encoder.keras")

    handle = make_bundle(add_code)
    with pytest.raises(ArtifactError, match=r"models that Keras does not load: .*lambda"):
        load_bundle(handle, store)


def write_junk(path):
    path.write_bytes(b"junk")


def write_other_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "a")


@pytest.mark.parametrize("write", [write_junk, write_other_zip])
def test_a_model_file_that_is_none_is_refused_as_an_artifact(make_bundle, store, write):
    handle = make_bundle(lambda folder: write(folder / "encoder.keras"))
    with pytest.raises(ArtifactError):
        load_bundle(handle, store)


def test_the_exported_decode_answers_like_our_predictor(models, tmp_path):
    save_decode(tmp_path, models.encoder, models.decoder, FACTS)
    serve = tf.saved_model.load(str(tmp_path / "saved_model")).signatures["serving_default"]
    answer = serve(source=tf.constant(SOURCES))
    tokens, log_probability = predict(models.encoder, models.decoder)
    assert np.array_equal(answer["tokens"], tokens)
    assert answer["log_probability"].numpy() == pytest.approx(log_probability, abs=1e-6)


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


@pytest.mark.parametrize("change", [{"units": 16}, {"embedding": 0}, {"target_vocabulary": 7}])
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
