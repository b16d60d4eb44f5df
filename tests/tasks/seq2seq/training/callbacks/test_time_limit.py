import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.seq2seq.settings.training import TrainingSettings
from tasks.seq2seq.training.callbacks.time_limit import Deadline
from tasks.seq2seq.training.input_pipeline import STEPS_PER_CALL
from tests.helpers.trainings import model_with_dropout, random_pairs, train

SETTINGS = TrainingSettings(batch_size=4, epochs=3, patience=1)
VALIDATION = random_pairs(20, seed=1)


def limited(seconds, **keywords):
    settings = SETTINGS.model_copy(update={"max_seconds": seconds})
    return train(model_with_dropout(), settings, pairs=random_pairs(100), validation=VALIDATION, **keywords)


def test_training_ends_after_the_call_in_which_its_time_is_over_and_that_epoch_counts_as_one():
    """It is validated, its means are of the pairs that were seen, and nothing is left to go on from."""
    kept = []
    history = limited(1e-6, save=kept.append)
    assert history.ended_by == "max_seconds"
    (epoch,) = history.epochs
    (point,) = history.curve
    assert epoch["pairs"] == point["pairs"] == STEPS_PER_CALL * 4 < 100
    assert epoch["loss"] == pytest.approx(point["loss"], rel=1e-6)
    assert epoch["val_loss"] > 0
    assert history.best_epoch == 1
    assert kept == []


@pytest.fixture(scope="module")
def unlimited():
    kept = []
    return limited(1e6, save=kept.append), kept


def test_training_that_has_time_ends_with_its_epochs(unlimited):
    history, _ = unlimited
    assert history.ended_by == ("epochs" if len(history.epochs) == 3 else "patience")


def test_the_seconds_before_a_kill_count(unlimited):
    snapshot = unlimited[1][0]
    facts = {**snapshot.facts, "watch": {**snapshot.facts["watch"], "seconds": 2e6}}
    history = limited(1e6, snapshot=dataclasses.replace(snapshot, facts=facts))
    assert (history.ended_by, len(history.epochs)) == ("max_seconds", 2)
    assert history.seconds > 2e6


@pytest.mark.parametrize(("seconds", "ends"), [(9.9, False), (10, True)])
def test_time_that_is_over_in_validation_ends_training_too(seconds, ends):
    watch: Any = SimpleNamespace(seconds=seconds)
    deadline = Deadline(watch, 10)
    deadline.set_model(SimpleNamespace(stop_training=False))
    deadline.on_epoch_end(0)
    assert deadline.model.stop_training is deadline.has_passed is ends
