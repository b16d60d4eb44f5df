"""Some files through a model, whatever predicts their chunks: what a run does, or a worker process of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from tasks.prediction.batch_model import BatchModel, open_file
from tasks.prediction.failing import failing_alone
from tasks.prediction.jobs import Job, find_place
from tasks.prediction.loaded_model import Serving
from tasks.prediction.queue import ChunkQueue, Entry, Submit
from tasks.runtime.progress import Update
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.batch import BatchSettings
from tasks.seq2seq.settings.where import Where
from tasks.storage.files.atomic import temporary_folder
from tasks.storage.ingest.rejects import write_rejects
from tasks.storage.outputs.accounts import Lineage
from tasks.storage.outputs.assembly import Assembly, StatesPicture, work_name
from tasks.storage.outputs.chunks import FileToRead
from tasks.storage.outputs.output_paths import work_folder

Picture = Callable[[str], StatesPicture]  # of a column's name: what draws encoder states
Begun = Callable[[Job], None]


class Done(NamedTuple):
    """What became of jobs, and how fast.

    first_at: when the first predictions were written, seconds since the epoch; None where nothing was predicted.
    rows_per_s: rows read, predicted and written a second, without the first chunk of each thread; None where there
        were no others.
    """

    jobs: list[Job]
    first_at: float | None = None
    rows_per_s: float | None = None


def serving_of(model: BatchModel, settings: BatchSettings, store: Where) -> Serving:
    """What loads the model of a run in any process."""
    return Serving(
        store=store,
        bundle=model.bundle,
        decoding=model.decoding,
        token_log_probabilities=settings.token_log_probabilities,
        encoder_states=settings.encoder_states,
    )


def predict_jobs(
    jobs: Sequence[Job],
    model: BatchModel,
    settings: BatchSettings,
    store: Where,
    submit: Submit,
    picture: Picture,
    update: Update,
    begun: Begun = lambda _job: None,
) -> Done:
    """Does the jobs whose action is `predict`.

    A file is read here and its chunks are predicted by `submit`, a few ahead, while those that are done are written
    here, in order. Memory holds a few chunks, whatever the size of the files.

    Args:
        jobs: any jobs.
        model: that of the run.
        settings: of the run.
        store: the artifact store.
        submit: predicts chunks elsewhere.
        picture: makes what draws encoder states, where the settings ask for it.
        update: is told how far it is.
        begun: is told of each file before it is opened.

    Returns:
        All jobs, those of files with their accounts; a file that breaks off, or that anything else keeps from being
        predicted and written, has become a `fail`.
    """
    todo = [job for job in jobs if job.action == "predict"]
    n_bytes = sum(job.stamp[0] for job in todo if job.stamp)
    with closing(ChunkQueue(submit, serving_of(model, settings, store), settings, update, n_bytes)) as queue:
        for job in todo:
            begun(job)
            for entry in _read(job, model, settings, queue, picture):
                queue.add(entry)
        queue.end()
    return Done([queue.outcome(job) for job in jobs], queue.first_at, queue.rows_per_s())


def _read(job: Job, model: BatchModel, settings: BatchSettings, queue: ChunkQueue, picture: Picture) -> Iterator[Entry]:
    """A file's pieces and its end, which comes early where the file fails.

    What is raised where the entries are taken is of other files, or of Prefect, and does not pass through here.
    """
    assembly = None
    try:
        with failing_alone(job.path, "read"):
            assembly = open_assembly(job, open_file(find_place(job, settings), model), model, settings, picture)
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


def work_of(job: Job, model: BatchModel, settings: BatchSettings) -> Path:
    """The folder for what is not finished of a file."""
    return work_folder(settings) / work_name(_lineage(job, model), job.name, settings.chunk_rows)


def open_assembly(
    job: Job, reading: FileToRead, model: BatchModel, settings: BatchSettings, picture: Picture
) -> Assembly:
    """The output of a file, to be put together."""
    drawn = None if settings.states_picture is None else picture(settings.states_picture)
    place, work = find_place(job, settings), work_of(job, model, settings)
    return Assembly(place, _lineage(job, model), reading, settings.format, work, drawn)


def _lineage(job: Job, model: BatchModel) -> Lineage:
    assert job.digest is not None
    return model.lineage(job.digest, job.partitions)


class Sample(NamedTuple):
    """The first rows of a file as they are read for a model: how many, how many rejected, and the usable ones."""

    read: int
    rejected: int
    chunk: pa.Table | None


def read_sample(job: Job, model: BatchModel, settings: BatchSettings, n_rows: int) -> Sample:
    """Reads the first rows of a file.

    Raises:
        DataError: they cannot be read.
    """
    with (
        failing_alone(job.path, "checked"),
        temporary_folder("check") as folder,
        write_rejects(folder / "rejects.parquet") as rejects,
    ):
        reading = open_file(find_place(job, settings), model)
        chunk = next(reading.chunks(n_rows, rejects), None)
        return Sample(reading.rows.read, rejects.n_of_setting, chunk)
