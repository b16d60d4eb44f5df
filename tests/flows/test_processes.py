"""Commands as real processes: their own server, their exit codes, and what is left when they are killed."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest

from flows._cli.checkout import ROOT
from flows._server import local as _server
from tests.helpers.processes import finish, wait_for
from tests.helpers.terminal import at_a_terminal
from tests.helpers.tiny import TINY, tiny_run


@pytest.fixture
def command(start_process):
    """Starts a command as a process."""

    def start(name, *flags, **environment):
        return start_process("-m", f"flows.{name}", *flags, **environment)

    return start


def children(process):
    return psutil.Process(process.pid).children(recursive=True)


def wait_until_gone(processes, seconds=30):
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    assert not alive


@pytest.mark.slow
def test_two_commands_at_once_on_one_new_prefect_home_both_succeed_and_leave_nothing(command, tmp_path):
    flags = [*TINY, "--store", str(tmp_path / "store")]
    both = [command("train_and_eval", *flags, "--summary", str(tmp_path / f"{i}.json")) for i in range(2)]
    wait_for(lambda: all(children(process) for process in both))
    servers = [child for process in both for child in children(process)]
    assert [finish(process)[0] for process in both] == [0, 0]
    wait_until_gone(servers)
    summaries = [json.loads((tmp_path / f"{i}.json").read_text()) for i in range(2)]
    for first, second in zip(summaries[0]["steps"], summaries[1]["steps"], strict=True):
        assert first["digest"] == second["digest"]
        assert first["cached"] != second["cached"]  # made once, found once
    assert summaries[0]["peak_rss_server_mib"] > 50


@pytest.mark.slow
def test_neither_a_cached_rerun_nor_an_evaluation_made_again_loads_tensorflow(command, tmp_path, tmp_path_factory):
    store = shutil.copytree(tiny_run(tmp_path_factory) / "store", tmp_path / "store")
    flags = [*TINY, "--store", str(store)]
    for is_evaluated in (True, False):
        if not is_evaluated:
            shutil.rmtree(store / "evaluation")
        code, said = finish(command("train_and_eval", *flags, PYTHONVERBOSE="", PYTHONPROFILEIMPORTTIME="1"))
        assert code == 0
        imported = {line.split("|")[-1].strip() for line in said.splitlines() if line.startswith("import time:")}
        assert "prefect" in imported
        assert ("onnxruntime" in imported) != is_evaluated
        assert not imported & {"tensorflow", "keras"}


@pytest.mark.parametrize("moment", ["importing", "serving"])
def test_a_killed_command_takes_its_server_with_it(command, tmp_path, moment):
    process = command("generate_datasets", "--store", str(tmp_path / "store"))
    wait_for(lambda: children(process))
    servers = children(process)
    if moment == "serving":
        wait_for(lambda: list(tmp_path.glob("store/dataset/*")))
    os.kill(process.pid, signal.SIGKILL)
    wait_until_gone(servers)


def test_an_interrupted_command_ends_with_130_and_no_traceback(command, tmp_path):
    process = command("train_and_eval", "--training.epochs", "50", "--store", str(tmp_path / "store"))
    wait_for(lambda: list(tmp_path.glob("store/training/.making-*")))
    servers = children(process)
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    wait_until_gone(servers)
    assert not list(tmp_path.glob("store/training/[!.]*"))
    assert not list(tmp_path.glob("store/training/.making-*"))


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGKILL, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, marks=pytest.mark.exhaustive),
    ],
)
def test_a_training_that_was_killed_goes_on_to_the_same_weights_bit_by_bit(command, tmp_path, number):
    """As one that was not, and so does all that follows but the report, which says how long it took."""
    flags = [*TINY, "--training.epochs", "40", "--seed", "3"]
    process = command("train_and_eval", *flags, "--store", str(tmp_path / "killed"))
    wait_for(lambda: list(tmp_path.glob("killed/training/.checkpoint-*/state.json")))
    time.sleep(0.5)  # into the middle of an epoch, some epochs on
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert not list(tmp_path.glob("killed/training/[!.]*"))
    summaries = {}
    for store in ("killed", "whole"):
        summary = tmp_path / f"{store}.json"
        code, said = finish(
            command("train_and_eval", *flags, "--store", str(tmp_path / store), "--summary", str(summary))
        )
        assert code == 0
        assert ("Training goes on after epoch" in said) is (store == "killed")
        summaries[store] = json.loads(summary.read_text())
    digests = [{step["name"]: step["digest"] for step in one["steps"]} for one in summaries.values()]
    assert {name for name in digests[0] if digests[0][name] != digests[1][name]} == {"report"}
    assert not list(tmp_path.glob("killed/training/.*"))


def test_refused_settings_exit_with_2_and_touch_nothing(command, tmp_path):
    home = tmp_path / "home"
    code, said = finish(command("train_and_eval", "--model.units", "0", PREFECT_HOME=str(home)))
    assert code == 2
    assert "model.units" in said
    assert not home.exists() or not list(home.glob("*.db"))


@pytest.mark.slow
def test_a_failed_run_exits_with_1(command, tmp_path):
    flags = [*TINY, "--training.learning_rate", "0.0001", "--training.epochs", "1"]
    code, said = finish(command("train_and_eval", *flags, "--require-promotion", "--store", str(tmp_path / "store")))
    assert code == 1
    assert "not promoted" in said


def test_help_needs_no_server_and_names_the_settings(command):
    code, said = finish(command("train_and_eval", "--help"))
    assert code == 0
    assert said.startswith("usage: python -m flows.train_and_eval [--KEY VALUE ...]\n")
    assert "--training.epochs N" in said


@pytest.mark.seconds
def test_a_command_at_a_terminal_calls_nobody(tmp_path):
    """Prefect's notice is shown where it would."""
    unset = dict.fromkeys(("CI", "DO_NOT_TRACK", "PREFECT_API_URL"))
    shown = at_a_terminal(["-m", "flows.generate_datasets", "--dry-run"], PREFECT_HOME=str(tmp_path), **unset)
    assert "dry run: nothing was made" in shown
    assert "anonymous" not in shown


@pytest.mark.seconds
def test_a_dry_run_starts_no_server(monkeypatch, tmp_path):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    for flag, starts in (("--refresh", True), ("--dry-run", False), ("--dry_run", False), ("--help", False)):
        monkeypatch.setattr("sys.argv", ["train_and_eval", flag])
        _server.begin()
        server = _server.take_begun()
        if server:
            server.end()
        monkeypatch.delenv("PREFECT_API_URL", raising=False)
        assert (server is not None) is starts


@pytest.mark.slow
def test_quiet_logs_nothing_below_warnings_and_verbose_logs_in_detail_without_color_where_none_is_wanted(
    command, tmp_path, server
):
    flags = ["--data.n-samples", "50", "--evaluation.n-samples", "5", "--store", str(tmp_path / "store")]
    as_at_a_terminal = {"PREFECT_API_URL": server, "FORCE_COLOR": "1", "TERM": "xterm"}
    quiet = command("generate_datasets", *flags, "--quiet", **as_at_a_terminal)
    verbose = command("generate_datasets", *flags, **as_at_a_terminal, SEQ2SEQ_VERBOSE="true", NO_COLOR="1")
    assert finish(quiet) == (0, "")
    code, said = finish(verbose)
    assert code == 0
    assert "DEBUG" in said
    assert "dataset: key " in said
    assert not re.search(r"\x1b\[[0-9;]*[39][0-7]", said)


def test_quiet_and_verbose_at_once_are_refused(command):
    code, said = finish(command("generate_datasets", "--quiet", "--verbose"))
    assert code == 2
    assert "--quiet and --verbose are both given" in said


def test_a_configured_server_that_is_not_there_is_refused(command, tmp_path):
    url = "http://127.0.0.1:9/api"
    code, said = finish(command("train_and_eval", "--store", str(tmp_path / "store"), PREFECT_API_URL=url))
    assert code == 2
    assert "no Prefect server answers at http://127.0.0.1:9/api" in said


def test_a_configured_server_is_used(command, tmp_path, server):
    code, said = finish(command("generate_datasets", "--store", str(tmp_path / "store"), PREFECT_API_URL=server))
    assert code == 0
    assert server.removesuffix("/api") in said


@pytest.mark.seconds
def test_a_full_disk_ends_the_run_with_1_and_leaves_the_store_whole(tmp_path, server):
    store = tmp_path / "store"
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "from flows.generate_datasets import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, "--store", str(store)],
        cwd=ROOT,
        env={**os.environ, "PREFECT_API_URL": server},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 1, process.stderr
    assert "make room" in process.stderr
    assert "Traceback" not in process.stderr
    assert not list(store.glob("dataset/*"))
