"""What a step tries again, on a real server."""

import pytest
from prefect import flow, task

from tasks.generate import generate_dataset
from tasks.initial_weights import checkpoint_of
from tasks.runtime.caching import TASK_OPTIONS, run_step
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.artifacts.checkpoint import Checkpoint
from tasks.storage.store.manifest import Handle
from tasks.train import train_model


def run_failing(errors):
    """Runs a task that raises `errors` one after another, and gives how often it was called."""
    calls = []

    @task(**{**TASK_OPTIONS, "retry_delay_seconds": 0})
    def step():
        calls.append(1)
        if len(calls) <= len(errors):
            raise errors[len(calls) - 1]

    @flow
    def once():
        run_step(step)

    try:
        once()
    except (OSError, DataError, ValueError) as error:
        return len(calls), error
    return len(calls), None


def test_trouble_of_the_system_is_tried_again():
    assert run_failing([OSError("stale handle"), OSError("stale handle")]) == (3, None)


@pytest.mark.parametrize("error", [DataError("row 3 is wrong"), ValueError("a bug")])
def test_what_will_not_pass_is_not_tried_again(error):
    calls, raised = run_failing([error, error])
    assert calls == 1
    assert type(raised) is type(error)


class Stumbling(Checkpoint):
    """Fails once, when it holds two epochs."""

    has_failed = False

    def write(self, snapshot):
        super().write(snapshot)
        if snapshot.epochs == 2 and not Stumbling.has_failed:
            Stumbling.has_failed = True
            raise OSError("stale handle")


def test_a_training_that_is_tried_again_goes_on_though_a_refresh_was_asked_for(monkeypatch, tmp_path):
    experiment = check_experiment(
        {
            "data": {"problem": "copy", "n_in": 2, "cardinality": 8, "n_samples": 100},
            "model": {"units": 4, "embedding": 4},
            "training": {"batch_size": 16, "epochs": 3},
            "evaluation": {"n_samples": 5},
        }
    )
    dataset = generate_dataset.fn(experiment, tmp_path)
    monkeypatch.setattr(
        "tasks.train.checkpoint_of", lambda step, store: Stumbling(checkpoint_of(step, store).folder, step.key)
    )

    @flow
    def once() -> Handle:
        again = train_model.with_options(retry_delay_seconds=0)
        return run_step(again, experiment, dataset, tmp_path, refresh=True)

    assert once().figures["resumed_after"] == [2]
