"""prefect.yaml is right, and what is wrong in a file like it is told at once, with its place."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate

from flows.__main__ import all_commands
from flows._cli.checkout import ROOT
from flows._cli.commands.serve import COMMAND, DEPLOYMENTS
from flows._cli.deployments import read_deployments
from flows._cli.settings import from_checkout
from flows.serve import main
from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.batch import BatchSettings

EXPERIMENT = {"entrypoint": "flows/train_and_eval.py:train_and_eval", "name": "one"}


def write(path, *deployments, **more):
    path.write_text(yaml.safe_dump({"deployments": [*deployments], **more}))
    return path


def test_the_projects_own_deployments_are_accepted_and_each_flow_takes_its_parameters():
    served = {one.entry.name: one for one in read_deployments(DEPLOYMENTS)}
    assert {"weekly", "nightly"} <= {*served}
    assert served["weekly"].flow.name == "train-and-eval"
    assert served["housekeeping"].flow.name == "clean-up"
    assert [schedule.active for schedule in served["housekeeping"].entry.schedules] == [False]
    for one in served.values():
        assert bool(one.entry.schedules) is (one.entry.name != "sweep")  # which is run when somebody asks for it
        assert one.entry.description
        assert one.entry.concurrency_limit.limit == 1
        assert one.flow.validate_parameters(one.entry.parameters)


def test_what_is_active_from_the_start_runs_in_a_fresh_clone(tmp_path):
    """A command with the same settings is accepted where the store is empty and no folder is made yet."""
    commands = {command.name: command for command in all_commands()}
    active = [one.entry for one in read_deployments(DEPLOYMENTS) if any(when.active for when in one.entry.schedules)]
    assert active
    for entry in active:
        command = commands[Path(entry.entrypoint.split(":")[0]).stem]
        (given,) = entry.parameters.values()
        command.check(command.tree.check(given), command.options(store=tmp_path / "store"))


SENT = (
    "name",
    "description",
    "tags",
    "parameters",
    "entrypoint",
    "paused",
    "version",
    "parameter_openapi_schema",
    "enforce_parameter_schema",
    "concurrency_options",
)


def sent(name):
    """What the server holds about a deployment, except for where its runs start."""
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(name)
    schedules = [(entry.schedule, entry.active, entry.parameters) for entry in deployment.schedules]
    limit = deployment.global_concurrency_limit.limit
    return {**{field: getattr(deployment, field) for field in SENT}, "schedules": schedules, "limit": limit}


@pytest.mark.slow
def test_serving_sends_the_same_as_prefect_deploy_does(server):
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="nightly-seq2seq", type="process"))
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    environment = {**os.environ, "PREFECT_API_URL": server}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    served = read_deployments(DEPLOYMENTS)
    names = [f"{one.flow.name}/{one.entry.name}" for one in served]
    deployed = {name: sent(name) for name in names}
    with get_client(sync_client=True) as client:
        pull = client.read_deployment_by_name(names[0]).pull_steps
        for name in names:
            client.delete_deployment(client.read_deployment_by_name(name).id)
    assert pull == [{"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}]
    for one, name in zip(served, names, strict=True):
        one.create().apply()
        assert sent(name) == deployed[name]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"schedules": [{"cron": "0 3 *"}]}, "schedules[0].cron: Invalid cron string"),
        ({"schedules": [{"interval": 0}]}, "schedules[0].interval: Input should be greater than 0"),
        ({"schedules": [{"interval": 9, "cron": "0 3 * * *"}]}, "give one of cron, interval (seconds) and rrule"),
        ({"schedules": [{"interval": 9, "timezone": "Mars"}]}, "Mars"),
        ({"schedules": [{"interval": 9, "acitve": True}]}, "schedules[0].acitve is not a key here"),
        ({"concurrency_limit": {"limit": 0}}, "concurrency_limit.limit"),
        ({"concurrency_limit": {"limit": 1, "collision_strategy": "WAIT"}}, "'ENQUEUE' or 'CANCEL_NEW'"),
        ({"entrypoint": "flows/train_and_eval.py:train"}, "gives no flow"),
        ({"entrypoint": "flows/nothing.py:train"}, "gives no flow"),
        (
            {"parameters": {"experiment": {"model": {"unit": 3}}}},
            "experiment.model.unit is not a setting, did you mean",
        ),
        ({"parameters": {"experiment": {"data": {"problem": "sort", "n_out": 1}}}}, "n_out"),
        ({"parameters": {"experiments": {}}}, "experiments is not a parameter of train-and-eval, did you mean"),
        ({"parameters": {"refresh": "perhaps"}}, "refresh: Input should be a valid boolean"),
        ({"parameters": {"store": "{{ checkout.stdout }}/x"}}, "is a template"),
        ({"schedules": [{"interval": 9, "parameters": {"refresh": 3}}]}, "schedules[0].parameters: refresh"),
        ({"entrypoint": "flows/batch_predict.py:batch_predict"}, "settings is required"),
        ({"tags": "x"}, "tags"),
        ({"nmae": "x"}, "nmae is not a key here"),
    ],
)
def test_a_fault_is_refused_with_its_place(tmp_path, change, text):
    path = write(tmp_path / "prefect.yaml", {**EXPERIMENT, **change})
    with pytest.raises(SettingsError, match=r"deployments\[0\] \(one\)") as error:
        read_deployments(path)
    assert text in str(error.value)
    assert str(path) in str(error.value)


def test_all_faults_are_told_together(tmp_path):
    path = write(tmp_path / "prefect.yaml", {"name": "a", "entrypoint": "x"}, {**EXPERIMENT, "tags": 1}, pul=[])
    with pytest.raises(SettingsError) as error:
        read_deployments(path)
    for text in ("pul is not a key of the file, did you mean 'pull'?", "(a) entrypoint", "(one) tags"):
        assert text in str(error.value)


@pytest.mark.parametrize("folder", ["inbox", "/elsewhere/inbox"])
def test_a_relative_path_of_a_parameter_starts_from_the_checkout_wherever_the_run_does(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    given = BatchSettings(inputs=[folder], output=f"{folder}/out")
    assert from_checkout(given) == {"inputs": [str(ROOT / folder)], "output": str(ROOT / folder / "out")}


def test_two_deployments_of_one_name_are_refused(tmp_path):
    with pytest.raises(SettingsError, match="train-and-eval/one is there 2 times"):
        read_deployments(write(tmp_path / "prefect.yaml", EXPERIMENT, EXPERIMENT))


@pytest.mark.parametrize("content", ["deployments: [", "[]", "deployments: []", "deployments: {}", "", None])
def test_a_file_without_deployments_is_refused_without_a_traceback(tmp_path, capsys, content):
    path = tmp_path / "prefect.yaml"
    if content is not None:
        path.write_text(content)
    assert main(["--deployments", str(path)]) == 2
    assert f"{path}" in capsys.readouterr().err


def test_a_notification_block_that_is_not_there_is_refused_before_serving(tmp_path, server, monkeypatch, capsys):
    monkeypatch.setenv("PREFECT_API_URL", server)
    path = write(tmp_path / "prefect.yaml", {**EXPERIMENT, "parameters": {"notify": "slack-webhook/nobody"}})
    assert main(["--deployments", str(path)]) == 2
    assert "'slack-webhook/nobody', but the Prefect server has no such block" in capsys.readouterr().err


def test_a_port_that_is_taken_is_refused(monkeypatch, capsys):
    monkeypatch.setattr("flows._server.local.configured_url", lambda: None)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 2
    assert f"port {port} cannot be had" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--port", "x"], "port: Input should be a valid integer"),
        (["--port", "70000"], "port: Input should be less than 65536"),
        (["--limit", "0"], "limit: Input should be greater than or equal to 1"),
        (["--prot", "1"], "did you mean '--port'?"),
    ],
)
def test_flags_that_make_no_sense_exit_with_2(flags, text, capsys):
    assert main(flags) == 2
    assert text in capsys.readouterr().err


def test_without_flags_the_projects_own_deployments_are_served_from_the_port_of_prefects_pages():
    settings, _ = COMMAND.accept([])
    assert (settings.deployments, settings.port, settings.limit) == (ROOT / "prefect.yaml", 4200, None)


def test_a_store_is_that_of_the_runs_whose_deployment_names_none(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQ2SEQ_STORE", str(tmp_path / "store"))
    _, options = COMMAND.accept([])
    own = {**EXPERIMENT, "name": "own", "parameters": {"store": "/elsewhere"}}
    served = read_deployments(write(tmp_path / "prefect.yaml", EXPERIMENT, own))
    stores = [one.create(options.named_store).parameters["store"] for one in served]
    assert stores == [str(tmp_path / "store"), "/elsewhere"]
