"""What a worker process of batch prediction does: files are looked at, sampled, or read, predicted and written here.

`answer` does what `tasks.predict_batch` asks for; it knows no Prefect. What native code does to a
worker's process is not done to the run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

from tasks.prediction.batch_model import BatchModel, find_model
from tasks.prediction.divided import predict_span
from tasks.prediction.jobs import Job, plan_named
from tasks.prediction.queue import ChunkFiles, predict_chunks
from tasks.prediction.shards import predict_jobs, read_sample, serving_of
from tasks.reporting.states_picture import SampledStates
from tasks.runtime.runners import Told
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.batch import BatchSettings
from tasks.seq2seq.settings.where import Where, as_where
from tasks.storage.outputs.chunk_files import write_chunk
from tasks.storage.store.artifact_store import Store

Request = dict[str, Any]


def answer(request: Request, told: Told) -> dict[str, Any]:
    """Does what a request asks for with each of its files; says what becomes of each as soon as it is known."""
    settings = BatchSettings.model_validate_json(request["settings"])
    handler = _Log(told)
    log = logging.getLogger("tasks")
    log.addHandler(handler)
    try:
        return _KINDS[request["kind"]](request, settings, as_where(request["store"], "store"), told)
    finally:
        log.removeHandler(handler)


def _look(request: Request, settings: BatchSettings, store: Where, told: Told) -> dict[str, Any]:
    """What is to be done about files, all of which are found at once."""

    def begun(name: str) -> None:
        told({"begun": name})

    for job in plan_named(request["names"], settings, Store(store), begun, refresh=request["refresh"]):
        told(_done(job.name, job))
    return {}


def _sample(request: Request, settings: BatchSettings, store: Where, told: Told) -> dict[str, Any]:
    model = _model(request["settings"], store)
    for name, job in _jobs(request):
        told({"begun": name})
        outcome: dict[str, Any] = {}
        try:
            sample = read_sample(job, model, settings, request["n_rows"])
            outcome |= {"read": sample.read, "rejected": sample.rejected}
            if sample.chunk is not None:
                path = Path(request["folder"]) / f"{request['names'].index(name)}.arrow"
                write_chunk(path, sample.chunk, is_kept=False)
                outcome["chunk"] = str(path)
        except DataError as error:
            outcome["error"] = str(error)
        told({"done": name, "outcome": outcome})
    return {}


def _predict(request: Request, settings: BatchSettings, store: Where, told: Told) -> dict[str, Any]:
    model = _model(request["settings"], store)
    serving = serving_of(model, settings, store)
    todo = list(_jobs(request))
    with ThreadPoolExecutor(settings.runner.workers) as threads:

        def submit(_label: str, chunks: list[ChunkFiles]) -> Any:  # noqa: ANN401 - a future, which the queue names
            return threads.submit(predict_chunks, serving, chunks)

        done = predict_jobs(
            [job for _, job in todo],
            model,
            settings,
            store,
            submit,
            SampledStates,
            lambda rows, _expected, _metrics: told({"rows": rows}),
            lambda job: told({"begun": job.name}),
        )
    for job in done.jobs:
        told(_done(job.name, job))
    return {"first_at": done.first_at}


def _span(request: Request, settings: BatchSettings, store: Where, told: Told) -> dict[str, Any]:
    """A span of the one file of the request."""
    ((name, job),) = _jobs(request)
    told({"begun": name})
    outcome: dict[str, Any] = {}
    try:
        end, n_resumed = predict_span(job, request["span"], _model(request["settings"], store), settings, store)
        outcome = {"read": end.read, "n_resumed": n_resumed}
    except DataError as error:
        outcome["error"] = str(error)
    told({"done": name, "outcome": outcome})
    return {}


_KINDS: dict[str, Callable[[Request, BatchSettings, Where, Told], dict[str, Any]]] = {
    "look": _look,
    "sample": _sample,
    "predict": _predict,
    "span": _span,
}


def _jobs(request: Request) -> list[tuple[str, Job]]:
    return [(name, Job.model_validate(request["jobs"][name])) for name in request["names"]]


@lru_cache(maxsize=1)
def _model(settings: str, store: Where) -> BatchModel:
    """The run's model without its weights, which are loaded once a process too."""
    return find_model(BatchSettings.model_validate_json(settings), Store(store))


def _done(name: str, job: Job) -> dict[str, Any]:
    return {"done": name, "outcome": job.model_dump(mode="json")}


class _Log(logging.Handler):
    """Lines of the log, handed to the run."""

    def __init__(self, told: Told) -> None:
        super().__init__(logging.INFO)
        self._told = told

    def emit(self, record: logging.LogRecord) -> None:
        self._told({"level": record.levelno, "message": record.getMessage()})
