"""Schedules, proven by runs that nobody started: served from one process, and through a work pool."""

import json
import os
import signal
import subprocess
import sys

import psutil
import pytest
import yaml

from flows._cli.checkout import ROOT
from flows._server import local as _server
from tests.helpers.served import (
    ask,
    children,
    end,
    overlapping,
    runs_of,
    serving,
    states,
    training,
    wait_for,
    write_yaml,
)

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def quick_environment(tmp_path_factory):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return {
        **kept,
        "PREFECT_HOME": str(tmp_path_factory.mktemp("prefect-home")),
        "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "3",  # 30 by default
        "PREFECT_RUNNER_POLL_FREQUENCY": "2",
        "PREFECT_SERVER_SERVICES_SCHEDULER_DEPLOYMENT_BATCH_SIZE": "100",
        "PREFECT_WORKER_QUERY_SECONDS": "2",
    }


def limited(strategy):
    return {"limit": 1, "collision_strategy": strategy}


@pytest.mark.slow
def test_scheduled_runs_complete_and_those_that_would_overlap_wait_or_are_left_out_as_set(tmp_path, quick_environment):
    store = tmp_path / "store"
    path = write_yaml(
        tmp_path / "deployments.yaml",
        training("queued", store, seconds=3, concurrency_limit=limited("ENQUEUE")),
        training("left-out", store, seconds=3, concurrency_limit=limited("CANCEL_NEW")),
    )
    summary = tmp_path / "serving.json"
    with serving(path, quick_environment, "--summary", str(summary), log=tmp_path / "log") as (process, url):
        told = json.loads(summary.read_text())
        waiting = wait_for(lambda: states(url, "queued", "AwaitingConcurrencySlot"), process=process)
        wait_for(lambda: len(states(url, "queued", "Completed")) >= 2, process=process)
        wait_for(lambda: len(states(url, "left-out", "Completed")) >= 2, process=process)
        cancelled = wait_for(lambda: states(url, "left-out", "Cancelled"), process=process)
        queued, left_out = (states(url, name, "Completed") for name in ("queued", "left-out"))
        all_queued = runs_of(url, "queued")
        artifacts = ask(url, "artifacts")
        assert end(process) == 0
    assert told["url"] == url
    assert told["deployments"] == [
        {"name": f"train-and-eval/{name}", "when": "every 3 s"} for name in ("queued", "left-out")
    ]
    for runs in (queued, left_out):
        assert all(run["auto_scheduled"] for run in runs)
        assert not overlapping(runs)
        shown = {artifact["key"] for artifact in artifacts if artifact["flow_run_id"] == runs[0]["id"]}
        assert any(key.startswith("report-") for key in shown)
    assert waiting
    assert not [run for run in all_queued if run["state_name"] == "Cancelled"]
    assert any("concurrency" in str(run["state"]["message"]).lower() for run in cancelled)
    assert len(list(store.glob("bundle/*/manifest.json"))) >= 1
    said = (tmp_path / "log").read_text()
    assert "Traceback" not in said


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_end_of_serving_ends_runs_under_way_and_leaves_no_process(tmp_path, own_server_environment, number):
    name = f"long-{number.name.lower()}"  # late runs of another test's deployment would go first
    deployment = training(name, tmp_path / "store", seconds=2, concurrency_limit=limited("ENQUEUE"))
    deployment["parameters"]["experiment"]["training"] = {"epochs": 100_000}
    path = write_yaml(tmp_path / "deployments.yaml", deployment)
    log = tmp_path / "log"
    with serving(path, own_server_environment, log=log) as (process, _url):
        wait_for(lambda: list(tmp_path.glob("store/training/.making-*")), process=process)
        below = children(process)
        assert len(below) == 2
        if number == signal.SIGKILL:
            process.kill()
            _, alive = psutil.wait_procs(below, timeout=90)
            assert not alive
            return
        assert end(process, number) == 0
    assert "Cancelled flow run" in log.read_text()
    assert "Traceback" not in log.read_text()
    assert "Error logging to API" not in log.read_text()


@pytest.mark.slow
def test_deployments_run_through_a_process_work_pool(tmp_path, quick_environment, monkeypatch):
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    for name, value in quick_environment.items():
        monkeypatch.setenv(name, value)
    ours = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    deployment = training("pooled", tmp_path / "store", seconds=3, work_pool={"name": "pool"})
    path = write_yaml(tmp_path / "deployments.yaml", deployment, build=ours["build"], pull=ours["pull"])
    server = _server.launch(full=True)
    monkeypatch.setenv("PREFECT_API_URL", server.url)
    prefect = [sys.executable, "-m", "prefect", "--no-prompt"]
    worker = None
    try:
        server.go()
        server.wait_until_up()
        for words in (
            ["work-pool", "create", "pool", "--type", "process"],
            ["deploy", "--all", "--prefect-file", str(path)],
        ):
            done = subprocess.run([*prefect, *words], cwd=ROOT, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
        with (tmp_path / "log").open("w") as log:
            worker = subprocess.Popen(
                [*prefect, "worker", "start", "--pool", "pool", "--limit", "1"], cwd=tmp_path, stdout=log, stderr=log
            )
        (run, *_) = wait_for(lambda: states(server.url, "pooled", "Completed"), process=worker)
        assert run["auto_scheduled"]
        artifacts = ask(server.url, "artifacts", flow_runs={"id": {"any_": [run["id"]]}})
        assert any(str(artifact["key"]).startswith("report-") for artifact in artifacts)
    finally:
        if worker:
            below = children(worker)
            worker.terminate()
            try:
                worker.wait(30)
            except subprocess.TimeoutExpired:
                worker.kill()
            for child in below:
                child.kill() if child.is_running() else None
        server.end()
