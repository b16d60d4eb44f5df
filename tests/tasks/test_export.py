"""The export step: what it publishes answers as the trained model does, and what does not is not published."""

import numpy as np
import pytest

import tasks.export
import tasks.storage.store.kinds
from flows._pipelines.model import MODEL_STEPS
from flows._pipelines.steps import plan_steps
from tasks.export import export_model
from tasks.export_onnx import export_onnx
from tasks.export_saved_model import export_saved_model
from tasks.generate import generate_dataset
from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.collate import source_array
from tasks.seq2seq.errors import ArtifactError, ExportError
from tasks.seq2seq.inference.predictor import Predictor
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.artifacts.bundle import load_bundle
from tasks.storage.artifacts.export import load_decode, load_onnx
from tasks.storage.artifacts.keras_models import save_bundle
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.kinds import BUNDLE
from tasks.train import train_model
from tests.helpers.exported import agrees
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


def nudge(model, by=5):
    """Turns one weight of the output layer."""
    kernel, bias = model.get_layer("output").get_weights()
    bias[3] += by
    model.get_layer("output").set_weights([kernel, bias])


def test_graphs_that_do_not_hold_the_trained_weights_are_not_published(trained, monkeypatch):
    def save_another(folder, encoder, decoder, *rest):
        nudge(decoder)
        save_bundle(folder, encoder, decoder, *rest)
        nudge(decoder, -5)

    monkeypatch.setattr(tasks.export, "save_bundle", save_another)
    with pytest.raises(ExportError, match=r"encoder\.onnx with step\.onnx answers otherwise than the trained model"):
        export(trained)
    assert nothing_is_published(trained[0])


def test_the_figures_tell_on_how_many_sources_the_graphs_were_verified(trained):
    """On the held-out ones and on those of training; all, where there are fewer than 1,000."""
    assert export(trained).figures["verified"] == 420


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_kind_of_model_is_trained_exported_and_loaded_and_predicts_the_same(kind, tmp_path):
    """That they are the same each step verifies; here that it finds no fault, and that what it wrote is loaded."""
    rng = np.random.default_rng(0)
    rows = [" ".join(map(str, rng.integers(0, 9, rng.integers(1, 7)))) for _ in range(400)]
    (tmp_path / "a.csv").write_text("source,target\n" + "".join(f"{row},{row[::-1]}\n" for row in rows))
    words = {"source_encoding": "words", "target_encoding": "words"}
    experiment = check_experiment(
        {
            "data": {"train": tmp_path / "a.csv", **words, "shared_vocabulary": kind.get("share_embeddings", False)},
            "model": {"units": 8, "embedding": 4, **kind},
            "training": {"epochs": 1, "learning_rate": 0.02},
            "export": {"onnx": True, "saved_model": True},
        }
    )
    dataset = generate_dataset.fn(experiment, tmp_path)
    bundle = export_model.fn(experiment, dataset, train_model.fn(experiment, dataset, tmp_path), tmp_path)
    loaded = load_bundle(bundle, Store(tmp_path))
    sources = Sequences.of_lengths(rng.integers(4, 10, 45, dtype=np.int32), np.arange(1, 10))
    predictor = Predictor(loaded.engine, loaded.codecs, loaded.n_steps)
    for step, load in ((export_onnx, load_onnx), (export_saved_model, load_decode)):
        handle = step.fn(experiment, dataset, bundle, tmp_path)
        assert handle.figures == bundle.figures
        answer = load(handle.path)(source_array(sources, loaded.codecs.source))
        agrees(loaded.codecs, answer, sources, predictor)


def test_a_bundle_of_the_former_format_is_not_found_by_its_key_and_only_it_is_made_again(tmp_path, monkeypatch):
    """As of a store of the version before, where nothing else has changed."""
    with monkeypatch.context() as before:
        before.setitem(tasks.storage.store.kinds._FORMATS, BUNDLE, 1)
        dataset = generate_dataset.fn(EXPERIMENT, tmp_path)
        training = train_model.fn(EXPERIMENT, dataset, tmp_path)
        old = export_model.fn(EXPERIMENT, dataset, training, tmp_path)
        assert old.format_version == 1
    planned = {step.name: step.cached for step in plan_steps(MODEL_STEPS[:4], EXPERIMENT, tmp_path)}
    assert planned == {"dataset": True, "training": True, "bundle": False, "checks": False}
    new = export_model.fn(EXPERIMENT, dataset, training, tmp_path)
    assert new.format_version == 2
    assert new.digest != old.digest
    load_bundle(new, Store(tmp_path))
    with pytest.raises(ArtifactError, match="of format 1"):
        load_bundle(old, Store(tmp_path))
