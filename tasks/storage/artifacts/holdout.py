"""The pairs by which all models of a name are compared, fixed when the first of them is promoted.

A holdout is an artifact of its own, so that it outlives the dataset that it was taken from:

    evaluation.npz or test.parquet   the pairs, as the dataset held them out
    codecs.json                      what their ids stand for
    steps.*.npy, windows.test.npy    of series, in place of pairs, with `series.parquet` and `series.json`
    sources.npz                      hashes of the sources, which training leaves out from then on
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from tasks.seq2seq.arrays.aliases import Ids
from tasks.seq2seq.arrays.hashing import Hashes, row_hashes
from tasks.seq2seq.arrays.sequences import Pairs
from tasks.seq2seq.data.backtest import Backtest
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.vocabulary_mapping import translate
from tasks.seq2seq.errors import ArtifactError
from tasks.seq2seq.promotion.comparison import problem_of
from tasks.seq2seq.settings.experiment import Experiment
from tasks.storage.artifacts.dataset import (
    CODECS,
    EVERY_WINDOW,
    DatasetFacts,
    PairBlock,
    read_codecs,
    read_evaluation,
)
from tasks.storage.artifacts.stored_series import is_series, series_files
from tasks.storage.files.archives import load_arrays
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.kinds import HOLDOUT
from tasks.storage.store.making import Made
from tasks.storage.store.manifest import Handle, Manifest
from tasks.storage.store.promotions import read_promotions

_SOURCES = "sources.npz"
_PAIRS = ("evaluation.npz", "test.parquet")


class HoldoutFacts(BaseModel):
    """What is known of a holdout without opening it.

    `dataset_key`: of the inputs of the dataset that it was taken from. `problem`: what experiments must agree in to
    be compared by it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: int
    dataset_key: str
    problem: dict[str, Any]
    masked: bool
    relative: bool


def fixed_holdout(store: Store, name: str) -> Handle | None:
    """The holdout that is fixed under a name, checked; None where none is yet.

    Raises:
        ArtifactError: it is missing or altered.
    """
    digest = read_promotions(store, name).holdout
    if digest is None:
        return None
    try:
        return store.open(HOLDOUT, digest)
    except ArtifactError as error:
        raise ArtifactError(
            f"the holdout that models are compared by under the name {name!r} cannot be used: {error}; bring it back "
            f"from a backup of the store, or give the experiment another name"
        ) from error


def is_comparable(holdout: Handle, experiment: Experiment) -> bool:
    """Whether the experiment's models solve the problem whose pairs the holdout has."""
    return holdout.facts_as(HoldoutFacts).problem == problem_of(experiment)


def write_holdout(dataset: Handle, experiment: Experiment, folder: Path) -> Made:
    """Fills `folder` with what a dataset held out."""
    of_series = series_files(dataset.path, "test") if is_series(dataset.path) else []
    for name in (*_PAIRS, CODECS, *of_series):
        if (dataset.path / name).exists():
            shutil.copyfile(dataset.path / name, folder / name)
    np.savez(folder / _SOURCES, hashes=held_out_sources(dataset.path))
    facts = dataset.facts_as(DatasetFacts)
    described = HoldoutFacts(
        rows=facts.evaluation_rows,
        dataset_key=Manifest.read(dataset.path).key,
        problem=problem_of(experiment),
        masked=facts.masked,
        relative=facts.relative,
    )
    return Made(described.model_dump())


def held_out_sources(dataset: Path) -> Hashes:
    """Hashes of the sources that a dataset held out, ascending, each once."""
    hashes = [
        block.beside["source_hash"].to_numpy() if "source_hash" in block.beside else row_hashes(_ids(block))
        for block in read_evaluation(dataset)
    ]
    return np.unique(np.concatenate(hashes))


def _ids(block: PairBlock) -> Ids:
    ids: Ids = block.pairs.source.padded()
    return ids


def read_sources(holdout: Handle) -> Hashes:
    """Hashes of the holdout's sources, ascending.

    Raises:
        ArtifactError: the file is not as this project writes it.
    """
    hashes = load_arrays(holdout.path / _SOURCES).get("hashes")
    if hashes is None or hashes.dtype != np.uint64 or hashes.ndim != 1:
        raise ArtifactError(
            f"{holdout.path / _SOURCES} holds no list of hashes; bring it back from a backup of the store"
        )
    return hashes


def read_holdout(
    holdout: Handle, codecs: Codecs, model: Path | None = None, backtest: Backtest = EVERY_WINDOW
) -> Iterator[PairBlock]:
    """The holdout's pairs as a model with these codecs takes them.

    Args:
        holdout: the holdout.
        codecs: the model's.
        model: its bundle, which may number series.
        backtest: chooses among the windows of series.

    Raises:
        DataError: the model cannot take them.
    """
    own = read_codecs(holdout.path)
    for block in read_evaluation(holdout.path, model, backtest):
        pairs = Pairs(
            translate(block.pairs.source, own.source, codecs.source),
            translate(block.pairs.target, own.target, codecs.target),
            ahead=block.pairs.ahead,
        )
        yield replace(block, pairs=pairs)
