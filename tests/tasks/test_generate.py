"""The dataset task, called without a server."""

import logging

import numpy as np
import pyarrow.parquet as pq
import pytest
from prefect.states import State

from tasks.generate import dataset_inputs, generate_dataset
from tasks.runtime import progress
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.artifacts.dataset import DatasetFacts
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.manifest import Handle, Manifest
from tests.helpers.settled import SETTLED

SMALL = {"data": {"n_samples": 500}, "evaluation": {"n_samples": 20}}


def test_a_miss_gives_the_handle_and_a_hit_gives_it_in_a_state_named_cached(tmp_path):
    experiment = check_experiment(SMALL)
    made = generate_dataset.fn(experiment, tmp_path)
    assert isinstance(made, Handle)
    found = generate_dataset.fn(experiment, tmp_path)
    assert isinstance(found, State)
    assert found.name == "Cached"
    assert (found.data.digest, found.data.facts, found.data.path) == (made.digest, made.facts, made.path)
    assert (made.cached, found.data.cached) == (False, True)


def test_the_dataset_is_recorded_with_all_that_made_it(tmp_path):
    handle = generate_dataset.fn(check_experiment(SMALL), tmp_path)
    manifest = Manifest.read(handle.path)
    assert set(manifest.files) == {"train.parquet", "evaluation.npz", "codecs.json", "profile.json"}
    assert manifest.experiment["data"]["n_samples"] == 500
    assert manifest.experiment["seed"] == 0
    assert set(manifest.versions) == {"numpy", "pyarrow"}
    assert DatasetFacts.model_validate(handle.facts).train_rows == 500


def test_fresh_samples_and_training_are_the_same_for_the_same_seed_only(tmp_path):
    same = [generate_dataset.fn(check_experiment(SMALL), tmp_path / name).digest for name in "ab"]
    other = generate_dataset.fn(check_experiment({**SMALL, "seed": 1}), tmp_path / "a").digest
    assert same[0] == same[1] != other


def test_no_fresh_source_is_in_training_even_in_a_crowded_problem(tmp_path):
    crowded = {"data": {"problem": "copy", "n_in": 2, "cardinality": 8, "n_samples": 5000}}
    handle = generate_dataset.fn(check_experiment({**crowded, "evaluation": {"n_samples": 32}}), tmp_path)
    train = {tuple(row) for row in pq.read_table(handle.path / "train.parquet")["source"].to_pylist()}
    with np.load(handle.path / "evaluation.npz", allow_pickle=False) as fresh:
        held_out = {tuple(row) for row in fresh["source"].tolist()}
    assert len(held_out) == 32
    assert not held_out & train
    assert len(train) == 32


@pytest.fixture
def talkative(monkeypatch):
    """Each phase of a step says its end, however short."""
    monkeypatch.setattr(progress, "SECONDS_BEFORE_BAR", 0.0)
    logger = logging.getLogger("prefect")
    before = logger.level
    logger.setLevel(logging.INFO)
    yield
    logger.setLevel(before)


def test_pairs_are_counted_as_they_are_generated(tmp_path, talkative, capsys):
    generate_dataset.fn(check_experiment(SMALL), tmp_path)
    assert "pairs generated: 500/500  0 s left\n" in capsys.readouterr().err


def test_files_are_counted_as_they_are_digested(tmp_path, talkative, capsys):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("source,target\n1,2\n")
    dataset_inputs(check_experiment({"data": {"train": str(tmp_path), **SETTLED}}), {}, Store(tmp_path / "store"))
    assert "train files digested: 2/2  0 s left\n" in capsys.readouterr().err
