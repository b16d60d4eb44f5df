"""Files in worker processes: the same bytes as in this one, and a worker that dies by a file fails that file alone."""

import contextlib
import os
import signal
import threading
from unittest.mock import patch

import psutil
import pytest

from tasks.check import check_rows
from tasks.predict_batch import open_workers, plan_batch, predict_files
from tasks.runtime.runners import Processes, WorkerEnded
from tasks.storage.outputs.output_paths import only_run
from tests.helpers.batch_models import batch_models, integer_pairs
from tests.helpers.batch_runs import HereAndNow, contents, predict, settings_of

pytestmark = pytest.mark.seconds
SOURCES, _ = integer_pairs(20)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return batch_models(tmp_path_factory).need("integers")


def write(path, n=20):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f'{{"source": {source}}}\n' for source in SOURCES]
    path.write_text("".join(lines * (n // 20)))
    return path


def workers():
    """The worker processes of this one."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "tasks.predict_worker:answer" in child.cmdline():
                found.append(child)
    return found


@contextlib.contextmanager
def aborting(path):
    """Aborts each worker that has the file open, as native code would; gives how often."""
    times, over = [], threading.Event()

    def watch():
        while not over.wait(0.002):
            for worker in workers():
                with contextlib.suppress(psutil.Error, OSError):
                    if any(opened.path == str(path) for opened in worker.open_files()):
                        os.kill(worker.pid, signal.SIGABRT)  # whoever started it waits for it, and learns how it ended
                        times.append(worker.pid)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield times
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("n", [1, 3])
def test_outputs_rejects_and_accounts_are_those_of_threads_to_the_last_byte(store, tmp_path, n):
    for i in range(7):
        write(tmp_path / "in" / f"{i}.jsonl", 40)
    (tmp_path / "in" / "bad.csv").write_text("source\n1 2\nx\n")
    (tmp_path / "in" / "broken.parquet").write_bytes(b"PAR1\x15 and no more")
    asked = {"model": "integers", "chunk_rows": 7}
    here = predict(store, tmp_path / "in", output=tmp_path / "here", **asked)
    there = predict(store, tmp_path / "in", output=tmp_path / "there", runner_kind="processes", workers=n, **asked)
    assert contents(tmp_path / "here") == contents(tmp_path / "there")
    assert {name: job.action for name, job in here.items()} == {name: job.action for name, job in there.items()}
    assert {name: job.reason for name, job in here.items()} == {name: job.reason for name, job in there.items()}
    assert workers() == []


@pytest.mark.parametrize("stage", ["look", "check", "predict", "span"])
def test_a_file_that_ends_the_process_that_has_it_fails_by_name_and_the_others_go_on(store, tmp_path, stage):
    bad = write(tmp_path / "in" / "b.jsonl", 60_000)
    for name in ("a", "c", "d"):
        write(tmp_path / "in" / f"{name}.jsonl")
    settings = settings_of(
        tmp_path / "in", output=tmp_path / "out", model="integers", kind="processes", workers=1,
        checks={"sample_rows": 200_000}, chunk_rows=5_000 if stage == "span" else 65_536,
    )  # fmt: skip
    runner = HereAndNow()
    with (
        contextlib.ExitStack() as stack,
        only_run(settings),
        open_workers(settings),
        patch("tasks.predict_batch.open_runner", lambda _n: runner),
    ):
        times = stack.enter_context(aborting(bad)) if stage == "look" else None
        jobs = plan_batch.fn(settings, store)
        times = stack.enter_context(aborting(bad)) if stage == "check" else times
        jobs = check_rows.fn(jobs, settings, store).jobs
        times = stack.enter_context(aborting(bad)) if stage in ("predict", "span") else times
        done = {job.name: job for job in predict_files(jobs, settings, store).jobs}
    assert times
    assert {name: job.action for name, job in done.items()} == {
        "a.jsonl": "predict", "b.jsonl": "fail", "c.jsonl": "predict", "d.jsonl": "predict",
    }  # fmt: skip
    assert "b.jsonl cannot be" in done["b.jsonl"].reason
    assert "SIGABRT" in done["b.jsonl"].reason
    assert all(done[f"{name}.jsonl"].account.predicted == 20 for name in "acd")
    assert workers() == []


def test_a_worker_that_cannot_start_says_why():
    with Processes(1) as some, pytest.raises(WorkerEnded, match=r"exit code 1.*no_such_module"):
        some.run("tasks.no_such_module:answer", {}, lambda _said: None)
