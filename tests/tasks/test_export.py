"""The export step: what it publishes answers as the trained model does, and what does not is not published."""

import keras
import numpy as np
import pytest
from tasks.seq2seq.models.predictor import Predictor

import tasks.export
from tasks.export import export_model
from tasks.export_onnx import export_onnx
from tasks.generate import generate_dataset
from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.collate import source_array, until_end
from tasks.seq2seq.errors import ExportError
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.artifacts.bundle import load_bundle, save_bundle
from tasks.storage.artifacts.export import load_decode, save_decode
from tasks.storage.store.artifact_store import Store
from tasks.train import train_model
from tests.helpers.codecs import as_vocabulary
from tests.tasks.seq2seq.models.test_kinds import KINDS

RAW = {
    "data": {"problem": "copy", "n_in": 2, "cardinality": 8, "n_samples": 400},
    "model": {"units": 8, "embedding": 4},
    "evaluation": {"n_samples": 20},
}
EXPERIMENT = check_experiment(RAW)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    dataset = generate_dataset.fn(EXPERIMENT, store)
    return store, dataset, train_model.fn(EXPERIMENT, dataset, store)


def export(trained):
    store, dataset, training = trained
    return export_model.fn(EXPERIMENT, dataset, training, store, refresh=True)


def nothing_is_published(store):
    return not list((store / "bundle").iterdir()) and not list((store / "keys").glob("bundle-*"))


def nudge(model):
    """Turns one weight of the output layer."""
    kernel, bias = model.get_layer("output").get_weights()
    bias[3] += 5
    model.get_layer("output").set_weights([kernel, bias])


def test_a_model_file_that_does_not_hold_the_trained_weights_is_not_published(trained, monkeypatch):
    def save_another(folder, *arguments):
        save_bundle(folder, *arguments)
        decoder = keras.saving.load_model(folder / "decoder.keras")
        nudge(decoder)
        decoder.save(folder / "decoder.keras")

    monkeypatch.setattr(tasks.export, "save_bundle", save_another)
    with pytest.raises(ExportError, match=r"encoder\.keras with decoder\.keras answers otherwise"):
        export(trained)
    assert nothing_is_published(trained[0])


def test_a_saved_model_that_does_not_hold_the_trained_weights_is_not_published(trained, monkeypatch):
    def save_another(folder, decode, codecs):
        nudge(decode.models[1])
        save_decode(folder, decode, codecs)

    monkeypatch.setattr(tasks.export, "save_decode", save_another)
    with pytest.raises(ExportError, match=r"saved_model/1 answers otherwise than the trained model for the source \["):
        export(trained)
    assert nothing_is_published(trained[0])


def test_the_figures_tell_on_how_many_sources_the_exports_were_verified(trained):
    """On the held-out ones and on those of training; all, where there are fewer than 1,000."""
    assert export(trained).figures["verified"] == 420


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_kind_of_model_is_trained_exported_and_loaded_and_predicts_the_same(kind, tmp_path):
    """That they are the same the step itself verifies; here that it finds no fault, and that what it wrote is loaded."""
    rng = np.random.default_rng(0)
    rows = [" ".join(map(str, rng.integers(0, 9, rng.integers(1, 7)))) for _ in range(400)]
    (tmp_path / "a.csv").write_text("source,target\n" + "".join(f"{row},{row[::-1]}\n" for row in rows))
    words = {"source_encoding": "words", "target_encoding": "words"}
    experiment = check_experiment(
        {
            "data": {"train": tmp_path / "a.csv", **words, "shared_vocabulary": kind.get("share_embeddings", False)},
            "model": {"units": 8, "embedding": 4, **kind},
            "training": {"epochs": 1, "learning_rate": 0.02},
            "export": {"onnx": True},
        }
    )
    dataset = generate_dataset.fn(experiment, tmp_path)
    bundle = export_model.fn(experiment, dataset, train_model.fn(experiment, dataset, tmp_path), tmp_path)
    assert export_onnx.fn(experiment, dataset, bundle, tmp_path).figures == bundle.figures
    loaded = load_bundle(bundle, Store(tmp_path))
    sources = Sequences.of_lengths(rng.integers(4, 10, 45, dtype=np.int32), np.arange(1, 10))
    predicted = Predictor(loaded.encoder, loaded.decoder, loaded.codecs, loaded.n_steps, xla=False).predict(sources)
    served = load_decode(bundle.path)(source_array(sources, loaded.codecs.source))["tokens"].numpy()
    ended = until_end(served[:, : loaded.n_steps - 1], as_vocabulary(loaded.codecs.target))
    assert np.array_equal(ended.values, predicted.sequences.values)
    assert np.array_equal(ended.offsets, predicted.sequences.offsets)


def test_the_saved_model_decodes_as_many_tokens_as_the_experiment_says(tmp_path):
    (tmp_path / "a.csv").write_text("source,target\n" + "".join(f"{i} {i},{i} {i}\n" for i in range(60)))
    experiment = check_experiment(
        {
            "data": {"train": tmp_path / "a.csv", "source_encoding": "words", "target_encoding": "words"},
            "model": {"units": 4, "embedding": 4},
            "decoding": {"max_length": 7},
        }
    )
    dataset = generate_dataset.fn(experiment, tmp_path)
    bundle = export_model.fn(experiment, dataset, train_model.fn(experiment, dataset, tmp_path), tmp_path)
    assert load_decode(bundle.path)(np.array([[4, 2]], np.int32))["tokens"].shape == (1, 7 + 1)
