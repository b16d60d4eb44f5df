"""The data checks: rules that a dataset keeps before it is trained on, and rows before they are predicted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from prefect import task

from tasks.prediction.batch_model import BatchModel, find_model, training_baseline
from tasks.prediction.guarded import FilesOfWorkers, Outcome, ended_by, request_of
from tasks.prediction.jobs import Job
from tasks.prediction.shards import Sample, read_sample
from tasks.runtime.caching import TASK_OPTIONS, finished, make_once, step_inputs
from tasks.runtime.log import logger
from tasks.runtime.runners import workers_of_run
from tasks.seq2seq.arrays.hashing import Hashes, mix, sequence_hashes
from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.codec_training import VectorIntake
from tasks.seq2seq.data.odd_values import OddValues
from tasks.seq2seq.errors import ArtifactError, DataError
from tasks.seq2seq.metrics.accumulators import share
from tasks.seq2seq.monitoring.data_checks import Finding, Measured, Sentinel, check, shifts_between, worst
from tasks.seq2seq.monitoring.drift import DayProfile, compare
from tasks.seq2seq.settings.batch import BatchSettings
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.where import Where
from tasks.storage.artifacts.dataset import DatasetFacts, read_codecs
from tasks.storage.artifacts.lists import from_lists
from tasks.storage.artifacts.shapes import AccountFile, ProfileFile
from tasks.storage.files.atomic import folder_aside
from tasks.storage.files.json_files import read_json, write_json
from tasks.storage.ingest.duplicates import count_repeats
from tasks.storage.outputs.chunk_files import read_chunk
from tasks.storage.outputs.chunks import HAS_TARGET, ORIGIN_ROW, SOURCE, TARGET
from tasks.storage.outputs.output_paths import work_folder
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.kinds import BUNDLE, CHECKS
from tasks.storage.store.making import Made, StepInputs
from tasks.storage.store.manifest import Handle, Manifest
from tasks.storage.store.promotions import read_promotions


@task(name="check data", task_run_name="check {experiment.promotion_name}", **TASK_OPTIONS)
def check_dataset(experiment: Experiment, dataset: Handle, store: Where, *, refresh: bool = False) -> Handle:
    """Holds a dataset against the rules; its facts are the findings.

    Raises:
        DataError: a rule is not kept that is set to end the run.
    """
    serving = _serving(experiment, dataset.digest, Store(store))
    step = _step_inputs(experiment, dataset.digest, serving)

    def write(folder: Path) -> Made:
        findings = describe(_check(experiment, dataset, serving))
        write_json(folder / "checks.json", findings)
        return Made({"findings": findings})

    handle = make_once(step, Store(store), write, refresh=refresh)
    findings = [Finding(**finding) for finding in handle.fact("findings", list[dict[str, Any]])]
    act_on(findings, "of the training data", "checks")
    return finished(handle)


def checks_inputs(experiment: Experiment, made: Mapping[str, str], store: Store) -> StepInputs:
    """What the findings depend on: the limits, the dataset, and the promoted model of other data."""
    return _step_inputs(experiment, made["dataset"], _serving(experiment, made["dataset"], store))


def _step_inputs(experiment: Experiment, dataset_digest: str, serving: Handle | None) -> StepInputs:
    return step_inputs(
        CHECKS,
        experiment,
        settings=experiment.checks.model_dump(mode="json"),
        made_from={"dataset": dataset_digest, **({"promoted": serving.digest} if serving else {})},
        code=__name__,
        libraries=("numpy",),
    )


def _serving(experiment: Experiment, dataset_digest: str, store: Store) -> Handle | None:
    """The promoted bundle, unless it was trained on this very dataset."""
    promoted = read_promotions(store, experiment.promotion_name).promoted
    if promoted is None:
        return None
    try:
        bundle = store.open(BUNDLE, promoted)
    except ArtifactError as error:
        logger().warning("The data is not held against that of the promoted model, which cannot be used: %s", error)
        return None
    return None if Manifest.read(bundle.path).made_from.get("dataset") == dataset_digest else bundle


def _check(experiment: Experiment, dataset: Handle, serving: Handle | None) -> list[Finding]:
    limits = experiment.checks
    facts, profile = dataset.facts_as(DatasetFacts), read_json(dataset.path / "profile.json", ProfileFile)
    lengths = {int(length): n for length, n in profile["source"]["lengths"].items()}
    measured = Measured.of(lengths, **_accounted(dataset, facts))
    if serving:
        codecs = read_codecs(serving.path), read_codecs(dataset.path)
        before = read_json(serving.path / "profile.json", ProfileFile)
        if type(codecs[0].source) is type(codecs[1].source):
            sources = codecs[0].source, codecs[1].source
            measured = measured._replace(shifts=shifts_between(before, profile, sources, limits.max_drift))
    return check(measured, limits, limits.max_drift)


def _accounted(dataset: Handle, facts: DatasetFacts) -> dict[str, Any]:
    """What the account of files says; nothing is counted of a synthetic problem, which has none of it."""
    path = dataset.path / "account.json"
    if not path.exists():
        return {}
    account = read_json(path, AccountFile)
    repeats: dict[str, Any] = {**account["repeats"]}
    held_out = {"validation": facts.validation_rows, "test": facts.evaluation_rows}
    rows = facts.train_rows + sum(held_out.values())
    overlaps = [(repeats[f"{split}_overlap"], split_rows) for split, split_rows in held_out.items()]
    return {
        "read": account["read"] if isinstance(account["read"], int) else sum(account["read"].values()),
        "rejected": facts.rejected_rows,
        "duplicates": (repeats["duplicates"], rows),
        "conflicts": (repeats["conflicts"], rows),
        "overlap": max(overlaps, key=lambda overlap: share(*overlap)),
        "unknown": (account["unknown"].get("test", 0), facts.evaluation_rows) if "unknown" in account else None,
        "sentinels": _sentinels(account, facts),
        "unread_time": account.get("unread_time"),
    }


def _sentinels(account: AccountFile, facts: DatasetFacts) -> list[Sentinel] | None:
    if not facts.source.features and not facts.target.features:
        return None
    return [Sentinel(**found) for found in account.get("sentinels", ())]


class CheckedRows(NamedTuple):
    """What the first rows were found to be.

    jobs: all of them; a file whose first rows cannot be read or counted has become a `fail`.
    findings: as JSON takes them.
    """

    jobs: list[Job]
    findings: list[dict[str, str]]


@task(name="check rows", task_run_name="check {settings.title}", **TASK_OPTIONS)
def check_rows(jobs: list[Job], settings: BatchSettings, store: Where) -> CheckedRows:
    """Holds the first rows of the files that are to be predicted against the rules.

    Raises:
        DataError: a rule is not kept that is set to end the run.
    """
    todo = [job for job in jobs if job.action == "predict"]
    if not todo or not settings.checks.sample_rows:
        return CheckedRows(jobs, [])
    model = find_model(settings, Store(store))
    sample, failed = _Sample(model), {}
    for job, found in _samples(todo, model, settings, store, max(1, settings.checks.sample_rows // len(todo))):
        if isinstance(found, DataError):
            failed[job.name] = job.failed(found)
        else:
            sample.add(found)
    findings = _check_sample(sample, model, settings, Store(store))
    act_on(findings, "of the rows to predict", "checks")
    return CheckedRows([failed.get(job.name, job) for job in jobs], describe(findings))


def _samples(
    todo: list[Job], model: BatchModel, settings: BatchSettings, store: Where, n_rows: int
) -> Iterator[tuple[Job, Sample | DataError]]:
    """The first rows of each file, or what keeps them from being read."""
    if settings.runner.kind != "threads":
        yield from _samples_of_workers(todo, settings, store, n_rows)
        return
    for job in todo:
        try:
            yield job, read_sample(job, model, settings, n_rows)
        except DataError as error:
            yield job, error


def _samples_of_workers(
    todo: list[Job], settings: BatchSettings, store: Where, n_rows: int
) -> Iterator[tuple[Job, Sample | DataError]]:
    jobs = {job.name: job for job in todo}
    given = {name: job.model_dump(mode="json") for name, job in jobs.items()}
    with folder_aside(work_folder(settings) / "sample") as folder:  # which workers elsewhere see, too
        request = request_of("sample", settings, store, jobs=given, n_rows=n_rows, folder=str(folder))

        def failed(name: str, how: str) -> Outcome:
            return {"error": ended_by(jobs[name].path, "checked", how)}

        for name, found in FilesOfWorkers(workers_of_run(), request, failed).run(list(jobs)):
            if "error" in found:
                yield jobs[name], DataError(found["error"])
                continue
            chunk = read_chunk(Path(found["chunk"])) if "chunk" in found else None
            yield jobs[name], Sample(found["read"], found["rejected"], chunk)


def _check_sample(sample: _Sample, model: BatchModel, settings: BatchSettings, store: Store) -> list[Finding]:
    measured = sample.measured()
    if measured.rows:
        shifts = compare(training_baseline(model, store), sample.day(), settings.drift_threshold)
        measured = measured._replace(shifts=tuple(shifts))
    return check(measured, settings.checks, settings.drift_threshold)


class _Sample:
    """The first rows of some files, counted."""

    def __init__(self, model: BatchModel) -> None:
        self._model = model
        self._sources: list[Sequences] = []
        self._hashes: list[tuple[Any, Any, Any]] = []  # of sources, of pairs, and which have a target
        self._read = self._rejected = 0
        self._has_targets = True
        self._odd = OddValues()

    def add(self, found: Sample) -> None:
        """Counts the first rows of a file."""
        if found.chunk is not None:
            self._count(found.chunk)
        self._read += found.read
        self._rejected += found.rejected

    def _count(self, chunk: pa.Table) -> None:
        source = from_lists(chunk[SOURCE])
        hashes = _hashes(source)
        pair, has_target = hashes, np.zeros(len(source), np.bool_)
        if TARGET in chunk.column_names:
            pair = mix(hashes) ^ _hashes(from_lists(chunk[TARGET]))
            has_target = chunk[HAS_TARGET].to_numpy()
        else:
            self._has_targets = False
        self._sources.append(source)
        if self._has_numbers:
            self._odd.add(_new_steps(source, chunk).ravel())
        self._hashes.append((hashes, pair, has_target))

    @property
    def _has_numbers(self) -> bool:
        """Whether sources are numbers as the files have them, and not differences of these."""
        data = self._model.reading.data
        is_as_read = not data.relative_to_last and data.scale == "global"
        return not self._model.codecs.source.is_tokens and is_as_read

    def _sentinels(self) -> list[Sentinel] | None:
        columns = ", ".join(map(str, self._model.reading.data.source_columns))
        return [Sentinel(columns, *found) for found in self._odd.finish()] if self._has_numbers else None

    def measured(self) -> Measured:
        rejects: dict[str, Any] = {"read": self._read, "rejected": self._rejected}
        if not self._sources:
            return Measured.of({}, **rejects)
        sources = Sequences.concatenate(self._sources)
        source, pair, has_target = (np.concatenate(part) for part in zip(*self._hashes, strict=True))
        conflicts = count_repeats(source[has_target], pair[has_target]).conflicts
        unknown = self._model.codecs.source.flags(sources).get("n_unknown")
        return Measured.of(
            Counter(sources.lengths.tolist()),
            **rejects,
            duplicates=(count_repeats(source, pair).duplicates, len(sources)),
            conflicts=(conflicts, len(sources)) if self._has_targets else None,
            unknown=None if unknown is None else (int((unknown > 0).sum()), len(sources)),
            sentinels=self._sentinels(),
        )

    def day(self) -> DayProfile:
        sources = Sequences.concatenate(self._sources)
        flags = self._model.codecs.source.flags(sources)
        profile = DayProfile.of(sources.lengths, n_unknown=flags.get("n_unknown"), outside=flags.get("outside_range"))
        return profile.with_rows(self._read, self._rejected)


def _new_steps(source: Sequences, chunk: pa.Table) -> NDArray[np.float64]:
    """The steps of sources, `(total, features)`; of windows of a series, which lie over one another, each step once."""
    if ORIGIN_ROW not in chunk.column_names:
        return source.values[source.offsets[0] : source.offsets[-1]]
    since = np.diff(chunk[ORIGIN_ROW].to_numpy(), prepend=-source.longest)
    since = np.where(since <= 0, source.longest, since)  # another series, or rows that are not in order
    is_new = np.arange(source.longest) >= source.longest - since[:, None]
    steps: NDArray[np.float64] = source.padded()[is_new]
    return steps


def _hashes(sequences: Sequences) -> Hashes:
    values = sequences.values
    steps = mix(values.astype(np.uint64)) if values.ndim == 1 else VectorIntake().hashes(values)
    return sequence_hashes(steps, sequences.offsets)


def describe(findings: Iterable[Finding]) -> list[dict[str, str]]:
    """Findings as JSON takes them."""
    return [finding._asdict() for finding in findings]


def act_on(findings: list[Finding], of: str, section: str) -> None:
    """Logs the warnings, and ends the run where a rule says so.

    Raises:
        DataError: naming every rule that is not kept and ends the run.
    """
    for finding in worst(findings, "warning"):
        logger().warning("Check %s: %s: %s", of, finding.rule, finding.message)
    if failures := worst(findings, "failure"):
        raise DataError("\n".join(_said(failures, of, section)))


def _said(failures: list[Finding], of: str, section: str) -> Iterator[str]:
    for finding in failures:
        yield f"check {finding.rule!r} {of} failed: {finding.message}"
    rules = ", ".join(dict.fromkeys(finding.rule for finding in failures))
    yield f"mend the data, or change the limits in [{section}], or take {rules} out of {section}.fail to be warned only"
