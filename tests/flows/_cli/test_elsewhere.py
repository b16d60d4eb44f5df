"""What is logged of a flow that no command of ours runs: in the process that a worker starts, and called from Python."""

import os
import re
import subprocess
import sys

import pytest
from prefect.client.orchestration import get_client

from flows._cli.deployments import read_deployments
from tests.conftest import ROOT
from tests.helpers.served import write_yaml

pytestmark = pytest.mark.seconds


@pytest.fixture
def log_of(server, tmp_path):
    """The log of one run of a deployment, as lines without their times; Prefect's code is what runs it."""

    def run(**entry):
        (served,) = read_deployments(write_yaml(tmp_path / "deployments.yaml", {"name": "one", **entry}))
        served.create().apply()
        with get_client(sync_client=True) as client:
            deployment = client.read_deployment_by_name(served.name)
            flow_run = client.create_flow_run_from_deployment(deployment.id, name="this")
        known = {"PREFECT_API_URL": server, "PREFECT__FLOW_RUN_ID": str(flow_run.id)}
        command = [sys.executable, "-m", "prefect.engine"]
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **known}, capture_output=True, text=True, check=False
        )
        log = [line.partition(" | ")[2] for line in (done.stdout + done.stderr).splitlines()]
        began = next((place for place, line in enumerate(log) if "Beginning flow run" in line), len(log))
        assert log[began:], done.stdout + done.stderr  # before it Prefect has not loaded the flow
        return [line for line in log[began + 1 :] if "View at http" not in line]

    return run


def test_an_error_of_a_deployed_run_is_one_line_of_its_log_without_a_traceback(log_of, tmp_path):
    settings = {"inputs": [str(tmp_path / "inbox")], "output": str(tmp_path / "out")}
    parameters = {"settings": settings, "store": str(tmp_path / "store")}
    log = log_of(entrypoint="flows/batch_predict.py:batch_predict", parameters=parameters)
    assert re.sub("'.*'", "''", "\n".join(log)).startswith("ERROR   | Flow run '' - failed: no model is promoted in")
    assert len(log) == 1


def test_an_error_of_a_step_is_one_line_too(log_of, tmp_path):
    (tmp_path / "pairs.csv").write_text("source,target\n1,2\n")
    experiment = {"data": {"train": str(tmp_path / "pairs.csv")}}
    parameters = {"experiment": experiment, "store": str(tmp_path / "store")}
    log = log_of(entrypoint="flows/generate_datasets.py:generate_datasets", parameters=parameters)
    *steps, line = log
    assert re.match(r"ERROR +\| Flow run '.*' - failed: .*pairs\.csv: the validation split is empty", line)
    assert [step for step in steps if not step.startswith("INFO    | Task run")] == []
    assert not re.search("Traceback|hook|Finished in state", "\n".join(log))


CALLED = """
import sys
from pathlib import Path
from flows.train_and_eval import train_and_eval
from tasks.seq2seq.settings.experiment import Experiment
from tests.helpers.served import TINY
train_and_eval(Experiment.model_validate({"name": "tiny", **TINY}), Path(sys.argv[1]))
"""


@pytest.mark.slow
def test_called_from_python_neither_tensorflow_nor_a_server_tells_of_itself(tmp_path):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "TF_"))}
    known = {"PREFECT_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", CALLED, str(tmp_path / "store")]
    done = subprocess.run(command, cwd=tmp_path, env={**kept, **known}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = done.stdout + done.stderr
    assert "Bundle: " in told
    assert not re.search("temporary server|cuda|absl|tensorflow|oneDNN|AVX", told, re.IGNORECASE)
