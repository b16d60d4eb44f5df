"""Long steps leave a progress artifact in Prefect, and go on without it where the server is gone."""

import time

import pytest
from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.settings import PREFECT_API_URL, temporary_settings

from tasks import progress as module
from tasks.progress import progress


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
    state = steps(seconds, **arguments, return_state=True)
    of_run = ArtifactFilterFlowRunId(any_=[state.state_details.flow_run_id])
    with get_client(sync_client=True) as client:
        return client.read_artifacts(artifact_filter=ArtifactFilter(flow_run_id=of_run))


def test_a_long_step_has_a_progress_artifact_that_ends_at_100(hurried):
    (artifact,) = artifacts(1.0)
    assert (artifact.type, artifact.key, artifact.data) == ("progress", "progress-model-training", 100.0)
    assert artifact.task_run_id is not None
    assert artifact.description == "Model training: 1 s"


def test_one_that_fails_stays_where_it_was(hurried):
    (artifact,) = artifacts(1.0, fails=True)
    assert artifact.data == 75.0
    assert artifact.description.startswith("Model training: 30/40  loss 0.5000")


def test_a_short_step_has_none(hurried):
    assert artifacts(0.1) == []


def test_a_server_that_is_gone_neither_fails_the_step_nor_holds_it_up(hurried):
    @flow
    def without_server():
        with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
            began = time.perf_counter()
            train.fn(1.0, fails=False)
            return time.perf_counter() - began

    assert without_server() < 3.5
