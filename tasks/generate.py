"""The dataset step: synthetic pairs drawn, or the user's files read, split and encoded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from prefect import task

from tasks.runtime.caching import TASK_OPTIONS, finished, make_once, step_inputs, values_of
from tasks.runtime.log import logger
from tasks.runtime.progress import progress, report, tracked
from tasks.seq2seq.arrays.hashing import Hashes
from tasks.seq2seq.arrays.sequences import Pairs
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.problems import PROBLEMS
from tasks.seq2seq.data.profile import Profile
from tasks.seq2seq.data.synthetic import NOTHING, draw_fresh, draw_training
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.data import FilesData, SyntheticData
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.where import Where
from tasks.storage.artifacts.dataset import (
    DatasetFacts,
    PairBlock,
    SideFacts,
    write_codecs,
    write_evaluation,
    write_pairs,
)
from tasks.storage.artifacts.holdout import HoldoutFacts, fixed_holdout, is_comparable, read_sources
from tasks.storage.files.atomic import copy_atomically
from tasks.storage.files.json_files import load_json, write_json
from tasks.storage.ingest.found_files import FoundFiles, find_files
from tasks.storage.ingest.pairs import ingest_pairs
from tasks.storage.ingest.series import ingest_series
from tasks.storage.ingest.time_text import describe_time
from tasks.storage.readers.formats import format_name
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.kinds import DATASET
from tasks.storage.store.making import Made, StepInputs
from tasks.storage.store.manifest import Handle


@task(name="generate dataset", task_run_name="generate {experiment.promotion_name}", **TASK_OPTIONS)
def generate_dataset(experiment: Experiment, store: Where, *, refresh: bool = False) -> Handle:
    """Makes the dataset of an experiment and gives its handle; its facts are `DatasetFacts`."""
    files = _find_files(experiment)
    plain = _step_inputs(experiment, files)
    holdout = _holdout_of(experiment, plain, Store(store))

    def write(folder: Path) -> Made:
        made = write_dataset(experiment, folder, read_sources(holdout) if holdout else NOTHING, files)
        if _step_inputs(experiment, files).key != plain.key:
            raise DataError("the input files changed while they were read; run again when their writer has finished")
        return made

    handle = make_once(_without(plain, holdout), Store(store), write, refresh=refresh)
    return finished(handle.model_copy(update={"this_run": _say_what_waits(files)}))


def dataset_inputs(experiment: Experiment, _made: Mapping[str, str], store: Store) -> StepInputs:
    """What the dataset depends on: the data settings, the seed, the content of the user's files, and the holdout."""
    plain = _step_inputs(experiment, _find_files(experiment))
    return _without(plain, _holdout_of(experiment, plain, store))


def held_out_sources(experiment: Experiment, store: Store) -> Hashes:
    """Hashes of the sources that the dataset leaves out of training, ascending; it makes nothing."""
    if fixed_holdout(store, experiment.promotion_name) is None:  # and no file need be digested
        return NOTHING
    holdout = _holdout_of(experiment, _step_inputs(experiment, _find_files(experiment)), store)
    return read_sources(holdout) if holdout else NOTHING


def _find_files(experiment: Experiment) -> FoundFiles | None:
    """The user's files, found once for a run: one that settles meanwhile is the next run's."""
    return find_files(experiment.data) if isinstance(experiment.data, FilesData) else None


def _say_what_waits(files: FoundFiles | None) -> dict[str, list[str]]:
    waiting = files.waiting if files else []
    for path in waiting:
        logger().warning("%s changed just now and may be half written; the next run takes it, or --data.settle 0", path)
    return {"files_waiting": waiting}


def _without(plain: StepInputs, holdout: Handle | None) -> StepInputs:
    return replace(plain, made_from={**plain.made_from, "holdout": holdout.digest}) if holdout else plain


def _holdout_of(experiment: Experiment, plain: StepInputs, store: Store) -> Handle | None:
    """The holdout that training must leave out; None where the dataset holds out the same pairs by itself.

    Raises:
        ArtifactError: it is missing or altered.
    """
    holdout = fixed_holdout(store, experiment.promotion_name)
    if holdout is None or not is_comparable(holdout, experiment):
        return None
    taken_from = holdout.facts_as(HoldoutFacts).dataset_key
    return None if taken_from == plain.key else holdout


def _step_inputs(experiment: Experiment, found: FoundFiles | None) -> StepInputs:
    """Of the dataset as it is without a holdout; it digests the user's files."""
    data = experiment.data
    if isinstance(data, SyntheticData):
        settings = {
            **values_of(data),
            **vars(data.dimensions),
            "n_fresh": experiment.evaluation.n_samples,
        }
        made_from = {}
    else:
        assert found is not None
        settings = {
            **values_of(data, ("train", "validation", "test", "places", "format", "settle")),
            "formats": {name: [format_name(file) for file in files] for name, files in found.by_setting.items()},
            "source": data.source_columns,
            "target": data.target_columns,
            "weight": data.weight_column,
        }
        # By number, not by name: a file that was only moved is read as it was.
        made_from = {
            f"{name} {i}": file.digest()
            for name, files in found.by_setting.items()
            for i, file in enumerate(tracked(f"{name} files digested", files))
        }
    return step_inputs(
        DATASET,
        experiment,
        settings={**settings, "seed": experiment.seed, **_numbers(experiment)},
        made_from=made_from,
        code=__name__,
        libraries=("numpy", "pyarrow"),
    )


def _numbers(experiment: Experiment) -> dict[str, bool]:
    """That sources say which series they are of, where a model is to embed that; else nothing, as before there were."""
    return {"series_numbers": True} if experiment.model.series_embedding else {}


@task(name="copy pairs", task_run_name="copy to {path}", **TASK_OPTIONS)
def copy_pairs(dataset: Handle, path: Path) -> None:
    """Writes the training pairs to a Parquet file of the user's."""
    with progress("copy pairs"):
        copy_atomically(dataset.path / "train.parquet", path)


def write_dataset(
    experiment: Experiment, folder: Path, held_out: Hashes = NOTHING, files: FoundFiles | None = None
) -> Made:
    """Fills `folder` with the dataset of `storage.artifacts.dataset`, without the sources of the holdout."""
    data = experiment.data
    if isinstance(data, SyntheticData):
        return _write_synthetic(experiment, data, folder, held_out)
    if data.is_series:
        numbered = bool(experiment.model.series_embedding)
        facts = ingest_series(data, folder, held_out, report, files, numbered=numbered)
        if time := load_json(folder / "account.json")["time"]:
            logger().info("Series: %s", describe_time(time))
    else:
        facts = ingest_pairs(data, experiment.seed, folder, held_out, report, files)
    return Made(facts.model_dump())


def _write_synthetic(experiment: Experiment, data: SyntheticData, folder: Path, held_out: Hashes) -> Made:
    size = data.dimensions
    vocabulary = Vocabulary.identity(size.cardinality, PROBLEMS[data.problem].symbols)
    codecs = Codecs(vocabulary, vocabulary)
    fresh = draw_fresh(data.problem, size, experiment.evaluation.n_samples, experiment.seed)
    training = draw_training(data.problem, size, data.n_samples, experiment.seed, fresh.source.padded(), held_out)
    profile = Profile(codecs)
    rows = write_pairs(folder / "train.parquet", _profiled(training, profile, data.n_samples))
    write_evaluation(folder / "evaluation.npz", fresh)
    write_json(folder / "profile.json", profile.to_json())
    write_codecs(folder, codecs)
    facts = DatasetFacts(
        kind=data.kind,
        train_rows=rows,
        validation_rows=0,
        evaluation_rows=len(fresh),
        rejected_rows=0,
        source=SideFacts.of(vocabulary, size.n_in),
        target=SideFacts.of(vocabulary, size.n_out),
        masked=False,
    )
    return Made(facts.model_dump())


def _profiled(blocks: Iterator[Pairs], profile: Profile, n_samples: int) -> Iterator[PairBlock]:
    n = 0
    for pairs in blocks:
        profile.add(pairs)
        n += len(pairs)
        report("pairs generated", n, n_samples)
        yield PairBlock(pairs)
