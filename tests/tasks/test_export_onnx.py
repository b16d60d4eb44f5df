"""The ONNX step: an artifact of its own, verified, and nothing is trained or exported again for it."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import tasks.export_onnx
from flows._pipelines.model import MODEL_STEPS
from flows._pipelines.steps import plan_steps
from tasks.evaluate import evaluation_inputs
from tasks.export import bundle_inputs, export_model
from tasks.export_onnx import export_onnx
from tasks.generate import generate_dataset
from tasks.runtime.code import code_digest
from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.errors import ExportError
from tasks.seq2seq.inference.predictor import Predictor
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.artifacts.bundle import load_bundle
from tasks.storage.artifacts.dataset import read_codecs
from tasks.storage.artifacts.export import load_onnx
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.kinds import ONNX
from tasks.train import train_model, training_inputs
from tests.helpers.exported import agrees

RAW = {
    "data": {"problem": "copy", "n_in": 2, "cardinality": 8, "n_samples": 400},
    "model": {"units": 8, "embedding": 4},
    "evaluation": {"n_samples": 20},
}
NO_STORE = Store(Path("/nowhere"))
WITHOUT, WITH = check_experiment(RAW), check_experiment({**RAW, "export": {"onnx": True}})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    dataset = generate_dataset.fn(WITHOUT, store)
    bundle = export_model.fn(WITHOUT, dataset, train_model.fn(WITHOUT, dataset, store), store)
    return store, dataset, bundle


def test_a_file_that_answers_otherwise_is_not_published(made, monkeypatch):
    store, dataset, bundle = made

    def load_another(folder):
        proto = onnx.load(folder / "decode.onnx")
        (bias,) = [tensor for tensor in proto.graph.initializer if list(tensor.dims) == [9]]
        bias.CopyFrom(
            onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + np.eye(9)[3].astype("f4") * 5, bias.name)
        )
        onnx.save(proto, folder / "decode.onnx")
        return load_onnx(folder)

    monkeypatch.setattr(tasks.export_onnx, "load_onnx", load_another)
    with pytest.raises(ExportError, match=r"decode\.onnx answers otherwise than the trained model for the source \["):
        export_onnx.fn(WITH, dataset, bundle, store)
    assert not list((store / ONNX).iterdir())
    assert not list((store / "keys").glob("onnx-*"))


def test_the_file_decodes_like_the_bundle_and_is_found_again(made):
    store, dataset, bundle = made
    handle = export_onnx.fn(WITH, dataset, bundle, store)
    source, loaded = np.array([[3, 1], [8, 8], [2, 5]], np.int32), load_bundle(bundle, Store(store))
    predictor = Predictor(loaded.engine, loaded.codecs, loaded.n_steps)
    agrees(loaded.codecs, load_onnx(handle.path)(source), Sequences.of_rows(source), predictor)
    assert read_codecs(handle.path) == read_codecs(bundle.path)
    assert handle.figures == {"verified": 420}
    again: Any = export_onnx.fn(WITH, dataset, bundle, store)
    assert (again.name, again.result().digest) == ("Cached", handle.digest)


def test_a_dry_run_tells_of_it_where_it_is_asked_for(made):
    store, dataset, bundle = made
    export_onnx.fn(WITH, dataset, bundle, store)
    planned = {step.name: step.cached for step in plan_steps(MODEL_STEPS, WITH, store)}
    assert (planned["bundle"], planned["onnx"]) == (True, True)
    assert "onnx" not in {step.name for step in plan_steps(MODEL_STEPS, WITHOUT, store)}


def test_asking_for_it_makes_nothing_else_again():
    made = {"dataset": "d", "training": "t", "bundle": "b"}
    for inputs_of in (training_inputs, bundle_inputs, evaluation_inputs):
        assert inputs_of(WITH, made, NO_STORE).key == inputs_of(WITHOUT, made, NO_STORE).key
    assert len(code_digest("tasks.export_onnx")) == 64


def test_importing_the_step_loads_neither_tensorflow_nor_onnx(run_python):
    code = "import sys, tasks.export_onnx; print([m for m in ('tensorflow', 'onnx') if m in sys.modules])"
    assert run_python(code).strip() == "[]"
