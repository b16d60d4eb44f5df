"""A Prefect server that is gone while a command runs: back in time, and gone for good."""

import signal
import sqlite3

import psutil
import pytest

from flows._cli.server_watch import GONE_SECONDS
from flows._server import local as _server
from tests.helpers.processes import finish, wait_for

pytestmark = pytest.mark.seconds
# The first step is made, and then the server is gone.
CODE = """
import sys, time
from pathlib import Path
import flows._cli.server_watch as watch
from flows._cli.interruption import watch_for_signals
watch.GONE_SECONDS = float(sys.argv[1])
watch_for_signals()
from flows.generate_datasets import main
from tasks.storage.store.artifact_store import Store
make = Store.make
def make_and_wait(*arguments, **keywords):
    made = make(*arguments, **keywords)
    print("made", flush=True)
    time.sleep(float(sys.argv[2]))
    return made
Store.make = make_and_wait
sys.exit(main(sys.argv[3:]))
"""


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Starts a server of somebody else's, on a port that may be given; it ends with the test."""
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    servers = []

    def start(port=0):
        server = _server.launch(port, full=True)
        servers.append(server)
        server.go()
        server.wait_until_up()
        return server

    yield start
    for server in servers:
        server.process.kill()
        server.end()


def read_line(process):
    while (line := process.stdout.readline()) and line != "made\n":
        pass
    assert line


def start(start_process, tmp_path, url, gone_seconds, seconds):
    flags = ["--data.n_samples", "500", "--store", tmp_path / "store"]
    return start_process("-c", CODE, gone_seconds, seconds, *flags, PREFECT_API_URL=url)


@pytest.mark.slow
def test_a_run_whose_server_is_gone_for_good_says_which_and_keeps_what_was_made(start_process, served, tmp_path):
    server = served()
    process = start(start_process, tmp_path, server.url, 3, 2)
    read_line(process)
    server.process.kill()
    server.process.wait()
    code, said = finish(process)
    assert code == 1
    assert f"failed: the Prefect server at {server.url} has not answered for 3 seconds" in said
    assert "start it and run the same command again to go on" in said
    assert len(list(tmp_path.glob("store/dataset/[!.]*"))) == len(list(tmp_path.glob("store/keys/*"))) == 1
    assert GONE_SECONDS <= 25  # and some seconds to end: half a minute in all


@pytest.mark.slow
def test_a_run_whose_own_server_is_killed_ends_at_once(start_process, tmp_path):
    flags = ["--data.n_samples", "500", "--store", tmp_path / "store"]
    process = start_process("-c", CODE, 60, 5, *flags)
    read_line(process)
    (server,) = psutil.Process(process.pid).children()
    server.send_signal(signal.SIGKILL)
    code, said = finish(process)
    assert code == 1
    assert "failed: the run's own Prefect server ended (exit code -9); finished steps are kept" in said


@pytest.mark.slow
def test_a_run_goes_on_when_its_server_comes_back(start_process, served, tmp_path):
    server = served()
    process = start(start_process, tmp_path, server.url, 120, 3)
    read_line(process)
    server.process.kill()
    server.process.wait()
    wait_for(lambda: not _server.answers(server.url, 1))
    served(int(server.url.removesuffix("/api").rpartition(":")[2]))
    code, said = finish(process)
    assert code == 0, said
    states = sqlite3.connect(tmp_path / "home" / "prefect.db").execute("SELECT state_type FROM flow_run").fetchall()
    assert states == [("COMPLETED",)]
