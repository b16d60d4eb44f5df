"""The model of a batch prediction without its weights, and files as they are opened for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import pyarrow as pa

from tasks.runtime.code import code_digest
from tasks.runtime.packages import installed_engine
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.quantiles import column_name
from tasks.seq2seq.errors import DataError, SettingsError
from tasks.seq2seq.monitoring.drift import Baseline, DayProfile
from tasks.seq2seq.settings.batch import BatchSettings
from tasks.seq2seq.settings.decoding import DecodingSettings
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.rules import nearest
from tasks.storage.artifacts.bundle import BundleFacts, check_format, read_experiment
from tasks.storage.artifacts.dataset import read_codecs
from tasks.storage.artifacts.registry import find_bundle, find_evaluation
from tasks.storage.artifacts.shapes import ProfileFile
from tasks.storage.files.inputs import InputFile, Stamp
from tasks.storage.files.json_files import read_json
from tasks.storage.ingest.known_series import KnownSeries
from tasks.storage.ingest.row_encoding import Reading
from tasks.storage.outputs.accounts import Lineage, OutputPlace
from tasks.storage.outputs.chunks import MARK, FileToRead
from tasks.storage.outputs.partitions import Partitions, check_partitions
from tasks.storage.outputs.predictions import read_held_out
from tasks.storage.readers.blocks import Layout
from tasks.storage.readers.user_files import columns_left_out, read_columns
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.manifest import Handle, Manifest

PREDICTED_BY = "tasks.prediction.loaded_model"
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


@lru_cache(maxsize=16_384)
def _columns(file: InputFile, _stamp: Stamp, layout: Layout) -> tuple[pa.Schema, list[str]]:
    """The columns of a file as it is now: of JSON lines they take a pass over it, which is made once."""
    return read_columns(file, layout), columns_left_out(file, layout)


def picture_fault(file: FileToRead, settings: BatchSettings, model: BatchModel) -> str | None:
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


def training_baseline(model: BatchModel, store: Store) -> Baseline:
    """What is known of the rows that the model was trained on."""
    profile = read_json(model.bundle.path / "profile.json", ProfileFile)
    known: dict[str, Any] = {name: profile[name] for name in ("read", "rejected") if name in profile}
    baseline = Baseline.of(profile, model.codecs.source, **known)
    evaluation = find_evaluation(store, model.bundle.digest)
    if evaluation is None:
        return baseline
    return baseline.with_held_out(DayProfile.of(**read_held_out(evaluation.path, model.codecs)))
