"""What a batch prediction has to do: which model, which files, and for each file why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from tasks.prediction.division import Division
from tasks.prediction.failing import failing_alone
from tasks.runtime.code import code_digest
from tasks.runtime.packages import installed_engine
from tasks.runtime.progress import tracked
from tasks.runtime.runners import check_runner
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.quantiles import column_name
from tasks.seq2seq.errors import DataError, SettingsError
from tasks.seq2seq.monitoring.drift import Baseline, DayProfile
from tasks.seq2seq.settings.batch import BatchSettings
from tasks.seq2seq.settings.decoding import DecodingSettings
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.rules import nearest
from tasks.seq2seq.settings.where import is_url
from tasks.storage.artifacts.bundle import BundleFacts, check_format, read_experiment
from tasks.storage.artifacts.dataset import read_codecs
from tasks.storage.artifacts.registry import find_bundle, find_evaluation
from tasks.storage.artifacts.shapes import ProfileFile
from tasks.storage.files.atomic import folder_aside
from tasks.storage.files.inputs import InputFile, Stamp, input_file
from tasks.storage.files.json_files import read_json
from tasks.storage.ingest.known_series import KnownSeries
from tasks.storage.ingest.row_encoding import Reading
from tasks.storage.outputs.accounts import Account, Lineage, OutputPlace, find_account, known_digest
from tasks.storage.outputs.chunks import MARK, FileToRead
from tasks.storage.outputs.output_paths import (
    check_output_folder,
    find_batch_files,
    list_places,
    output_place,
    work_folder,
)
from tasks.storage.outputs.partitions import Partitions, PartitionValue, check_partitions
from tasks.storage.outputs.predictions import read_held_out
from tasks.storage.outputs.writers import check_schema
from tasks.storage.readers.blocks import Layout, listed
from tasks.storage.readers.spans import Span
from tasks.storage.readers.user_files import columns_left_out, read_columns
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.manifest import Handle, Manifest

PREDICTED_BY = "tasks.prediction.loaded_model"
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


@dataclass(frozen=True)
class BatchModel:
    """The model of a batch prediction, without its weights."""

    bundle: Handle
    name: str | None
    dataset: str
    experiment: Experiment
    codecs: Codecs
    decoding: DecodingSettings
    reading: Reading
    settings: BatchSettings

    def layout(self, file: InputFile) -> Layout:
        """The columns that are read of a file, and those that are not kept."""
        layout: Layout = self.reading.layout(file)
        return replace(layout, drop=self.settings.drop, may_be_empty=self.settings.allow_empty_files)

    def lineage(self, digest: str, partitions: Partitions) -> Lineage:
        """What the output of an input with this digest, below such folders, is made from."""
        reading = self.reading.describe()
        if self.settings.input_format is not None:
            reading["format"] = self.settings.input_format
        return Lineage(
            input=digest,
            model=self.bundle.digest,
            dataset=self.dataset,
            decoding=self.decoding.model_dump(mode="json"),
            writing=_writing(self.settings, partitions),
            reading=reading,
            code=code_digest(PREDICTED_BY),
            engine=installed_engine(),
        )


def _writing(settings: BatchSettings, partitions: Partitions) -> dict[str, Any]:
    """What is asked to be written; what few ask for only where it is, so that outputs without are what they were."""
    asked = {name: getattr(settings, name) for name in ("format", "token_log_probabilities", "encoder_states")}
    if settings.states_picture is not None:
        asked["states_picture"] = settings.states_picture
    for name in ("csv_safe", "long"):
        if getattr(settings, name):
            asked[name] = True
    if settings.drop:
        asked["drop"] = sorted(settings.drop)
    if partitions:
        asked["partitions"] = {name: list(found) for name, found in partitions.items()}
    return asked


def find_model(settings: BatchSettings, store: Store) -> BatchModel:
    """The model that the settings name.

    Raises:
        SettingsError: there is none, or the decoding settings do not fit it.
        ArtifactError: it is missing, altered, or of another format.
    """
    bundle, name = find_bundle(store, settings.model)
    check_format(bundle)
    experiment = read_experiment(bundle)
    facts = bundle.facts_as(BundleFacts)
    codecs = read_codecs(bundle.path)
    if settings.long and not (getattr(experiment.data, "is_series", False) and facts.target.features):
        raise SettingsError(
            "--long is set, but the model does not forecast series of numbers, of which each step would be a row; "
            "leave it out"
        )
    return BatchModel(
        bundle=bundle,
        name=name,
        dataset=Manifest.read(bundle.path).made_from["dataset"],
        experiment=experiment,
        codecs=codecs,
        decoding=settings.decoding_of(experiment),
        reading=Reading.of(
            experiment, codecs, (facts.source.length, facts.target.length), settings, KnownSeries.read(bundle.path)
        ),
        settings=settings,
    )


def check_batch(settings: BatchSettings, store: Store) -> None:
    """Refuses what cannot be predicted, before any work starts.

    Raises:
        Seq2SeqError: the model, the inputs or the output folder are not what they should be.
    """
    check_output_folder(settings)
    model = find_model(settings, store)
    places = list_places(settings)
    with folder_aside(work_folder(settings) / "probe") if settings.runner.address else nullcontext() as probe:
        seen = [probe] if probe else []
        if not is_url(store.where):  # what lies in an object store, each machine fetches for itself
            seen.append(model.bundle.path / "manifest.json")
        seen += [Path(place.file.path) for place in places if not is_url(place.file.path)]
        check_runner(settings.runner, seen)
    if settings.drop or settings.states_picture is not None:
        _check_columns([file for place in places if (file := _opened(place, model))], settings, model)


def _opened(place: OutputPlace, model: BatchModel) -> FileToRead | None:
    try:
        return open_file(place, model)
    except Exception:  # noqa: BLE001 - the plan looks again, and the file fails alone
        return None


def _check_columns(files: list[FileToRead], settings: BatchSettings, model: BatchModel) -> None:
    """Refuses a column to colour by, or to leave out, that no file has; where some have it, the others are predicted.

    Raises:
        SettingsError: with the columns that there are.
    """
    faults = [_picture_fault(file, settings, model) for file in files]
    if faults and all(faults):
        raise SettingsError(f"--states-picture: {faults[0]}")
    left_out = {name for file in files for name in file.left_out}
    there = list(dict.fromkeys(name for file in files for name in (*file.names, *file.left_out)))
    for name in settings.drop:
        if files and name not in left_out:
            raise SettingsError(
                f"--drop: no input has a column {name!r}{nearest(name, there)}; there are {listed(there)}"
            )


def _picture_fault(file: FileToRead, settings: BatchSettings, model: BatchModel) -> str | None:
    """What keeps a file's states from being coloured; nothing where no picture is wanted."""
    if settings.states_picture is None:
        return None
    there = [*file.names, *_own_colours(file, model)]
    if settings.states_picture in there:
        return None
    hint = nearest(settings.states_picture, there)
    return (
        f"{file.file.path} has no column {settings.states_picture!r} to colour by{hint}; there are {', '.join(there)}"
    )


def _own_colours(file: FileToRead, model: BatchModel) -> list[str]:
    """The columns that predictions of a file have for sure and that a point can be coloured by."""
    own = ["prediction"]
    if model.codecs.target.is_tokens:
        own += ["log_probability", *["correct"] * file.has_targets]
    own.append(model.codecs.source.flag)
    return [*own, "origin_row"] if model.reading.data.is_series else own


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
    if fault := _picture_fault(opened, settings, model):
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


OWN_COLUMNS = (
    "origin_row",
    "prediction_times",
    "prediction_time",
    "horizon_step",
    "prediction",
    "log_probability",
    "n_unknown",
    "outside_range",
    "correct",
    "n_best",
    "token_log_probabilities",
    "encoder_state",
)


def open_file(place: OutputPlace, model: BatchModel) -> FileToRead:
    """A file with its columns, ready to be read.

    Raises:
        DataError: it cannot be read, or has a column of the name of one that is written.
    """
    file = place.file
    layout = model.layout(file)
    kept, never_read = _columns(file, file.stamp(), layout)
    left_out = [*never_read, *(name for name in kept.names if name in layout.drop)]
    opened = FileToRead(file, kept, layout, model.reading, left_out, place.partitions)
    check_partitions(file.path, place.partitions, opened.names[: len(opened.names) - len(place.partitions)])
    own = {*OWN_COLUMNS, *map(column_name, model.experiment.training.forecast_quantiles)}
    if clash := [name for name in opened.names if name in own or name.startswith(MARK)]:
        raise DataError(
            f"{file.path} has a column {clash[0]!r}, which predictions write themselves beside the columns of the "
            f"input; rename it, or leave it out with --drop {clash[0]}"
        )
    return opened


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


@lru_cache(maxsize=16_384)
def _columns(file: InputFile, _stamp: Stamp, layout: Layout) -> tuple[pa.Schema, list[str]]:
    """The columns of a file as it is now: of JSON lines they take a pass over it, which is made once."""
    return read_columns(file, layout), columns_left_out(file, layout)


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


def training_baseline(model: BatchModel, store: Store) -> Baseline:
    """What is known of the rows that the model was trained on."""
    profile = read_json(model.bundle.path / "profile.json", ProfileFile)
    known: dict[str, Any] = {name: profile[name] for name in ("read", "rejected") if name in profile}
    baseline = Baseline.of(profile, model.codecs.source, **known)
    evaluation = find_evaluation(store, model.bundle.digest)
    if evaluation is None:
        return baseline
    return baseline.with_held_out(DayProfile.of(**read_held_out(evaluation.path, model.codecs)))
