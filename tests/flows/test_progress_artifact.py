"""Long steps leave a progress artifact in Prefect, and go on without it where the server is gone."""

import re
import time
from typing import Any

import pytest
from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

from tasks.runtime import progress as module
from tasks.runtime.progress import progress


@pytest.fixture
def hurried(monkeypatch):
    """Artifacts after half a second, updated each tenth of one."""
    monkeypatch.setattr(module, "SECONDS_BEFORE_ARTIFACT", 0.5)
    monkeypatch.setattr(module, "SECONDS_BETWEEN_UPDATES", 0.1)


@task
def train(seconds, fails):
    with progress("Model training") as update:
        update(30, 40, {"loss": 0.5})
        time.sleep(seconds)
        if fails:
            raise ZeroDivisionError


@flow
def steps(seconds, fails=False):
    train(seconds, fails, return_state=True)


def artifacts(seconds, **arguments):
    """The artifacts of a run of a step of so many seconds."""
    state: Any = steps(seconds, **arguments, return_state=True)  # its types leave open whether to await it
    of_run = ArtifactFilterFlowRunId(any_=[state.state_details.flow_run_id])
    with get_client(sync_client=True) as client:
        return client.read_artifacts(artifact_filter=ArtifactFilter(flow_run_id=of_run))


def test_a_long_step_has_a_progress_artifact_that_ends_at_100(hurried, monkeypatch):
    monkeypatch.setattr(module, "END_SECONDS", 60.0)  # the server of a busy machine may take its time
    (artifact,) = artifacts(1.0)
    assert (artifact.type, artifact.key, artifact.data) == ("progress", "progress-model-training", 100.0)
    assert artifact.task_run_id is not None
    assert re.fullmatch(r"Model training: \d+ s", artifact.description)


def test_one_that_fails_stays_where_it_was(hurried, monkeypatch):
    monkeypatch.setattr(module, "END_SECONDS", 60.0)
    (artifact,) = artifacts(1.0, fails=True)
    assert artifact.data == 75.0
    assert artifact.description.startswith("Model training: 30/40  loss 0.5000")


def test_a_short_step_has_none(hurried):
    assert artifacts(0.1) == []


def gone(*_arguments, **_keywords):
    raise ConnectionError


def silent(*_arguments, **_keywords):
    time.sleep(30)


@pytest.mark.parametrize("answer", [gone, silent])
def test_a_server_that_takes_no_artifact_neither_fails_the_step_nor_holds_it_up(hurried, monkeypatch, answer):
    """In place of the server: a run keeps its client, which tries for long."""
    raised = []
    monkeypatch.setattr("threading.excepthook", raised.append)
    monkeypatch.setattr("prefect.artifacts.create_progress_artifact", answer)

    @flow
    def alone() -> float:
        began = time.perf_counter()
        train.fn(1.0, fails=False)
        return time.perf_counter() - began

    assert alone() < 1.0 + module.END_SECONDS + 1.0
    assert raised == []
