"""The steps of batch prediction: what there is to do, each chunk of rows, and each file's output."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

from prefect import task
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from tasks.prediction.batch_model import BatchModel, find_model
from tasks.prediction.counting import Count
from tasks.prediction.divided import join_spans
from tasks.prediction.guarded import FilesOfWorkers, Outcome, ended_by, request_of
from tasks.prediction.jobs import Job, file_names, plan
from tasks.prediction.loaded_model import Serving
from tasks.prediction.queue import MOST_PIECES, ChunkFiles, Future, predict_chunks
from tasks.prediction.shards import Done, predict_jobs, serving_of
from tasks.reporting.states_picture import SampledStates
from tasks.runtime import runners
from tasks.runtime.caching import TASK_OPTIONS
from tasks.runtime.progress import progress
from tasks.runtime.runners import Told, kept_for_run, n_workers, workers_of_run
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.batch import BatchSettings
from tasks.seq2seq.settings.where import Where
from tasks.seq2seq.shown import shown
from tasks.storage.outputs.output_paths import clear_unfinished, clear_work
from tasks.storage.store.artifact_store import Store

GROUPS_A_WORKER = 4


@task(name="plan batch", task_run_name="plan {settings.title}", **TASK_OPTIONS)
def plan_batch(settings: BatchSettings, store: Where, *, refresh: bool = False) -> list[Job]:
    """Looks at each file and says what is to be done about it, and why."""
    return plan_files(settings, store, refresh=refresh)


def plan_files(settings: BatchSettings, store: Where, *, refresh: bool = False) -> list[Job]:
    """What is to be done about each file, and why; call it where workers are open."""
    if settings.runner.kind != "threads":
        return _look(settings, store, refresh=refresh)
    return plan(settings, Store(store), refresh=refresh)


@task(name="predict chunk", task_run_name="predict {label}", **TASK_OPTIONS)
def predict_chunk(label: str, serving: Serving, chunks: list[ChunkFiles]) -> list[str | None]:  # noqa: ARG001 - the run's name
    """Predicts some chunks; gives what went wrong with each, None where it was predicted."""
    return predict_chunks(serving, chunks)


def open_runner(n: int) -> TaskRunner[Any]:
    """What runs the tasks: the one place that knows."""
    return ThreadPoolTaskRunner(max_workers=n)


@contextmanager
def open_workers(settings: BatchSettings) -> Iterator[None]:
    """Keeps workers for the steps of a run; with `threads`, its chunks are predicted by tasks instead."""
    if settings.runner.kind == "threads":
        yield
        return
    with runners.open_runner(settings.runner) as workers, kept_for_run(workers):
        yield


def predict_files(jobs: list[Job], settings: BatchSettings, store: Where) -> Done:
    """Does the jobs whose action is `predict`; call it inside a flow.

    With `threads`, files are read and written in this process, and their chunks predicted by tasks. Otherwise groups of
    files are tasks, which workers do, who know no Prefect; the spans of a large file are all workers' work.

    Returns:
        All jobs, those of files with their accounts; a file that breaks off, or that anything else keeps from being
        predicted and written, has become a `fail`.
    """
    if all(job.action != "predict" for job in jobs):
        return Done(jobs)
    model = find_model(settings, Store(store))
    is_here = settings.runner.kind == "threads"
    n = n_workers(settings.runner) if is_here else workers_of_run().n
    with _cleared_where_it_fails(settings), open_runner(n) as runner:
        done = (_in_threads if is_here else _by_workers)(jobs, model, settings, store, runner)
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
        parameters = {"label": shown(label), "serving": serving, "chunks": chunks}
        future: Future = runner.submit(predict_chunk, parameters=parameters)
        return future

    with progress("predict") as update:
        return predict_jobs(jobs, model, settings, store, submit, SampledStates, update)


def _by_workers(
    jobs: list[Job], _model: BatchModel, settings: BatchSettings, store: Where, runner: TaskRunner[Any]
) -> Done:
    n = workers_of_run().n
    groups = _groups([job for job in jobs if job.action == "predict"], n)
    n_units = sum(len(group[0].division.spans) if group[0].division else 1 for group in groups)
    share = settings.runner.model_copy(update={"workers": max(1, n // n_units)})
    each = settings.model_copy(update={"runner": share})
    with progress("predict") as update:
        count = Count(update, n)
        futures = [runner.submit(**_task_of(group, each, store, count)) for group in groups]
        done = {job.name: job for future in futures for job in future.result()}
    return Done([done.get(job.name, job) for job in jobs], count.first_at, count.rows_per_s())


def _task_of(group: list[Job], settings: BatchSettings, store: Where, count: Count) -> dict[str, Any]:
    given: dict[str, Any] = {"label": shown(_label([job.name for job in group])), "settings": settings, "store": store}
    if group[0].division:
        return {"task": predict_divided, "parameters": {**given, "jobs": group, "count": count.add}}
    return {"task": predict_group, "parameters": {**given, "jobs": group, "told": count.listener()}}


@task(name="predict files", task_run_name="predict {label}", **TASK_OPTIONS)
def predict_group(label: str, jobs: list[Job], settings: BatchSettings, store: Where, told: Told) -> list[Job]:  # noqa: ARG001 - the run's name
    """Has some files read, predicted and written by a worker; gives what became of each."""
    by_name = {job.name: job for job in jobs}
    request = request_of("predict", settings, store, jobs={job.name: job.model_dump(mode="json") for job in jobs})

    def failed(name: str, how: str) -> Outcome:
        return by_name[name].failed(DataError(ended_by(by_name[name].path, "predicted", how))).model_dump(mode="json")

    outcomes = FilesOfWorkers(workers_of_run(), request, failed).run(list(by_name), told)
    return [Job.model_validate(outcome) for _, outcome in outcomes]


@task(name="predict spans", task_run_name="predict {label}", **TASK_OPTIONS)
def predict_divided(
    label: str,  # noqa: ARG001 - the run's name
    jobs: list[Job],
    settings: BatchSettings,
    store: Where,
    count: Callable[[int], None],
) -> list[Job]:
    """Has the spans of files read and predicted by workers, and puts them together; gives what became of each file."""
    model = find_model(settings, Store(store))
    return [join_spans(job, _spans(job, settings, store, count), model, settings, store, SampledStates) for job in jobs]


def _spans(job: Job, settings: BatchSettings, store: Where, count: Callable[[int], None]) -> Generator[int]:
    """Has each span predicted; gives how many chunks of it an ended run had predicted, in their order."""
    assert job.division is not None
    request = request_of("span", settings, store, jobs={job.name: job.model_dump(mode="json")})

    def failed(_name: str, how: str) -> Outcome:
        return {"error": ended_by(job.path, "predicted", how)}

    def predict(number: int) -> int:
        files = FilesOfWorkers(workers_of_run(), {**request, "span": number}, failed)
        ((_, outcome),) = files.run([job.name])
        if "error" in outcome:
            raise DataError(outcome["error"])
        count(outcome["read"])
        return int(outcome["n_resumed"])

    return workers_of_run().map(predict, range(len(job.division.spans)))


def _look(settings: BatchSettings, store: Where, *, refresh: bool) -> list[Job]:
    """What is to be done about each file, by the eyes of worker processes."""
    names, jobs = file_names(settings)
    paths = dict(names)

    def failed(name: str, how: str) -> Outcome:
        reason = ended_by(paths[name], "inspected", how)
        return Job(name=name, path=paths[name], action="fail", reason=reason).model_dump(mode="json")

    files = FilesOfWorkers(workers_of_run(), request_of("look", settings, store, refresh=refresh), failed)
    n = workers_of_run().n * GROUPS_A_WORKER
    some = [part for i in range(n) if (part := [*paths][i::n])]
    for found in workers_of_run().map(lambda part: list(files.run(part)), some):
        jobs += [Job.model_validate(outcome) for _, outcome in found]
    return sorted(jobs, key=lambda job: job.name)


def _groups(todo: list[Job], n: int) -> list[list[Job]]:
    """Files in groups of like size, some for each worker, so that none waits long for another; divided ones alone."""
    wanted = n * GROUPS_A_WORKER
    size = sum(job.stamp[0] for job in todo if job.stamp) / wanted
    groups: list[list[Job]] = []
    held = 0.0
    for job in todo:
        is_divided = job.division is not None and len(job.division.spans) > 1
        if not groups or held >= size or is_divided or len(groups[-1]) >= MOST_PIECES:
            groups.append([])
            held = 0
        groups[-1].append(job)
        held += size if is_divided else job.stamp[0] if job.stamp else 0
    return groups


def _label(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
