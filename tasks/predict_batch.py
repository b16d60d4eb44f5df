"""The steps of batch prediction: what there is to do, each chunk of rows, and each file's output."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from prefect import task
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from tasks.prediction.failing import failing_alone
from tasks.prediction.jobs import BatchModel, Job, find_model, find_place, open_file, plan
from tasks.prediction.loaded_model import Serving
from tasks.prediction.queue import ChunkFiles, ChunkQueue, Entry, Future, predict_chunks
from tasks.reporting.states_picture import SampledStates
from tasks.runtime.caching import TASK_OPTIONS
from tasks.runtime.progress import progress
from tasks.seq2seq.cpu import available_cores
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.batch import BatchSettings
from tasks.storage.outputs.assembly import Assembly, work_name
from tasks.storage.outputs.output_paths import clear_unfinished, clear_work, work_folder
from tasks.storage.store.artifact_store import Store


@task(name="plan batch", task_run_name="plan {settings.title}", **TASK_OPTIONS)
def plan_batch(settings: BatchSettings, store: Path, *, refresh: bool = False) -> list[Job]:
    """Looks at each file and says what is to be done about it, and why."""
    return plan(settings, Store(store), refresh=refresh)


@task(name="predict chunk", task_run_name="predict {label}", **TASK_OPTIONS)
def predict_chunk(label: str, serving: Serving, chunks: list[ChunkFiles]) -> list[str | None]:  # noqa: ARG001 - the run's name
    """Predicts some chunks; gives what went wrong with each, None where it was predicted."""
    return predict_chunks(serving, chunks)


def open_runner(settings: BatchSettings) -> TaskRunner[Any]:
    """What runs the chunks: the one place that knows."""
    return ThreadPoolTaskRunner(max_workers=settings.workers or available_cores())


class Done(NamedTuple):
    """What became of the jobs, and how fast.

    first_at: when the first predictions were written, seconds since the epoch; None where nothing was predicted.
    rows_per_s: rows read, predicted and written a second, without the first chunk of each worker, which compiles;
        None where there were no others.
    """

    jobs: list[Job]
    first_at: float | None = None
    rows_per_s: float | None = None


def predict_files(jobs: list[Job], settings: BatchSettings, store: Path) -> Done:
    """Does the jobs whose action is `predict`; call it inside a flow.

    A file is read here and its chunks are predicted by the runner's tasks, a few ahead, while those that
    are done are written here, in order. Memory holds a few chunks, whatever the size of the files.

    Returns:
        All jobs, those of files with their accounts; a file that breaks off, or that anything else keeps from being
        predicted and written, has become a `fail`.
    """
    if all(job.action != "predict" for job in jobs):
        return Done(jobs)
    model = find_model(settings, Store(store))
    serving = Serving(
        store=store,
        bundle=model.bundle,
        decoding=model.decoding,
        token_log_probabilities=settings.token_log_probabilities,
        encoder_states=settings.encoder_states,
    )
    with _cleared_where_it_fails(settings), open_runner(settings) as runner, progress("predict") as update:

        def submit(label: str, chunks: list[ChunkFiles]) -> Future:
            parameters = {"label": label, "serving": serving, "chunks": chunks}
            future: Future = runner.submit(predict_chunk, parameters=parameters)
            return future

        todo = [job for job in jobs if job.action == "predict"]
        n_bytes = sum(job.stamp[0] for job in todo if job.stamp)
        with closing(ChunkQueue(submit, serving, settings, update, n_bytes)) as queue:
            for job in todo:
                for entry in _read(job, model, settings, queue):
                    queue.add(entry)
            queue.end()
        rows_per_s = queue.rows_per_s()
    clear_work(settings)
    return Done([queue.outcome(job) for job in jobs], queue.first_at, rows_per_s)


@contextmanager
def _cleared_where_it_fails(settings: BatchSettings) -> Iterator[None]:
    try:
        yield
    except BaseException:
        clear_unfinished(settings)
        raise


def _read(job: Job, model: BatchModel, settings: BatchSettings, queue: ChunkQueue) -> Iterator[Entry]:
    """A file's pieces and its end, which comes early where the file fails.

    What is raised where the entries are taken is of other files, or of Prefect, and does not pass through here.
    """
    assembly = None
    try:
        with failing_alone(job.path, "read"):
            assembly = _open(job, model, settings)
            queue.opened(job, assembly)
            queue.expect(assembly.reading.estimate_rows(), assembly.reading.file.size)
            for piece in assembly.read(settings.chunk_rows):
                yield Entry(job, assembly, piece)
                if queue.has_failed(job):
                    break
            else:
                find_place(job, settings)  # what was read is what was digested
    except DataError as error:
        queue.fail(job, error)
    if assembly:
        yield Entry(job, assembly, None)


def _open(job: Job, model: BatchModel, settings: BatchSettings) -> Assembly:
    assert job.digest is not None
    lineage = model.lineage(job.digest, job.partitions)
    work = work_folder(settings) / work_name(lineage, job.name, settings.chunk_rows)
    place = find_place(job, settings)
    reading = open_file(place, model)
    picture = None if settings.states_picture is None else SampledStates(settings.states_picture)
    return Assembly(place, lineage, reading, settings.format, work, picture)
