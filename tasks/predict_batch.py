"""The steps of batch prediction: what there is to do, each chunk of rows, and each file's output."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from prefect import task
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from tasks.prediction.guarded import FilesOfWorkers, Outcome, ended_by, request_of
from tasks.prediction.jobs import BatchModel, Job, file_names, find_model, plan
from tasks.prediction.loaded_model import Serving
from tasks.prediction.queue import MOST_PIECES, ChunkFiles, Future, predict_chunks
from tasks.prediction.shards import Done, predict_jobs, serving_of
from tasks.reporting.states_picture import SampledStates
from tasks.runtime.caching import TASK_OPTIONS
from tasks.runtime.progress import progress
from tasks.runtime.runners import Told, Workers, kept_for_run, workers_of_run
from tasks.seq2seq.cpu import available_cores
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.batch import BatchSettings
from tasks.seq2seq.settings.where import Where
from tasks.storage.outputs.output_paths import clear_unfinished, clear_work
from tasks.storage.store.artifact_store import Store

SHARDS_A_WORKER = 4


@task(name="plan batch", task_run_name="plan {settings.title}", **TASK_OPTIONS)
def plan_batch(settings: BatchSettings, store: Where, *, refresh: bool = False) -> list[Job]:
    """Looks at each file and says what is to be done about it, and why."""
    if settings.runner == "processes":
        return _look(settings, store, refresh=refresh)
    return plan(settings, Store(store), refresh=refresh)


@task(name="predict chunk", task_run_name="predict {label}", **TASK_OPTIONS)
def predict_chunk(label: str, serving: Serving, chunks: list[ChunkFiles]) -> list[str | None]:  # noqa: ARG001 - the run's name
    """Predicts some chunks; gives what went wrong with each, None where it was predicted."""
    return predict_chunks(serving, chunks)


def open_runner(settings: BatchSettings) -> TaskRunner[Any]:
    """What runs the chunks: the one place that knows."""
    return ThreadPoolTaskRunner(max_workers=n_workers(settings))


def n_workers(settings: BatchSettings) -> int:
    """How many things are done at once."""
    return settings.workers or available_cores()


@contextmanager
def open_workers(settings: BatchSettings) -> Iterator[None]:
    """Keeps worker processes for the steps of a run, where it has some; they start as they are needed."""
    if settings.runner != "processes":
        yield
        return
    with Workers("tasks.predict_worker", n_workers(settings)) as workers, kept_for_run(workers):
        yield


def predict_files(jobs: list[Job], settings: BatchSettings, store: Where) -> Done:
    """Does the jobs whose action is `predict`; call it inside a flow.

    With `runner = "threads"`, files are read and written in this process, and their chunks predicted by tasks; with
    "processes", groups of files are tasks, each of which a worker process does.

    Returns:
        All jobs, those of files with their accounts; a file that breaks off, or that anything else keeps from being
        predicted and written, has become a `fail`.
    """
    if all(job.action != "predict" for job in jobs):
        return Done(jobs)
    model = find_model(settings, Store(store))
    with _cleared_where_it_fails(settings), open_runner(settings) as runner:
        done = _KINDS[settings.runner](jobs, model, settings, store, runner)
    clear_work(settings)
    return done


@contextmanager
def _cleared_where_it_fails(settings: BatchSettings) -> Iterator[None]:
    try:
        yield
    except BaseException:
        clear_unfinished(settings)
        raise


def _in_threads(
    jobs: list[Job], model: BatchModel, settings: BatchSettings, store: Where, runner: TaskRunner[Any]
) -> Done:
    serving = serving_of(model, settings, store)

    def submit(label: str, chunks: list[ChunkFiles]) -> Future:
        parameters = {"label": label, "serving": serving, "chunks": chunks}
        future: Future = runner.submit(predict_chunk, parameters=parameters)
        return future

    with progress("predict") as update:
        return predict_jobs(jobs, model, settings, store, submit, SampledStates, update)


def _in_processes(
    jobs: list[Job], _model: BatchModel, settings: BatchSettings, store: Where, runner: TaskRunner[Any]
) -> Done:
    todo = [job for job in jobs if job.action == "predict"]
    shards = _shards(todo, settings)
    n_threads = max(1, n_workers(settings) // len(shards))
    rows, began = dict.fromkeys(range(len(shards)), 0), time.perf_counter()
    first_at: list[float] = []
    with progress("predict") as update:

        def count(shard: int, said: dict[str, Any]) -> None:
            if "rows" in said:
                rows[shard] = said["rows"]
                n = sum(rows.values())
                first_at.append(time.time())
                update(n, None, {"rows/s": n / (time.perf_counter() - began)})

        futures = [
            runner.submit(
                predict_shard,
                parameters={
                    "label": _label([job.name for job in shard]),
                    "jobs": shard,
                    "settings": settings.model_copy(update={"workers": n_threads}),
                    "store": store,
                    "told": partial(count, i),
                },
            )
            for i, shard in enumerate(shards)
        ]
        done = {job.name: job for future in futures for job in future.result()}
    n_rows, seconds = sum(rows.values()), time.perf_counter() - began
    return Done(
        [done.get(job.name, job) for job in jobs],
        min(first_at, default=None),
        n_rows / seconds if n_rows else None,
    )


_KINDS = {"threads": _in_threads, "processes": _in_processes}


@task(name="predict shard", task_run_name="predict {label}", **TASK_OPTIONS)
def predict_shard(label: str, jobs: list[Job], settings: BatchSettings, store: Where, told: Told) -> list[Job]:  # noqa: ARG001 - the run's name
    """Has some files read, predicted and written by a worker process; gives what became of each."""
    by_name = {job.name: job for job in jobs}
    request = request_of("predict", settings, store, jobs={job.name: job.model_dump(mode="json") for job in jobs})

    def failed(name: str, how: str) -> Outcome:
        return by_name[name].failed(DataError(ended_by(by_name[name].path, "predicted", how))).model_dump(mode="json")

    outcomes = FilesOfWorkers(workers_of_run(), request, failed).run(list(by_name), told)
    return [Job.model_validate(outcome) for _, outcome in outcomes]


def _look(settings: BatchSettings, store: Where, *, refresh: bool) -> list[Job]:
    """What is to be done about each file, by the eyes of worker processes."""
    names, jobs = file_names(settings)
    paths = dict(names)

    def failed(name: str, how: str) -> Outcome:
        reason = ended_by(paths[name], "inspected", how)
        return Job(name=name, path=paths[name], action="fail", reason=reason).model_dump(mode="json")

    files = FilesOfWorkers(workers_of_run(), request_of("look", settings, store, refresh=refresh), failed)
    jobs += [Job.model_validate(outcome) for _, outcome in files.run([*paths])]
    return sorted(jobs, key=lambda job: job.name)


def _shards(todo: list[Job], settings: BatchSettings) -> list[list[Job]]:
    """Files in groups of like size, some for each worker, so that none waits long for another."""
    wanted = n_workers(settings) * SHARDS_A_WORKER
    size = sum(job.stamp[0] for job in todo if job.stamp) / wanted
    shards: list[list[Job]] = [[]]
    held = 0
    for job in todo:
        if shards[-1] and (held >= size or len(shards[-1]) >= MOST_PIECES):
            shards.append([])
            held = 0
        shards[-1].append(job)
        held += job.stamp[0] if job.stamp else 0
    return shards


def _label(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
