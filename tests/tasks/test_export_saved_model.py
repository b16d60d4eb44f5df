"""The SavedModel step: an artifact of its own, verified, and nothing is trained or exported again for it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tasks.export_saved_model
from flows._pipelines.model import MODEL_STEPS
from flows._pipelines.steps import plan_steps
from tasks.evaluate import evaluation_inputs
from tasks.export import bundle_inputs, export_model
from tasks.export_saved_model import export_saved_model
from tasks.generate import generate_dataset
from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.errors import ExportError
from tasks.seq2seq.inference.predictor import Predictor
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.artifacts.bundle import load_bundle
from tasks.storage.artifacts.dataset import read_codecs
from tasks.storage.artifacts.export import SAVED_MODEL, load_decode, save_decode
from tasks.storage.store.artifact_store import Store
from tasks.train import train_model, training_inputs
from tests.helpers.exported import agrees

RAW = {
    "data": {"problem": "copy", "n_in": 2, "cardinality": 8, "n_samples": 400},
    "model": {"units": 8, "embedding": 4},
    "evaluation": {"n_samples": 20},
}
NO_STORE = Store(Path("/nowhere"))
WITHOUT, WITH = check_experiment(RAW), check_experiment({**RAW, "export": {"saved_model": True}})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    dataset = generate_dataset.fn(WITHOUT, store)
    bundle = export_model.fn(WITHOUT, dataset, train_model.fn(WITHOUT, dataset, store), store)
    return store, dataset, bundle


def test_one_that_does_not_hold_the_trained_weights_is_not_published(made, monkeypatch):
    store, dataset, bundle = made

    def save_another(folder, decode, codecs):
        kernel, bias = decode.models[1].get_layer("output").get_weights()
        decode.models[1].get_layer("output").set_weights([kernel, bias + 5 * np.eye(9, dtype="f4")[3]])
        save_decode(folder, decode, codecs)
        decode.models[1].get_layer("output").set_weights([kernel, bias])

    monkeypatch.setattr(tasks.export_saved_model, "save_decode", save_another)
    with pytest.raises(ExportError, match=r"saved_model/1 answers otherwise than the trained model for the source \["):
        export_saved_model.fn(WITH, dataset, bundle, store)
    assert not list((store / "saved_model").iterdir())
    assert not list((store / "keys").glob("saved_model-*"))


def test_it_decodes_like_the_bundle_and_is_found_again(made):
    store, dataset, bundle = made
    handle = export_saved_model.fn(WITH, dataset, bundle, store)
    source, loaded = np.array([[3, 1], [8, 8], [2, 5]], np.int32), load_bundle(bundle, Store(store))
    predictor = Predictor(loaded.engine, loaded.codecs, loaded.n_steps)
    agrees(loaded.codecs, load_decode(handle.path)(source), Sequences.of_rows(source), predictor)
    assert read_codecs(handle.path / SAVED_MODEL / "assets.extra") == read_codecs(bundle.path)
    assert handle.figures == {"verified": 420}
    again: Any = export_saved_model.fn(WITH, dataset, bundle, store)
    assert (again.name, again.result().digest) == ("Cached", handle.digest)
    assert export_saved_model.fn(WITH, dataset, bundle, store, refresh=True).digest == handle.digest


def test_a_dry_run_tells_of_it_where_it_is_asked_for(made):
    store, dataset, bundle = made
    export_saved_model.fn(WITH, dataset, bundle, store)
    planned = {step.name: step.cached for step in plan_steps(MODEL_STEPS, WITH, store)}
    assert (planned["bundle"], planned["saved_model"]) == (True, True)
    assert "saved_model" not in {step.name for step in plan_steps(MODEL_STEPS, WITHOUT, store)}


def test_asking_for_it_makes_nothing_else_again():
    made = {"dataset": "d", "training": "t", "bundle": "b"}
    for inputs_of in (training_inputs, bundle_inputs, evaluation_inputs):
        assert inputs_of(WITH, made, NO_STORE).key == inputs_of(WITHOUT, made, NO_STORE).key


def test_it_decodes_as_many_tokens_as_the_experiment_says(tmp_path):
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
    made = export_saved_model.fn(experiment, dataset, bundle, tmp_path)
    assert load_decode(made.path)(np.array([[4, 2]], np.int32))["tokens"].shape == (1, 7 + 1)


def test_importing_the_step_does_not_load_tensorflow(run_python):
    code = "import sys, tasks.export_saved_model; print([m for m in ('tensorflow', 'onnx') if m in sys.modules])"
    assert run_python(code).strip() == "[]"
