"""Training, export, evaluation, promotion and report as tasks, called without a server."""

import logging
import random
import sys
import threading
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tasks.check import check_dataset
from tasks.evaluate import evaluate_model
from tasks.export import export_model
from tasks.generate import generate_dataset
from tasks.promote import promote_model
from tasks.report import write_report
from tasks.runtime.packages import check_tensorboard
from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.promotion.comparison import Standing
from tasks.seq2seq.settings.rules import check_experiment
from tasks.seq2seq.training import fit as training_code
from tasks.seq2seq.training import unrolling
from tasks.storage.artifacts.keras_models import load_keras_models
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.promotions import Promotion
from tasks.train import train_model
from tests.helpers.event_files import read_scalars

DECISION = Promotion(name="copy", promoted=True, passed=True, decided_now=True, reason="good")
EXPERIMENT = check_experiment(
    {
        "data": {"problem": "copy", "n_in": 2, "cardinality": 8, "n_samples": 4000},
        "model": {"units": 16, "embedding": 8},
        "training": {"batch_size": 32, "epochs": 2, "learning_rate": 0.02},
        "evaluation": {"n_samples": 20, "n_examples": 2},
    }
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The handles of all steps of one small experiment."""
    store = tmp_path_factory.mktemp("store")
    dataset = generate_dataset.fn(EXPERIMENT, store)
    training = train_model.fn(EXPERIMENT, dataset, store)
    bundle = export_model.fn(EXPERIMENT, dataset, training, store)
    evaluation = evaluate_model.fn(EXPERIMENT, dataset, bundle, store)
    return store, dataset, training, bundle, evaluation


def test_training_and_export_and_evaluation_are_found_again_with_the_same_facts(made):
    store, dataset, training, bundle, evaluation = made
    again: tuple[Any, ...] = (
        train_model.fn(EXPERIMENT, dataset, store),
        export_model.fn(EXPERIMENT, dataset, training, store),
        evaluate_model.fn(EXPERIMENT, dataset, bundle, store),
    )
    for state, handle in zip(again, (training, bundle, evaluation), strict=True):
        assert state.name == "Cached"
        assert (state.data.digest, state.data.facts) == (handle.digest, handle.facts)


def columns(evaluation):
    """The columns of the stored predictions; the problem's symbols are its ids."""
    table = pq.read_table(evaluation.path / "predictions.parquet")
    return {name: np.array(column) for name, column in table.to_pydict().items()}


def test_the_evaluation_says_what_the_keras_models_of_the_bundle_predict(made):
    store, dataset, _, bundle, evaluation = made
    stored = columns(evaluation)
    assert stored["row"].tolist() == list(range(1, 21))
    encoder, decoder = load_keras_models(bundle, Store(store))
    state = encoder.predict(stored["source"].astype(np.int32), verbose=0)
    token = np.zeros((len(stored["source"]), 1), np.int32)
    for position in range(2):
        logits, *state = decoder.predict([token, *state], verbose=0)
        token = logits[:, -1].argmax(-1)[:, None].astype(np.int32)
        assert (token[:, 0] == stored["prediction"][:, position]).all()
    right = (stored["target"] == stored["prediction"]).all(1)
    assert stored["correct"].tolist() == right.tolist()
    scores = evaluation.facts["scores"]
    assert scores["sequence_accuracy"] == right.mean() >= 0.5
    assert scores["n_evaluated"] == dataset.facts["evaluation_rows"] == 20


def test_promotion_is_decided_once_for_a_model(made):
    store, dataset, _, bundle, evaluation = made
    first = promote_model.fn(EXPERIMENT, dataset, bundle, evaluation, Standing(), store)
    bundle, evaluation = (handle.model_copy(update={"cached": True}) for handle in (bundle, evaluation))
    again = promote_model.fn(EXPERIMENT, dataset, bundle, evaluation, Standing(), store)
    assert (first.decided_now, again.decided_now) == (True, False)
    assert (first.promoted, first.reason) == (again.promoted, again.reason)


def test_the_report_lies_beside_a_copy_of_its_evaluation(made):
    store, dataset, training, bundle, evaluation = made
    checks = check_dataset.fn(EXPERIMENT, dataset, store)
    report = write_report.fn(EXPERIMENT, dataset, checks, training, bundle, evaluation, DECISION, store)
    assert (report.path / "evaluation.json").read_text() == (evaluation.path / "evaluation.json").read_text()
    assert bundle.digest in (report.path / "report.html").read_text()


def with_tensorboard(folder, **training):
    raw = EXPERIMENT.model_dump(exclude_unset=True)
    return check_experiment(
        {**raw, "name": "copies", "training": {**raw["training"], **training, "tensorboard": folder}}
    )


@pytest.mark.slow
def test_each_training_writes_event_files_to_a_folder_of_its_own_and_one_that_was_found_says_that_it_writes_none(
    made, tmp_path, caplog
):
    store, dataset, training, *_ = made
    caplog.set_level(logging.INFO)
    logging.getLogger("prefect").addHandler(caplog.handler)
    state: Any = train_model.fn(with_tensorboard(tmp_path), dataset, store)
    found = state.data
    assert (found.digest, list(tmp_path.iterdir())) == (training.digest, [])
    assert f"so it writes no logs to {tmp_path}/copies-" in caplog.text
    logging.getLogger("prefect").removeHandler(caplog.handler)
    train_model.fn(with_tensorboard(tmp_path), dataset, store, refresh=True)
    train_model.fn(with_tensorboard(tmp_path, epochs=1), dataset, store)
    train_model.fn(with_tensorboard(tmp_path, epochs=1), dataset, store, refresh=True)
    runs = sorted((len(read_scalars(run / "train")["epoch_loss"]), run.name[:7]) for run in tmp_path.iterdir())
    assert runs == [(1, "copies-"), (2, "copies-")]


def test_tensorboard_is_refused_where_its_package_or_its_folder_is_missing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="expected a folder"):
        check_tensorboard(with_tensorboard(tmp_path / "file" / "logs"))
    check_tensorboard(with_tensorboard(tmp_path / "logs"))
    monkeypatch.setitem(sys.modules, "tensorboard", None)  # as Python marks what cannot be imported
    with pytest.raises(SettingsError, match="install it with: python -m pip install"):
        check_tensorboard(with_tensorboard(tmp_path))


def test_a_training_that_is_repeated_in_one_process_is_the_same_whoever_else_draws(made):
    """Keras counts what it makes up names for, layers and optimizers; Prefect's threads draw from Python's generator."""
    store, dataset, training, *_ = made
    has_ended = threading.Event()

    def draw():
        while not has_ended.wait(0.001):
            random.random()  # noqa: S311 - a disturbance

    other = threading.Thread(target=draw)
    other.start()
    try:
        assert train_model.fn(EXPERIMENT, dataset, store, refresh=True).digest == training.digest
    finally:
        has_ended.set()
        other.join()


def test_the_training_step_samples_where_the_settings_say_so(tmp_path):
    """Otherwise the same seed gives the same weights, by which a training is known."""
    found = set()
    for training in ({}, {"sampling": "constant", "sampling_probability": 1.0}):
        small = {"problem": "copy", "n_in": 3, "cardinality": 8, "n_samples": 64}
        raw = {"data": small, "model": {"units": 4}, "training": {"batch_size": 32, **training}}
        experiment = check_experiment({**raw, "evaluation": {"n_samples": 20}})
        dataset = generate_dataset.fn(experiment, tmp_path)
        dataset = getattr(dataset, "data", dataset)  # the second time it is found
        found.add(train_model.fn(experiment, dataset, tmp_path).digest)
    assert len(found) == 2


@pytest.mark.parametrize("problem", ["reverse_first", "addition"])
def test_the_training_step_knows_the_lengths_of_a_synthetic_problem(problem, tmp_path, monkeypatch):
    """Seen at the one place that uses them: weights alone do not tell."""
    seen = []

    def unrolled(model, lengths):
        seen.append(lengths)
        return unrolling.unrolled(model, lengths)

    monkeypatch.setattr(training_code, "unrolled", unrolled)
    raw = {"data": {"problem": problem, "n_samples": 64}, "model": {"units": 4}, "evaluation": {"n_samples": 20}}
    experiment = check_experiment(raw)
    dataset = generate_dataset.fn(experiment, tmp_path)
    train_model.fn(experiment, dataset, tmp_path)
    size = experiment.data.dimensions
    assert seen == [(size.n_in, size.n_out)]
