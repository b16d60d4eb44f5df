"""A training step that is stopped, and what its next run makes of it."""

import contextlib
import json
import logging
import shutil
import signal

import pytest

from tasks.generate import generate_dataset
from tasks.seq2seq.rules import check_experiment
from tasks.storage.checkpoints import Checkpoint
from tasks.storage.store import Store
from tasks.train import checkpoint_of, train_model, training_recipe, write_training

EXPERIMENT = check_experiment(
    {
        "data": {"problem": "copy", "n_in": 2, "cardinality": 8, "n_samples": 320},
        "model": {"units": 4, "embedding": 4},
        "training": {"batch_size": 16, "epochs": 4},
        "evaluation": {"n_samples": 5},
    }
)


@contextlib.contextmanager
def listening():
    """What the step logs."""
    records, handler, logger = [], logging.Handler(), logging.getLogger("prefect.tasks")
    handler.emit = lambda record: records.append(record.getMessage())
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield records
    logger.removeHandler(handler)
    logger.setLevel(before)


@pytest.fixture
def said():
    with listening() as records:
        yield records


class Interrupting(Checkpoint):
    """Presses Ctrl-C once two epochs are kept."""

    def write(self, snapshot):
        super().write(snapshot)
        if snapshot.epochs == 2:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The dataset, and a training that was not stopped, in a store of its own."""
    store = tmp_path_factory.mktemp("whole")
    dataset = generate_dataset.fn(EXPERIMENT, store)
    return dataset, train_model.fn(EXPERIMENT, dataset, store)


@pytest.fixture
def dataset(whole):
    return whole[0]


@pytest.fixture(scope="module")
def stopped(whole, tmp_path_factory):
    """A store with the checkpoint of a training that was stopped after its second epoch, and what was said then."""
    folder = tmp_path_factory.mktemp("stopped")
    step = training_recipe(EXPERIMENT, whole[0].digest)
    checkpoint = Interrupting(checkpoint_of(step, Store(folder)).folder, step.key)
    with listening() as said, pytest.raises(KeyboardInterrupt):
        write_training(EXPERIMENT, whole[0], tmp_path_factory.mktemp("making"), checkpoint=checkpoint)
    return folder, said


@pytest.fixture
def store(stopped, tmp_path):
    shutil.copytree(stopped[0], tmp_path / "store")
    return tmp_path / "store"


@pytest.fixture
def checkpoint(dataset, store):
    checkpoint = checkpoint_of(training_recipe(EXPERIMENT, dataset.digest), Store(store))
    assert checkpoint.is_there
    return checkpoint


def history_of(training):
    return json.loads((training.path / "history.json").read_text())


def test_a_training_that_is_stopped_says_that_the_same_command_goes_on(stopped):
    assert stopped[1][-1].startswith("Training was stopped; the same command goes on after the last finished epoch")


def test_a_training_that_was_stopped_goes_on_and_makes_the_same_artifact(dataset, store, whole, checkpoint, said):
    training = train_model.fn(EXPERIMENT, dataset, store)
    assert "Training goes on after epoch 2 of 4, where an earlier run ended" in said
    assert training.digest == whole[1].digest
    assert history_of(training)["resumed_after"] == [2]
    assert not checkpoint.folder.exists()
    assert [path.name for path in (store / "training").iterdir()] == [training.digest[:16]]


def test_a_checkpoint_that_was_cut_is_told_and_training_starts_anew(dataset, store, whole, checkpoint, said):
    arrays = checkpoint.folder / "epoch-2.npz"
    arrays.write_bytes(arrays.read_bytes()[:-1])
    training = train_model.fn(EXPERIMENT, dataset, store)
    assert any(line.startswith("Training starts anew: the checkpoint") for line in said)
    assert training.digest == whole[1].digest
    assert history_of(training)["resumed_after"] == []


def test_a_refresh_starts_anew(dataset, store, checkpoint):
    training = train_model.fn(EXPERIMENT, dataset, store, refresh=True)
    assert history_of(training)["resumed_after"] == []
