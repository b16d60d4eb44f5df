"""Flows run on a real Prefect server: one for the session, with a PREFECT_HOME and stores of their own."""

import json
import os
import subprocess
import sys

import pytest

from flows._cli.checkout import ROOT


@pytest.fixture(scope="session", autouse=True)
def server(pytestconfig):
    """The URL of the session's server; with `--fast` there is none, and Prefect is not loaded."""
    if pytestconfig.getoption("--fast"):
        yield None
        return
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        PREFECT_SERVER_ANALYTICS_ENABLED,
        temporary_settings,
    )
    from prefect.testing.utilities import prefect_test_harness

    with (
        temporary_settings({PREFECT_SERVER_ANALYTICS_ENABLED: False}),
        prefect_test_harness(server_startup_timeout=120),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield PREFECT_API_URL.value()


@pytest.fixture
def run(tmp_path, capsys):
    """Runs a command in this process and gives its exit code, its summary, and what it said."""

    def run(main, *flags, store=tmp_path / "store"):
        path = tmp_path / "summary.json"
        path.unlink(missing_ok=True)
        code = main([*flags, "--store", str(store), "--summary", str(path)])
        said = capsys.readouterr()
        assert "Traceback" not in said.err + said.out
        return code, json.loads(path.read_text()) if path.exists() else None, said.err + said.out

    return run


@pytest.fixture(scope="session")
def own_server_environment(tmp_path_factory):
    """An environment in which a command starts a Prefect server of its own, on a PREFECT_HOME of its own."""
    home = tmp_path_factory.mktemp("prefect-home")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return {**kept, "PREFECT_HOME": str(home)}


@pytest.fixture
def start_process(own_server_environment):
    """Starts Python with some arguments and that environment; it is killed when the test ends."""
    processes = []

    def start(*arguments, **environment):
        process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=ROOT,
            env={**own_server_environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()
