"""What a batch prediction has to do: which model, which files, and for each file why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tasks.prediction.batch_model import BatchModel, find_model, open_file, picture_fault
from tasks.prediction.division import Division
from tasks.prediction.failing import failing_alone
from tasks.runtime.progress import tracked
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.batch import BatchSettings
from tasks.storage.files.inputs import Stamp, input_file
from tasks.storage.outputs.accounts import Account, OutputPlace, find_account, known_digest
from tasks.storage.outputs.chunks import FileToRead
from tasks.storage.outputs.output_paths import (
    find_batch_files,
    output_place,
)
from tasks.storage.outputs.partitions import PartitionValue
from tasks.storage.outputs.writers import check_schema
from tasks.storage.readers.spans import Span
from tasks.storage.store.artifact_store import Store

Action = Literal["predict", "keep", "wait", "fail"]


class Job(BaseModel):
    """What is to be done about one file, and why; once it is done, what came of it.

    `predict`: its output is to be made, or was. `keep`: the output is there and valid. `wait`: the file may be half
    written. `fail`: it cannot be read, predicted or written, or has rows and none that can be used; of these the
    account says why.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    path: str
    action: Action
    reason: str
    digest: str | None = None
    stamp: Stamp | None = None
    partitions: dict[str, PartitionValue] = Field(default_factory=dict)
    division: Division | None = None
    n_resumed: int = 0
    account: Account | None = None

    def failed(self, error: DataError) -> Job:
        """The job once an error has kept its file from being predicted."""
        return self.model_copy(update={"action": "fail", "reason": str(error)})

    def written(self, account: Account, n_resumed: int = 0) -> Job:
        """The job once its output is there; it has failed where no row of the file can be used."""
        done = self.model_copy(update={"account": account, "n_resumed": n_resumed})
        return done.failed(DataError(f"{self.path}: {account.failure}")) if account.has_failed else done


def plan(settings: BatchSettings, store: Store, *, refresh: bool = False) -> list[Job]:
    """What is to be done about each file, in the order of their names; with `refresh`, all are predicted again."""
    model = find_model(settings, store)
    found = find_batch_files(settings)
    jobs = [_job(place, settings, model, refresh) for place in tracked("input files looked at", found.places)]
    jobs += file_names(settings)[1]
    return sorted(jobs, key=lambda job: job.name)


def file_names(settings: BatchSettings) -> tuple[list[tuple[str, str]], list[Job]]:
    """Names and paths of all files, none of which is opened, and the jobs of what lies there and is no file."""
    found = find_batch_files(settings)
    faults = [Job(name=fault.below, path=fault.path, action="fail", reason=fault.message) for fault in found.faults]
    return [(place.name, place.file.path) for place in found.places], faults


def plan_named(
    names: Sequence[str], settings: BatchSettings, store: Store, begun: Callable[[str], None], *, refresh: bool = False
) -> Iterator[Job]:
    """What is to be done about some files, by their names; `begun` is told of each before it is opened."""
    model = find_model(settings, store)
    places = {place.name: place for place in find_batch_files(settings).places}
    for name in names:
        begun(name)
        yield _job(places[name], settings, model, refresh)


def _job(place: OutputPlace, settings: BatchSettings, model: BatchModel, refresh: bool) -> Job:
    try:
        with failing_alone(place.file.path, "inspected"):
            return _inspect(place, settings, model, refresh)
    except DataError as error:
        return Job(name=place.name, path=place.file.path, action="fail", reason=str(error))


def _inspect(place: OutputPlace, settings: BatchSettings, model: BatchModel, refresh: bool) -> Job:
    name, path = place.name, place.file.path
    place.check_places(settings.format)
    job = Job(name=name, path=path, action="predict", reason="", stamp=place.file.stamp())
    if place.file.may_be_half_written(settings.settle):
        reason = f"{name} changed just now and may be half written; the next run takes it, or --settle 0"
        return job.model_copy(update={"action": "wait", "reason": reason})
    digest = known_digest(place) or place.file.digest()
    job = job.model_copy(update={"digest": digest, "partitions": dict(place.partitions)})
    found = find_account(place, model.lineage(digest, place.partitions))
    if isinstance(found, Account) and not refresh and (found.read or settings.allow_empty_files):
        return job.model_copy(update={"action": "keep", "reason": "nothing changed"}).written(found)
    opened = open_file(place, model)
    if fault := picture_fault(opened, settings, model):
        raise DataError(fault)
    with failing_alone(path, "written"):
        check_schema(opened.empty().select(opened.names).schema, settings.format)
    return job.model_copy(
        update={
            "reason": "a refresh was asked for" if isinstance(found, Account) else found,
            "division": Division.of(opened, settings.chunk_rows, always=settings.runner.kind == "dask"),
        }
    )


def find_place(job: Job, settings: BatchSettings) -> OutputPlace:
    """The file of a job.

    Raises:
        DataError: it is not there any more, or was changed since the plan was made.
    """
    file = input_file(job.path, job.name, settings.input_format)
    if file.stamp() != job.stamp:
        raise DataError(f"{job.path} changed since this run looked at it; the next run takes it as it is then")
    return output_place(settings, file, job.name, job.partitions)


def open_divided(job: Job, model: BatchModel, settings: BatchSettings, span: Span | None = None) -> FileToRead:
    """A file of which it is known how it is divided, ready to be read from one of its spans, or not to be read at all.

    Raises:
        DataError: it is not there any more, or was changed since the plan was made.
    """
    place, division = find_place(job, settings), job.division
    assert division is not None
    layout = model.layout(place.file)
    left_out = [*division.left_out]
    return FileToRead(place.file, division.schema, layout, model.reading, left_out, place.partitions, span)


def describe_jobs(jobs: list[Job]) -> list[dict[str, Any]]:
    """Jobs as a summary holds them."""
    return [_describe(job) for job in jobs]


def _describe(job: Job) -> dict[str, Any]:
    account = job.account
    counted = ("read", "predicted", "history_only", "known_ahead", "rejected", "reasons", "advice")
    return {
        "input": job.path,
        "name": job.name,
        "state": job.action,
        "reason": job.reason,
        **({name: getattr(account, name) for name in counted} if account else {}),
        **({"series": account.series and account.series.model_dump()} if account else {}),
        **({"outputs": sorted(account.files)} if account else {}),
        **({"resumed_chunks": job.n_resumed} if job.n_resumed else {}),
    }
