"""The ONNX step: an artifact of its own, verified, and nothing is trained or exported again for it."""

import importlib.util
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
from tasks.runtime.packages import ONNX_PACKAGES, check_onnx
from tasks.seq2seq.errors import ExportError, SettingsError
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.artifacts.dataset import read_codecs
from tasks.storage.artifacts.export import load_decode, load_onnx
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.kinds import ONNX
from tasks.train import train_model, training_inputs
from tests.conftest import ROOT

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
    source = np.array([[3, 1], [8, 8], [2, 5]], np.int32)
    expected, answer = load_decode(bundle.path)(source), load_onnx(handle.path)(source)
    assert (answer["tokens"] == expected["tokens"].numpy()).all()
    assert answer["log_probability"] == pytest.approx(expected["log_probability"].numpy(), abs=1e-5)
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


def test_without_its_packages_it_is_refused_with_the_command_that_installs_them(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "tf2onnx" else find(name, *rest)
    )
    with pytest.raises(SettingsError, match=r"export\.onnx is set, but tf2onnx is not installed; .* \"tf2onnx>="):
        check_onnx(WITH)
    check_onnx(WITHOUT)


def test_what_the_message_installs_is_the_extra_of_the_project():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {f"{name}>={version}" for name, version in ONNX_PACKAGES.items()}
    assert set(project["project"]["optional-dependencies"]["onnx"]) == wanted
    assert wanted < set(project["dependency-groups"]["dev"])


def test_importing_the_step_loads_neither_tensorflow_nor_onnx(run_python):
    code = "import sys, tasks.export_onnx; print([m for m in ('tensorflow', 'onnx', 'onnxruntime', 'tf2onnx') if m in sys.modules])"
    assert run_python(code).strip() == "[]"
