"""What a training starts from: new weights, a promoted model, pre-trained vectors, or where it was killed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tasks.runtime.log import logger
from tasks.runtime.progress import progress, report
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.errors import ArtifactError, DataError, TrainingError
from tasks.seq2seq.models.pretrained_embeddings import Coverage, coverage, embedding_matrix, spellings
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.model import ModelSettings
from tasks.seq2seq.training.snapshot import Snapshot
from tasks.storage.artifacts.checkpoint import Checkpoint
from tasks.storage.artifacts.dataset import DatasetFacts, read_codecs
from tasks.storage.artifacts.keras_models import load_keras_models
from tasks.storage.artifacts.shapes import ProfileFile
from tasks.storage.files.json_files import read_json
from tasks.storage.readers.word_vectors import read_vectors, vectors_digest
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.kinds import BUNDLE, TRAINING
from tasks.storage.store.making import StepInputs

if TYPE_CHECKING:
    import keras

    from tasks.seq2seq.models.encoder_decoder import Models

VECTORS_STREAM = 7  # of random numbers, apart from those that the seed alone gives


class Start(NamedTuple):
    """The model that a training starts from."""

    models: tuple[keras.Model, keras.Model]
    codecs: Codecs


def start_loader(start: str | None, store: Store) -> Callable[[], Start] | None:
    """Loads the model that training starts from; None where it starts from new weights."""
    if start is None:
        return None

    def load() -> Start:
        handle = store.open(BUNDLE, start)
        return Start(load_keras_models(handle, store), read_codecs(handle.path))

    return load


def build_initial_models(
    experiment: Experiment,
    dataset: Path,
    facts: DatasetFacts,
    codecs: Codecs,
    load_start: Callable[[], Start] | None = None,
) -> tuple[Models, dict[str, Coverage]]:
    """The models of an experiment with the weights that training starts from, and what pre-trained vectors cover.

    `load_start` gives the model whose weights are carried over.
    """
    from tasks.seq2seq.models.encoder_decoder import build_models  # noqa: PLC0415 - a cached run never loads it
    from tasks.seq2seq.models.warm_start import carry_over  # noqa: PLC0415 - likewise
    from tasks.seq2seq.training.precision import layers_of  # noqa: PLC0415 - likewise
    from tasks.seq2seq.training.seeding import seeded  # noqa: PLC0415 - likewise

    with seeded(experiment.seed), layers_of(experiment.training.precision):
        models = build_models(facts.architecture(experiment.model, experiment.training.forecast_quantiles))
    coverages = start_embeddings(models.train, experiment, dataset, codecs)
    if load_start:
        start = load_start()
        carry_over(models.train, start.models, start.codecs, codecs)
    keep_vectors(models.train, experiment.model)
    return models, coverages


def start_embeddings(model: keras.Model, experiment: Experiment, dataset: Path, codecs: Codecs) -> dict[str, Coverage]:
    """Fills embeddings with the pre-trained vectors of their symbols, and says how many there are, by side.

    Raises:
        DataError: a file cannot be used, has a vector for no symbol, or changes while it is read.
    """
    coverages = {}
    profile: dict[str, Any] = {**read_json(dataset / "profile.json", ProfileFile)}
    for i, (side, path) in enumerate(experiment.model.vector_files.items()):
        digest, vocabulary = vectors_digest(path), getattr(codecs, side)
        lowercase = getattr(experiment.data, f"{side}_lowercase")
        with progress(f"{side} vectors"):
            found = read_vectors(path, spellings(vocabulary), lowercase=lowercase, say=report)
        if vectors_digest(path) != digest:
            raise DataError(f"model.{side}_vectors: {path} changed while it was read; run again when it is whole")
        counts = profile[side]["id_counts"]
        if experiment.model.share_embeddings:
            counts = np.add(counts, profile["target"]["id_counts"])
        coverages[side] = coverage(vocabulary, found, counts, path.name, f"model.{side}_vectors")
        logger().info("model.%s_vectors: %s", side, coverages[side].message)
        rng = np.random.default_rng([experiment.seed, VECTORS_STREAM, i])
        model.get_layer(table_name(experiment.model, side)).set_weights([embedding_matrix(vocabulary, found, rng)])
    return coverages


def keep_vectors(model: keras.Model, settings: ModelSettings) -> None:
    """Takes embeddings that started from vectors out of what is trained, where that is asked for."""
    for side in () if settings.train_vectors else settings.vector_files:
        model.get_layer(table_name(settings, side)).trainable = False


def table_name(settings: ModelSettings, side: str) -> str:
    """The layer of the training model that holds a side's embeddings."""
    return "shared_features" if settings.share_embeddings else f"{side}_features"


def checkpoint_of(step: StepInputs, store: Store) -> Checkpoint:
    """Where a training leaves what it takes to go on after a kill."""
    return Checkpoint(store.place(TRAINING, f".checkpoint-{step.key}"), step.key)


def read_snapshot(checkpoint: Checkpoint, epochs: int) -> Snapshot | None:
    """The epochs that an ended run of this training has done; a checkpoint that is of no use is told and removed."""
    try:
        snapshot = checkpoint.read()
    except ArtifactError as error:
        logger().warning("Training starts anew: %s", error)
        checkpoint.remove()
        return None
    if snapshot:
        logger().info("Training goes on after epoch %d of %d, where an earlier run ended", snapshot.epochs, epochs)
    return snapshot


@contextlib.contextmanager
def telling_of_an_end(checkpoint: Checkpoint | None) -> Iterator[None]:
    """Says what is left of a training that is stopped; one that has failed would fail again."""
    try:
        yield
    except TrainingError:
        if checkpoint:
            checkpoint.remove()
        raise
    except BaseException:
        if checkpoint and checkpoint.is_there:
            logger().warning(
                "Training was stopped; the same command goes on after the last finished epoch, from %s",
                checkpoint.folder,
            )
        raise
