import dataclasses
import zipfile

import keras
import numpy as np
import pytest
from tasks.seq2seq.models.predictor import Predictor

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.errors import ArtifactError
from tasks.seq2seq.models.encoder_decoder import build_models
from tasks.seq2seq.models.tensors import UNROLLED_STEPS
from tasks.seq2seq.settings.architecture import Architecture, Side
from tasks.seq2seq.settings.model import ModelSettings
from tasks.storage.artifacts.bundle import (
    BundleFacts,
    load_bundle,
    load_weights,
    n_steps,
    save_bundle,
    save_weights,
    weights_digest,
)
from tasks.storage.artifacts.dataset import SideFacts, write_codecs
from tasks.storage.files.atomic import read_json
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.making import Made, StepInputs

INPUTS = StepInputs("bundle", {}, {}, {}, {})
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
def models():
    keras.utils.set_random_seed(0)
    return build_models(ARCHITECTURE)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def make_bundle(store, models):
    """Makes a bundle, with its files changed by `change` before they are recorded."""

    def make(change=lambda _folder: None):
        def write(folder):
            save_bundle(folder, models.encoder, models.decoder, FACTS, {"seed": 3})
            write_codecs(folder, CODECS)
            change(folder)
            return Made(FACTS.model_dump())

        with store.lock(INPUTS):
            return store.make(INPUTS, write)

    return make


def predict(encoder, decoder):
    return Predictor(encoder, decoder, CODECS, n_steps(FACTS, CODECS), xla=False).predict(SOURCES)


def test_a_loaded_bundle_predicts_what_the_models_in_memory_do(models, make_bundle, store):
    bundle = load_bundle(make_bundle(), store)
    predicted, same = predict(bundle.encoder, bundle.decoder), predict(models.encoder, models.decoder)
    assert np.array_equal(predicted.sequences.values, same.sequences.values)
    assert np.array_equal(predicted.sequences.offsets, same.sequences.offsets)
    assert np.array_equal(predicted.log_probability, same.log_probability)


def test_a_bundle_holds_all_that_prediction_needs(make_bundle, store):
    handle = make_bundle()
    bundle = load_bundle(handle, store)
    assert bundle.codecs == CODECS
    assert bundle.facts == FACTS
    assert read_json(handle.path / "bundle.json") == {**FACTS.model_dump(), "experiment": {"seed": 3}}


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


@pytest.mark.slow
def test_a_long_target_of_a_fixed_length_is_decoded_alike_compiled_or_not():
    """Beyond the steps that are written out, it is a loop."""
    vocabulary, steps = Vocabulary.identity(7), UNROLLED_STEPS + 4
    models = build_models(
        Architecture(Side(vocabulary=8), Side(vocabulary=8), False, ModelSettings(units=8, embedding=4))
    )
    sources = Sequences.of_rows(np.random.default_rng(0).integers(1, 8, (5, steps), dtype=np.int32))
    codecs = Codecs(vocabulary, vocabulary)
    plain, compiled = (
        Predictor(models.encoder, models.decoder, codecs, steps, xla=xla).predict(sources) for xla in (False, True)
    )
    assert np.array_equal(plain.sequences.padded(), compiled.sequences.padded())
    assert plain.log_probability == pytest.approx(compiled.log_probability, rel=1e-4)


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
