"""Batch prediction by the workers of a Dask cluster: real processes, some really killed; every row once."""

import contextlib
import threading
import time
from unittest.mock import patch

import psutil
import pytest

from tasks.prediction.batch_check import check_batch
from tasks.runtime.cluster_check import describe
from tasks.runtime.runners import check_runner, open_runner
from tasks.seq2seq.cpu import available_cores
from tasks.seq2seq.errors import ServerError, SettingsError
from tasks.seq2seq.settings.runner import RunnerSettings
from tasks.storage.store.artifact_store import Store
from tests.helpers.batch_models import batch_models, integer_pairs
from tests.helpers.batch_runs import contents, predict, settings_of
from tests.helpers.clusters import Line, OwnCluster, free_port, stopped, wait_for_workers, workers_below
from tests.helpers.meanwhile import once

pytestmark = [pytest.mark.seconds, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return batch_models(tmp_path_factory).need("integers")


@pytest.fixture(scope="module")
def cluster():
    with OwnCluster() as made:
        yield made


def write(path, n):
    path.parent.mkdir(parents=True, exist_ok=True)
    sources, _ = integer_pairs(n)
    path.write_text("".join(f'{{"source": {source}}}\n' for source in sources))
    return path


@pytest.fixture
def inbox(tmp_path):
    write(tmp_path / "in" / "large.jsonl", 4_000)
    for i in range(3):
        write(tmp_path / "in" / f"{i}.jsonl", 30)
    (tmp_path / "in" / "text.csv").write_text("source\n" + "1 2 3\nx\n" * 200)
    (tmp_path / "in" / "broken.parquet").write_bytes(b"PAR1\x15 and no more")
    return tmp_path / "in"


ASKED = {"model": "integers", "chunk_rows": 100}


def by_dask(store, inbox, out, address=None, workers=2, **asked):
    given = {"kind": "dask", "workers": workers, **({"address": address} if address else {})}
    return predict(store, inbox, output=out, runner_kind=given, **{**ASKED, **asked})


def test_a_cluster_of_this_machine_gives_the_bytes_of_threads_keeps_to_loopback_and_ends(store, inbox, tmp_path, capfd):
    here = predict(store, inbox, output=tmp_path / "here", **ASKED)
    found, over = set(), threading.Event()

    def watch():
        while not over.wait(0.2):
            for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    found.update(one.laddr.ip for one in process.net_connections() if one.status == "LISTEN")

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        there = by_dask(store, inbox, tmp_path / "there")
    finally:
        over.set()
        thread.join()
    assert contents(tmp_path / "here") == contents(tmp_path / "there")
    assert {name: job.reason for name, job in here.items()} == {name: job.reason for name, job in there.items()}
    assert found == {"127.0.0.1"}
    assert not workers_below()
    assert "distributed" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("kind", ["processes", "dask"])
def test_workers_know_neither_prefect_nor_tensorflow_and_their_threads_are_their_share(kind):
    n = available_cores()
    with open_runner(RunnerSettings(kind=kind, workers=n)) as workers:
        found = workers.run("tests.helpers.loaded:answer", {}, lambda _said: None)
    assert found == {"prefect": False, "tensorflow": False, "threads": "1"}


def while_parts_come(output, action, at_least=4):
    """Does something once so many chunks are predicted."""
    return once(lambda: len(list(output.glob(".work/*/*.part"))) >= at_least, action)


def kill_one():
    workers_below()[0].kill()


def test_a_killed_worker_loses_nothing(store, inbox, tmp_path):
    predict(store, inbox, output=tmp_path / "here", **ASKED)
    with while_parts_come(tmp_path / "there", kill_one) as done:
        there = by_dask(store, inbox, tmp_path / "there")
    assert done
    assert there["large.jsonl"].action == "predict"
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


@pytest.mark.slow
def test_a_worker_that_stalls_and_comes_back_writes_again_and_does_no_harm(store, inbox, tmp_path):
    predict(store, inbox, output=tmp_path / "here", **ASKED)
    with OwnCluster() as cluster:

        def stall():
            with stopped(cluster.workers[0], 15):
                pass

        with while_parts_come(tmp_path / "there", stall) as done:
            by_dask(store, inbox, tmp_path / "there", cluster.address)
        assert done
        time.sleep(2)
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


@pytest.mark.slow
def test_a_scheduler_that_is_started_anew_ends_the_run_clearly_and_the_next_one_goes_on(store, inbox, tmp_path):
    predict(store, inbox, output=tmp_path / "here", **ASKED)
    with OwnCluster() as cluster:
        with (
            while_parts_come(tmp_path / "there", cluster.restart_scheduler) as done,
            pytest.raises(ServerError, match="is gone, or was started anew; run the same command again"),
        ):
            by_dask(store, inbox, tmp_path / "there", cluster.address)
        assert done
        again = by_dask(store, inbox, tmp_path / "there", cluster.address)
    assert again["large.jsonl"].n_resumed > 0
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


@pytest.mark.slow
def test_a_cluster_whose_workers_are_all_gone_ends_the_run_clearly_and_the_next_one_goes_on(store, inbox, tmp_path):
    with OwnCluster() as cluster:

        def kill_all():
            for worker in cluster.workers:
                worker.kill()

        with (
            patch("tasks.runtime.cluster._ALONE_SECONDS", 1.0),
            while_parts_come(tmp_path / "there", kill_all) as done,
            pytest.raises(ServerError, match=r"has had no worker for 1 s; start some, and run the same command again"),
        ):
            by_dask(store, inbox, tmp_path / "there", cluster.address)
        assert done
        cluster.add_worker()
        wait_for_workers(cluster, 1)
        assert by_dask(store, inbox, tmp_path / "there", cluster.address)["large.jsonl"].action == "predict"


@pytest.mark.parametrize(
    "seconds", [pytest.param(8, marks=pytest.mark.slow), pytest.param(60, marks=pytest.mark.exhaustive)]
)
def test_a_line_to_the_scheduler_that_stalls_loses_nothing(store, inbox, tmp_path, seconds):
    """Longer than the scheduler waits for a worker: workers end, and are started anew by what watches over them."""
    predict(store, inbox, output=tmp_path / "here", **ASKED)
    with OwnCluster(n=0) as cluster, Line(cluster.address) as line:
        for _ in range(2):
            cluster.add_worker("--nanny", through=line.address)
        wait_for_workers(cluster, 2)
        with while_parts_come(tmp_path / "there", lambda: line.stall(seconds)) as done:
            by_dask(store, inbox, tmp_path / "there", cluster.address)
        assert done
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


# The check before work


def test_a_cluster_that_has_all_is_accepted(cluster, store, inbox, tmp_path):
    runner = {"kind": "dask", "address": cluster.address}
    settings = settings_of(inbox, output=tmp_path / "out", model="integers", kind=runner)
    wait_for_workers(cluster, 2)
    check_batch(settings, Store(store))


def test_what_a_worker_does_not_see_or_have_is_said_with_where(cluster, tmp_path):
    settings = RunnerSettings(kind="dask", address=cluster.address)
    wait_for_workers(cluster, 2)
    (tmp_path / "a").write_text("a")

    def other(paths):
        found = describe(paths)
        return {**found, "pyarrow": "1.0", "code": "other", "paths": dict.fromkeys(paths, 9)}

    with (
        patch("tasks.runtime.cluster_check.describe", side_effect=[other([str(tmp_path / "a")]), describe, describe]),
        pytest.raises(SettingsError) as refused,
    ):
        check_runner(settings, [str(tmp_path / "a")])
    said = str(refused.value)
    assert "tcp://127.0.0.1" in said
    assert "the scheduler" in said


def test_no_scheduler_and_no_worker_are_said(tmp_path):
    address = f"tcp://127.0.0.1:{free_port()}"
    with (
        patch("tasks.runtime.cluster._CONNECT_SECONDS", 2.0),
        pytest.raises(SettingsError, match="where no Dask scheduler answers"),
    ):
        check_runner(RunnerSettings(kind="dask", address=address), [str(tmp_path)])
    with OwnCluster(n=0) as cluster, pytest.raises(SettingsError, match="has no worker"):
        check_runner(RunnerSettings(kind="dask", address=cluster.address), [str(tmp_path)])


def test_workers_without_this_program_are_refused(tmp_path):
    with OwnCluster(n=1, path=tmp_path, cwd=tmp_path) as cluster:
        wait_for_workers(cluster, 1)
        with pytest.raises(SettingsError, match=r"it cannot load this program .*start it with PYTHONPATH="):
            check_runner(RunnerSettings(kind="dask", address=cluster.address), [])
