"""A span of a large file read, predicted and written, wherever; and all spans of the file put together."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress

import pyarrow as pa

from tasks.prediction.batch_model import BatchModel
from tasks.prediction.failing import failing_alone
from tasks.prediction.jobs import Job, find_place, open_divided
from tasks.prediction.loaded_model import ServingModel, load_serving
from tasks.prediction.shards import Picture, open_assembly, serving_of, work_of
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.batch import BatchSettings
from tasks.seq2seq.settings.where import Where
from tasks.storage.files.atomic import explain_os_errors, temporary_folder
from tasks.storage.files.places import Place, open_place
from tasks.storage.outputs.chunk_files import write_chunk
from tasks.storage.outputs.chunks import forecast_series
from tasks.storage.outputs.remote_spans import fetch_end, fetch_span, remove_spans, send_span
from tasks.storage.outputs.span_files import SpanEnd, SpanFiles


def predict_span(
    job: Job, number: int, model: BatchModel, settings: BatchSettings, store: Where
) -> tuple[SpanEnd, int]:
    """Reads a span of a file and predicts its rows, a chunk after the other; what is there and sound is not made again.

    Returns:
        What the span holds, and how many chunks of it were there.

    Raises:
        DataError: the span cannot be read, predicted or written.
        ArtifactError: the model, or the work folder, cannot be used.
    """
    with _span_files(SpanFiles(work_of(job, model, settings), number), settings) as (files, finished):
        if finished:
            return finished, len(finished.rows)
        return _predict_rows(files, job, model, settings, load_serving(serving_of(model, settings, store)))


@contextmanager
def _span_files(files: SpanFiles, settings: BatchSettings) -> Iterator[tuple[SpanFiles, SpanEnd | None]]:
    """Where the files of a span go, and what it holds where it is predicted already.

    They are beside the output, on a disk that the run sees; or go there from this machine, where the run sees only an
    object store.
    """
    place = place_of_spans(settings)
    if place is None:
        yield files, files.finished()
        return
    with temporary_folder("span") as folder:
        here = files._replace(work=folder / files.work.name)
        finished = fetch_end(here, place)
        yield here, finished
        if finished is None:
            send_span(here, place)


def place_of_spans(settings: BatchSettings) -> Place | None:
    """Where workers that share no disk with this run leave their spans; None where they share one."""
    is_elsewhere = isinstance(settings.output, str) and settings.runner.address is not None
    return open_place(str(settings.output)) if is_elsewhere else None


def _predict_rows(
    files: SpanFiles, job: Job, model: BatchModel, settings: BatchSettings, serving: ServingModel
) -> tuple[SpanEnd, int]:
    assert job.division is not None
    rows: list[int] = []
    n_resumed = 0
    with failing_alone(job.path, "read"), explain_os_errors(files.work):
        files.work.mkdir(parents=True, exist_ok=True)
        reading = open_divided(job, model, settings, job.division.spans[files.number])
        with files.write_rejects() as rejects:
            for chunk in reading.chunks(settings.chunk_rows, rejects):
                if files.is_predicted(len(rows), len(chunk)):
                    n_resumed += 1
                else:
                    with failing_alone(job.path, "predicted", passing=(OSError,)):
                        write_chunk(files.part(len(rows)), serving.predict_chunk(chunk))
                rows.append(len(chunk))
        find_place(job, settings)  # what was read is what was digested
        counted = reading.rows
        end = files.write_end(
            counted.read,
            rows,
            history_only=counted.history_only,
            known_ahead=counted.known_ahead,
            series=forecast_series(counted),
        )
        return end, n_resumed


def join_spans(
    job: Job, spans: Generator[int], model: BatchModel, settings: BatchSettings, store: Where, picture: Picture
) -> Job:
    """Puts a file's output together from its spans, each as soon as all before it are there; nothing of it is read.

    Args:
        job: the file's.
        spans: for each span in order, as soon as it is predicted, how many of its chunks an ended run had predicted.
        model: that of the run.
        settings: of the run.
        store: the artifact store.
        picture: makes what draws encoder states, where the settings ask for it.

    Returns:
        The job with its account, or as a `fail`.
    """
    try:
        with failing_alone(job.path, "opened"):
            assembly = open_assembly(job, open_divided(job, model, settings), model, settings, picture)
    except DataError as error:
        return job.failed(error)

    place = place_of_spans(settings)

    def joined() -> Iterator[SpanFiles]:
        for number, n_resumed in enumerate(spans):
            assembly.n_resumed += n_resumed
            files = SpanFiles(assembly.work, number)
            if place:
                fetch_span(files, place)
            yield files

    def predict(table: pa.Table) -> pa.Table:
        return load_serving(serving_of(model, settings, store)).predict_chunk(table)

    try:
        with failing_alone(job.path, "written"), closing(spans):  # before a folder is removed, nobody writes into it
            assembly.join(joined(), settings.chunk_rows)
            done = job.written(assembly.finish(predict), assembly.n_resumed)
    except DataError as error:
        with suppress(DataError), failing_alone(job.path, "cleared away"):  # it fails anyway
            assembly.abandon()
        done = job.failed(error)
    finally:
        assembly.let_go()
    if place:
        remove_spans(assembly.work, place)
    return done
