"""What a batch prediction costs as it grows: `python tests/benchmarks/scale.py [--only PART ...] [--json FILE]`.

    workers  two single-threaded Dask workers against one, and one against the thread runner with one
    curve    rows a second, memory and CPU by rows and workers; a cost model fitted to them, and checked at another size
    shards   CPU of the command's own process for each small file, by worker processes and by Dask
    places   from and to an S3 server on loopback against a disk, and how many requests that takes
    killed   from and to that server by two Dask workers, one of which is killed half-way: the bytes of one machine

CPU seconds of all processes stand beside seconds by the clock: other programs on the machine do not touch them. A ratio
"by CPU" is what the clock would show if nothing else ran and each worker had a core. Rates are those of the command's
summary, which leave the start of each worker out. Exit code 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
from rows import write_rows

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.helpers.clusters import OwnCluster, wait_for_workers  # noqa: E402 - as below
from tests.helpers.faulty_proxy import faulty_proxy  # noqa: E402 - found by the path above
from tests.helpers.meanwhile import once  # noqa: E402 - as below
from tests.helpers.object_stores import BUCKET, environment, object_store  # noqa: E402 - as above

Found = dict[str, Any]
SMALL_FILES, SMALL_ROWS = 1_000, 30
KILLED_FILES = 5


class Measured(NamedTuple):
    """A command: seconds, CPU seconds of all its processes and of its own, peak MiB, and its summary."""

    seconds: float
    cpu: float
    own_cpu: float
    mib: float
    summary: Found

    def per_row(self) -> Found:
        """What a table has of it."""
        return {
            "rows": self.summary["predicted"],
            "rows_per_s": self.summary["rows_per_s"],
            "seconds": round(self.seconds, 1),
            "cpu_s": round(self.cpu, 1),
            "peak_mib": round(self.mib),
        }


class Bench:
    """A model, a folder for inputs and outputs, and what runs the command on them."""

    def __init__(self, folder: Path, store: Path, model: str) -> None:
        """Takes where to work, and the model."""
        self._folder, self._flags = folder, ["--store", str(store), "--model", model, "--settle", "0"]
        self._n = 0

    def inbox(self, rows: int, files: int = 1) -> Path:
        """A folder of files that have so many rows together."""
        folder = self._folder / f"in-{rows}-{files}"
        if not folder.exists():
            folder.mkdir()
            for i in range(files):
                write_rows(folder / f"{i:05d}.parquet", rows // files)
        return folder

    def predict(
        self,
        inbox: object,
        kind: str,
        workers: int,
        to: str | None = None,
        given: dict[str, str] | None = None,
        more: tuple[str, ...] = (),
    ) -> Measured:
        """Runs a batch prediction."""
        self._n += 1
        output, summary = to or str(self._folder / f"out-{self._n}"), self._folder / f"summary-{self._n}.json"
        runner = ["--runner.kind", kind, "--runner.workers", str(workers)]
        words = [str(inbox), "--output", output, *self._flags, *runner, *more, "--quiet", "--summary", str(summary)]
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.batch_predict", *words],
            cwd=ROOT,
            env={**os.environ, **(given or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with watched(process.pid) as own:
            said = process.communicate()[0]
        if process.returncode:
            raise SystemExit(said)
        seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        told = json.loads(summary.read_text())
        return Measured(seconds, cpu, own[0], told["peak_rss_mib"], told)


@contextlib.contextmanager
def watched(pid: int) -> Iterator[list[float]]:
    """CPU seconds of a process itself, as they were when it was last looked at, ten times a second."""
    found, over = [0.0], threading.Event()

    def watch() -> None:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            while not over.wait(0.1):
                times = process.cpu_times()
                found[0] = times.user + times.system

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def ratio(name: str, value: float, goal: float, *, at_most: bool = False) -> Found:
    """A figure beside its goal."""
    return {"figure": name, "value": round(value, 3), "goal": goal, "met": value <= goal if at_most else value >= goal}


def measure_workers(bench: Bench, rows: int) -> Iterator[Found]:
    """Dask's workers against each other and against threads."""
    inbox = bench.inbox(rows)
    one, two = (bench.predict(inbox, "dask", n) for n in (1, 2))
    threads = bench.predict(inbox, "threads", 1)
    yield {"part": "workers", "one": one.per_row(), "two": two.per_row(), "threads": threads.per_row()}
    yield ratio("two Dask workers / one", two.summary["rows_per_s"] / one.summary["rows_per_s"], 1.7)
    yield ratio("two Dask workers / one, by CPU", 2 * one.cpu / two.cpu, 1.7)
    yield ratio("one Dask worker / one thread", one.summary["rows_per_s"] / threads.summary["rows_per_s"], 0.9)
    yield ratio("one Dask worker / one thread, by CPU", threads.cpu / one.cpu, 0.9)


def measure_curve(bench: Bench, rows: int) -> Iterator[Found]:
    """Rows against seconds; `rows` is the largest of three sizes, and a third of it is what the model is checked at."""
    for n in (1, 2):
        sizes = [rows // 100, rows // 10, rows]
        found = {size: bench.predict(bench.inbox(size), "dask", n) for size in (*sizes, rows // 3)}
        for measured in found.values():
            yield {"part": "curve", "workers": n, **measured.per_row()}
        start, each = np.linalg.lstsq(
            np.array([[1.0 / found[size].cpu, size / found[size].cpu] for size in sizes]), np.ones(3), rcond=None
        )[0]
        foretold = start + each * (rows // 3)
        yield {"part": "cost model", "workers": n, "start_cpu_s": round(start, 2), "cpu_us_a_row": round(each * 1e6, 2)}
        yield ratio(f"cost model's error, {n} workers", abs(foretold / found[rows // 3].cpu - 1), 0.15, at_most=True)


def measure_shards(bench: Bench, _rows: int) -> Iterator[Found]:
    """What a small file takes of the command's own process, its start taken off by a run of a tenth of them."""
    for kind in ("processes", "dask"):
        few, many = (bench.predict(bench.inbox(n * SMALL_ROWS, n), kind, 2) for n in (SMALL_FILES // 10, SMALL_FILES))
        each = (many.own_cpu - few.own_cpu) / (SMALL_FILES * 0.9) * 1e3
        everywhere = (many.cpu - few.cpu) / (SMALL_FILES * 0.9) * 1e3
        yield {"part": "shards", "kind": kind, "all_processes_ms": round(everywhere, 2)}
        yield ratio(f"ms a shard in the parent, {kind}", each, 5.0, at_most=True)


def measure_places(bench: Bench, rows: int) -> Iterator[Found]:
    """An object store against a disk."""
    from tasks.storage.files.places import open_place

    inbox = bench.inbox(rows, 4)
    with object_store("seaweedfs") as address, tempfile.TemporaryDirectory() as cache:
        given = {**environment(address), "SEQ2SEQ_CACHE": cache}
        os.environ |= given
        for path in inbox.iterdir():
            open_place(f"s3://{BUCKET}/in").put(path.name, path)
        disk = bench.predict(inbox, "threads", 2)
        away = bench.predict(f"s3://{BUCKET}/in", "threads", 2, f"s3://{BUCKET}/out", given)
        with faulty_proxy(address, faults=(None,)) as (between, proxy):
            counted = {**given, "AWS_ENDPOINT_URL": between, "SEQ2SEQ_CACHE": f"{cache}/other"}
            bench.predict(f"s3://{BUCKET}/in", "threads", 2, f"s3://{BUCKET}/again", counted)
    yield {"part": "places", "disk": disk.per_row(), "s3": away.per_row(), "requests_of_4_files": proxy.requests}
    yield ratio("S3 on loopback / disk", away.summary["rows_per_s"] / disk.summary["rows_per_s"], 0.7)
    yield ratio("S3 on loopback / disk, by CPU", disk.cpu / away.cpu, 0.7)


def measure_killed(bench: Bench, rows: int) -> Iterator[Found]:
    """What a folder of rows comes to where a worker is killed once half of its spans are predicted."""
    from tasks.storage.files.places import open_place

    inbox, there = bench.inbox(rows, KILLED_FILES), f"s3://{BUCKET}/in"
    alone, both = (f"s3://{BUCKET}/{name}" for name in ("alone", "both"))
    with object_store("seaweedfs") as address, tempfile.TemporaryDirectory() as cache:
        given = {**environment(address), "SEQ2SEQ_CACHE": f"{cache}/here"}
        os.environ |= {**given, "SEQ2SEQ_CACHE": f"{cache}/there"}
        for path in inbox.iterdir():
            open_place(there).put(path.name, path)
        by_one = bench.predict(there, "threads", 2, alone, given)
        with (
            OwnCluster(n=2) as cluster,
            once(lambda: n_done(both) >= KILLED_FILES // 2, cluster.workers[0].kill) as done,
        ):
            wait_for_workers(cluster, 2)
            by_two = bench.predict(there, "dask", 2, both, given, ("--runner.address", cluster.address))
        yield {"part": "killed", "one": by_one.per_row(), "two": by_two.per_row(), "is_killed": bool(done)}
        yield ratio("outputs that differ", len(contents(both) ^ contents(alone)), 0, at_most=True)


def n_done(url: str) -> int:
    """How many files are predicted."""
    from tasks.storage.files.places import open_place

    return sum(entry.name.endswith(".account.json") for entry in open_place(url).entries())


def contents(url: str) -> set[tuple[str, str]]:
    """The names and digests of outputs."""
    from tasks.storage.files.places import open_place

    place = open_place(url)
    with tempfile.TemporaryDirectory() as folder:
        entries = [entry for entry in place.entries() if not entry.name.startswith("_")]
        return {(entry.name, place.fetch(entry, Path(folder) / "one")) for entry in entries}


class Part(NamedTuple):
    """Something to measure, and how many rows it takes by itself."""

    measure: Callable[[Bench, int], Iterator[Found]]
    rows: int


PARTS = {
    "workers": Part(measure_workers, 5_000_000),
    "curve": Part(measure_curve, 10_000_000),
    "shards": Part(measure_shards, 0),
    "places": Part(measure_places, 1_000_000),
    "killed": Part(measure_killed, 5_000_000),
}


def make_model(folder: Path) -> None:
    """The tutorial's model, in a store of its own."""
    words = ["-m", "flows.train_and_eval", "--store", str(folder), "--name", "scale", "--quiet"]
    subprocess.run([sys.executable, *words], cwd=ROOT, check=True, capture_output=True)


def main() -> int:
    """Measures, and prints a line of JSON for each finding."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[*PARTS], default=[*PARTS])
    parser.add_argument("--rows", type=int, help="in place of each part's own number")
    parser.add_argument("--json", type=Path, help="file to write as well")
    chosen = parser.parse_args()
    findings: list[Found] = []
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        os.environ["PREFECT_HOME"] = f"{folder}/prefect"
        make_model(Path(folder) / "store")
        for name in chosen.only:
            where = Path(folder) / name
            where.mkdir()
            bench = Bench(where, Path(folder) / "store", "scale")
            for found in PARTS[name].measure(bench, chosen.rows or PARTS[name].rows):
                findings.append(found)
                print(json.dumps(found), flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps(findings, indent=1) + "\n")
    return int(any(not found.get("met", True) for found in findings))


if __name__ == "__main__":
    sys.exit(main())
