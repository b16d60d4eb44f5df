"""The dataset step: synthetic pairs drawn, or the user's files read, split and encoded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from prefect import task

from tasks.caching import DATA_CODE, TASK_OPTIONS, finished, make_once, recipe
from tasks.seq2seq.errors import DataError, SettingsError
from tasks.seq2seq.problems import PROBLEMS
from tasks.seq2seq.profile import Profile
from tasks.seq2seq.sampling import Pairs, draw_fresh, draw_training
from tasks.seq2seq.settings import Experiment, FilesData, SyntheticData
from tasks.seq2seq.splitting import SPLITS, assign_splits, count_repeats
from tasks.seq2seq.vocabulary import Integers, Vocabularies, Vocabulary
from tasks.storage.atomic import check_writable, copy_atomically, file_digest, write_json
from tasks.storage.datasets import DatasetFacts, write_evaluation, write_pairs, write_vocabularies
from tasks.storage.manifest import Handle
from tasks.storage.sources import Columns, RawPairs, check_pairs_file, read_raw_pairs, write_rejects
from tasks.storage.store import Made, Recipe, Store

KIND = "dataset"


@task(name="generate dataset", task_run_name="generate {experiment.promotion_name}", **TASK_OPTIONS)
def generate_dataset(experiment: Experiment, store: Path, *, refresh: bool = False) -> Handle:
    """Makes the dataset of an experiment and gives its handle; its facts are `DatasetFacts`."""
    step = dataset_recipe(experiment)

    def write(folder: Path) -> Made:
        made = write_dataset(experiment, folder)
        if dataset_recipe(experiment).key != step.key:
            raise DataError("the input files changed while they were read; run again when their writer has finished")
        return made

    return finished(make_once(step, Store(store), write, refresh=refresh))


def dataset_recipe(experiment: Experiment) -> Recipe:
    """What the dataset depends on: the data settings, the seed, and the content of the user's files."""
    data = experiment.data
    if isinstance(data, SyntheticData):
        settings = {
            **data.model_dump(mode="json"),
            **vars(data.dimensions),
            "n_fresh": experiment.evaluation.n_samples,
        }
        made_from = {}
    else:
        files = _input_files(data)
        settings = data.model_dump(mode="json", exclude={"train", "validation", "test"})
        made_from = {name: file_digest(path) for name, path in files.items()}
    return recipe(
        KIND,
        experiment,
        settings={**settings, "seed": experiment.seed},
        made_from=made_from,
        code=DATA_CODE,
        libraries=("numpy", "pyarrow"),
    )


def check_inputs(experiment: Experiment) -> None:
    """Refuses input files that cannot be pairs, before any work starts.

    Raises:
        DataError: naming the first file that cannot.
    """
    if isinstance(experiment.data, FilesData):
        for path in _input_files(experiment.data).values():
            check_pairs_file(path, Columns(experiment.data.source, experiment.data.target))


def check_output(experiment: Experiment, output: Path | None) -> None:
    """Refuses an output that cannot be written, or that has no pairs of its own to hold.

    Raises:
        SettingsError: with what to do.
    """
    check_writable(output, "--output")
    if output and isinstance(experiment.data, FilesData):
        raise SettingsError(
            f"--output is for the pairs of a synthetic problem; yours are in {experiment.data.train} already"
        )


@task(name="copy pairs", task_run_name="copy to {path}", **TASK_OPTIONS)
def copy_pairs(dataset: Handle, path: Path) -> None:
    """Writes the training pairs to a Parquet file of the user's."""
    copy_atomically(dataset.path / "train.parquet", path)


def _input_files(data: FilesData) -> dict[str, Path]:
    files = {"train": data.train, "validation": data.validation, "test": data.test}
    return {name: path for name, path in files.items() if path is not None}


def write_dataset(experiment: Experiment, folder: Path) -> Made:
    """Fills `folder` with the dataset that `tasks.storage.datasets` describes."""
    data = experiment.data
    if isinstance(data, SyntheticData):
        return _write_synthetic(experiment, data, folder)
    return _write_files(experiment, data, folder)


def _write_synthetic(experiment: Experiment, data: SyntheticData, folder: Path) -> Made:
    size = data.dimensions
    vocabulary = Vocabulary.identity(size.cardinality, PROBLEMS[data.problem].symbols)
    fresh = draw_fresh(data.problem, size, experiment.evaluation.n_samples, experiment.seed)
    training = draw_training(data.problem, size, data.n_samples, experiment.seed, fresh.source)
    profile = Profile(vocabulary.size, vocabulary.size)
    rows = write_pairs(folder / "train.parquet", _profiled(training, profile), size.n_in, size.n_out)
    write_evaluation(folder / "evaluation.npz", fresh)
    write_json(folder / "profile.json", profile.to_json())
    write_vocabularies(folder, Vocabularies(vocabulary, vocabulary))
    facts = DatasetFacts(
        kind=data.kind,
        train_rows=rows,
        validation_rows=0,
        evaluation_rows=len(fresh),
        rejected_rows=0,
        source_length=size.n_in,
        target_length=size.n_out,
        source_vocabulary=vocabulary.size,
        target_vocabulary=vocabulary.size,
        start=vocabulary.start,
    )
    return Made(facts.model_dump())


def _profiled(blocks: Iterator[Pairs], profile: Profile) -> Iterator[Pairs]:
    for block in blocks:
        profile.add(block)
        yield block


def _write_files(experiment: Experiment, data: FilesData, folder: Path) -> Made:
    columns = Columns(data.source, data.target)
    raw = {"train": read_raw_pairs(data.train, columns)}
    lengths = raw["train"].source.shape[1], raw["train"].target.shape[1]
    for name, path in _input_files(data).items():
        if name != "train":
            raw[name] = read_raw_pairs(path, columns, lengths)
    for name, pairs in raw.items():
        _check_reject_rate(getattr(data, name), pairs, lengths, data.max_reject_rate)
    splits = _split(raw, data, experiment.seed)
    vocabularies = Vocabularies(
        Vocabulary.learn(splits["train"][0], data.source), Vocabulary.learn(splits["train"][1], data.target)
    )
    encoded = {
        name: Pairs(vocabularies.source.encode(source), vocabularies.target.encode(target))
        for name, (source, target) in splits.items()
    }
    for name, split in encoded.items():
        write_pairs(folder / f"{name}.parquet", [split], *lengths)
    profile = Profile(vocabularies.source.size, vocabularies.target.size)
    profile.add(encoded["train"])
    rejects = [reject for pairs in raw.values() for reject in pairs.rejects]
    write_rejects(folder / "rejects.parquet", rejects)
    write_json(folder / "profile.json", profile.to_json())
    write_json(folder / "account.json", _account(raw, splits))
    write_vocabularies(folder, vocabularies)
    facts = DatasetFacts(
        kind=data.kind,
        train_rows=len(encoded["train"]),
        validation_rows=len(encoded["validation"]) if "validation" in encoded else 0,
        evaluation_rows=len(encoded["test"]),
        rejected_rows=len(rejects),
        source_length=lengths[0],
        target_length=lengths[1],
        source_vocabulary=vocabularies.source.size,
        target_vocabulary=vocabularies.target.size,
        start=vocabularies.target.start,
    )
    return Made(facts.model_dump())


def _check_reject_rate(path: Path, pairs: RawPairs, lengths: tuple[int, int], limit: float) -> None:
    rate = len(pairs.rejects) / pairs.n_read
    if rate > limit or not len(pairs.source):
        first = pairs.rejects[0]
        raise DataError(
            f"{path}: {len(pairs.rejects)} of {pairs.n_read} rows cannot be used, the first is row {first.row} "
            f"({first.reason}: {first.content[:200]}); expected sources of {lengths[0]} and targets of {lengths[1]} "
            f"integers without nulls (sequences of varying length are coming in a later version); mend the rows, "
            f"or allow a share of them to be left out with data.max_reject_rate (it is {limit:g})"
        )


def _split(raw: dict[str, RawPairs], data: FilesData, seed: int) -> dict[str, tuple[Integers, Integers]]:
    pairs = raw["train"]
    assigned = assign_splits(
        pairs.source,
        seed,
        validation_fraction=0.0 if data.validation else data.validation_fraction,
        test_fraction=0.0 if data.test else data.test_fraction,
    )
    splits = {
        name: (raw[name].source, raw[name].target)
        if name in raw and name != "train"
        else (pairs.source[assigned == i], pairs.target[assigned == i])
        for i, name in enumerate(SPLITS)
    }
    if not data.validation and data.validation_fraction == 0:
        del splits["validation"]
    for name, (source, _) in splits.items():
        if not len(source):
            raise DataError(
                f"{data.train}: the {name} split is empty, {len(pairs.source)} usable rows are too few to split by "
                f"source; give more rows, another fraction, or files of their own with data.validation and data.test"
            )
    return splits


def _account(raw: dict[str, RawPairs], splits: dict[str, tuple[Integers, Integers]]) -> dict[str, Any]:
    reasons = [reject.reason for pairs in raw.values() for reject in pairs.rejects]
    return {
        "read": {name: pairs.n_read for name, pairs in raw.items()},
        "rejected": {name: len(pairs.rejects) for name, pairs in raw.items()},
        "reasons": {str(reason): int(n) for reason, n in zip(*np.unique(reasons, return_counts=True), strict=True)},
        "splits": {name: len(source) for name, (source, _) in splits.items()},
        "repeats": count_repeats(splits)._asdict(),
    }
