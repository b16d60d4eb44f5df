"""Batch prediction step by step without a server, and its outputs read without the program."""

import csv
import hashlib
import json
from pathlib import Path
from unittest.mock import patch

import pyarrow.parquet as pq

from tasks.batch_report import describe, write_batch
from tasks.predict_batch import open_workers, plan_batch, predict_chunk, predict_divided, predict_files, predict_group
from tasks.seq2seq.settings.batch import check_batch_settings
from tasks.seq2seq.settings.where import as_where
from tasks.storage.outputs.output_paths import only_run
from tasks.storage.store.artifact_store import Store


class Ended:
    """The future of a task that has run."""

    def __init__(self, returned):
        self._returned = returned

    def result(self):
        """What the task returned."""
        return self._returned


class HereAndNow:
    """Runs the tasks at once, one after the other, in place of Prefect's runners; may die before one of them."""

    def __init__(self, dies_before=None):
        self.n, self.dies_before, self.seen = 0, dies_before, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def submit(self, task, parameters):
        assert task in (predict_chunk, predict_group, predict_divided)
        if self.n == self.dies_before:
            raise Killed
        self.n += 1
        self.seen.append(parameters)
        return Ended(task.fn(**parameters))


class Killed(BaseException):
    """In place of a signal."""


def settings_of(*inputs, output, **settings):
    """The settings of a run; files are taken at once unless told otherwise."""
    given = {"inputs": [str(where) for where in inputs], "output": str(output), "settle": 0}
    kind = settings.pop("kind", "threads")  # or the whole section
    runner = kind if isinstance(kind, dict) else {"kind": kind, "workers": settings.pop("workers", 1)}
    return check_batch_settings({**given, "runner": runner, **settings})


def predict(store, *inputs, output, runner=None, runner_kind="threads", refresh=False, **given):
    """A whole run, without a server; gives the jobs."""
    settings = settings_of(*inputs, output=output, kind=runner_kind, **given)
    runner = runner or HereAndNow()
    with open_workers(settings):
        jobs = plan_batch.fn(settings, as_where(store, "store"), refresh=refresh)
    return carry_out(jobs, settings, store, runner)


def carry_out(jobs, settings, store, runner):
    """What was planned, without a server; gives the jobs by name."""
    with only_run(settings), open_workers(settings), patch("tasks.predict_batch.open_runner", lambda _n: runner):
        return {job.name: job for job in predict_files(jobs, settings, as_where(store, "store")).jobs}


def report(store, jobs, *inputs, output, **settings):
    """What `_run.json` would hold."""
    return describe([*jobs.values()], settings_of(*inputs, output=output, **settings), Store(as_where(store, "store")))


def write_report(store, jobs, *inputs, output, **settings):
    """Writes `_run.json` and the page."""
    return write_batch.fn([*jobs.values()], settings_of(*inputs, output=output, **settings), as_where(store, "store"))


def rows_of(path):
    """The rows of an output or of rejects, as plain values."""
    path = Path(path)
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def column(path, name):
    """One column of an output."""
    return [row[name] for row in rows_of(path)]


def account_of(output, name):
    """An account as it stands on disk."""
    return json.loads((Path(output) / f"{name}.account.json").read_text())


def contents(folder, without=()):
    """The digest of every file of an output folder, except for what tells of the last run."""
    left_out = {"_run.json", "_report.html", *without}
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and path.name not in left_out and ".work" not in path.parts
    }


def check_account(output, name, expected, kind="parquet"):
    """Holds an output, its rejects and its account against the input's rows.

    Args:
        output: the output folder.
        name: of the input below it.
        expected: the input's rows, in order: of each, a dict of the columns as they are, or the reason of its reject.
        kind: the output's format.
    """
    account = account_of(output, name)
    made, rejects = rows_of(f"{output}/{name}.{kind}"), rows_of(f"{output}/{name}.rejects.parquet")
    good = [row for row in expected if isinstance(row, dict)]
    bad = [(number, row) for number, row in enumerate(expected, 1) if not isinstance(row, dict)]
    assert [(reject["row"], reject["reason"]) for reject in rejects] == bad
    assert {reject["file"] for reject in rejects} <= {name}
    assert [{key: row[key] for key in kept} for row, kept in zip(made, good, strict=True)] == good
    assert all(list(row)[: len(kept)] == list(kept) for row, kept in zip(made, good, strict=True))
    assert account["read"] == len(expected) == account["predicted"] + account["rejected"]
    assert (account["predicted"], account["rejected"]) == (len(good), len(bad))
    assert sum(account["reasons"].values()) == len(bad)
    assert account["tally"]["rows"] == len(good)
    for path, entry in account["files"].items():
        content = (Path(output) / path).read_bytes()
        assert entry == {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    return made
