"""The training step: pairs streamed from the dataset, weights and history stored."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from prefect import task
from prefect.context import TaskRunContext

from tasks.caching import MODEL_CODE, TASK_OPTIONS, finished, logger, make_once, recipe
from tasks.progress import progress, report
from tasks.seq2seq.cores import cpu_flags
from tasks.seq2seq.errors import ArtifactError, DataError, SettingsError, TrainingError
from tasks.seq2seq.feeding import Codecs
from tasks.seq2seq.model_settings import ModelSettings
from tasks.seq2seq.pretrained import Coverage, coverage, embedding_matrix, spellings
from tasks.seq2seq.settings import UNKEYED, Experiment
from tasks.seq2seq.snapshot import Snapshot
from tasks.seq2seq.training_settings import TrainingSettings
from tasks.storage.atomic import check_folder, read_json, remove_tree, write_json
from tasks.storage.bundles import KIND as BUNDLE
from tasks.storage.bundles import Bundle, load_bundle, read_experiment, save_weights, weights_digest
from tasks.storage.checkpoints import Checkpoint
from tasks.storage.datasets import DatasetFacts, has_weights, read_codecs, read_pairs
from tasks.storage.manifest import Handle, Manifest
from tasks.storage.promotions import read_promotions
from tasks.storage.store import DIGEST_CHARACTERS, Made, Recipe, Store
from tasks.storage.word_vectors import read_vectors, vectors_digest

if TYPE_CHECKING:
    import keras

KIND = "training"
LIBRARIES = ("keras", "numpy", "tensorflow")
MAX_ONE_HOT = 10_000
VECTORS_STREAM = 7  # of random numbers, apart from those that the seed alone gives


@task(name="train model", task_run_name="train {experiment.promotion_name}", **TASK_OPTIONS)
def train_model(experiment: Experiment, dataset: Handle, store: Path, *, refresh: bool = False) -> Handle:
    """Trains the experiment's model on a dataset; its facts are the rates and the last metrics."""
    start = find_start(experiment, dataset.digest, Store(store))
    step = training_recipe(experiment, dataset.digest, start)
    logs = tensorboard_folder(experiment, step)
    checkpoint = checkpoint_of(step, Store(store))
    if refresh and not _is_retried():
        checkpoint.remove()
    handle = make_once(
        step,
        Store(store),
        lambda folder: write_training(experiment, dataset, folder, _loader(start, Store(store)), logs, checkpoint),
        refresh=refresh,
    )
    checkpoint.remove()  # the artifact is there
    if logs and handle.cached:
        logger().info("training.tensorboard: the training was found, so it writes no logs to %s; --refresh does", logs)
    return finished(handle)


def check_start(experiment: Experiment, store: Store) -> None:
    """Refuses to start from a promoted model that cannot be started from, before any work starts.

    Raises:
        Seq2SeqError: with what to do.
    """
    find_start(experiment, "", store)


def find_start(experiment: Experiment, dataset_digest: str, store: Store) -> str | None:
    """The digest of the bundle whose weights training starts from; None for new weights.

    Raises:
        SettingsError: the promoted model is of another architecture.
        ArtifactError: it is missing or altered.
    """
    promoted = read_promotions(store, experiment.promotion_name).promoted
    if experiment.training.start == "scratch" or promoted is None:
        return None
    bundle = store.open(BUNDLE, promoted)
    now, before = (one.model.model_dump(mode="json") for one in (experiment, read_experiment(bundle)))
    changed = [
        f"model.{name} is {value!r}, of the promoted model {before[name]!r}"
        for name, value in now.items()
        if _differs(name, value, before[name])
    ]
    if changed:
        raise SettingsError(
            f'training.start is "promoted", but the model that is promoted as {experiment.promotion_name!r} is of '
            f'another architecture: {"; ".join(changed)}; make them the same, or set training.start to "scratch"'
        )
    made_from = Manifest.read(bundle.path).made_from
    if made_from.get("dataset") != dataset_digest:
        return promoted
    # It was trained on this very dataset: what it started from is the start again, so that nothing is made twice.
    try:
        return Manifest.read(store.folder(KIND, made_from["training"])).made_from.get("start")
    except (ArtifactError, KeyError):
        return promoted


def _differs(name: str, now: Any, before: Any) -> bool:  # noqa: ANN401 - values of settings
    """Of vectors only whether there are any: symbols that the promoted model knows keep their weights."""
    return (now is None) != (before is None) if name in UNKEYED["model"] else bool(now != before)


def _loader(start: str | None, store: Store) -> Callable[[], Bundle] | None:
    return (lambda: load_bundle(store.open(BUNDLE, start), store)) if start else None


def training_recipe(experiment: Experiment, dataset_digest: str, start: str | None = None) -> Recipe:
    """What the weights depend on: model, training and seed, the dataset, the start, and the content of vectors."""
    return recipe(
        KIND,
        experiment,
        settings={
            "model": experiment.model.model_dump(mode="json", exclude=UNKEYED["model"]),
            "training": experiment.training.model_dump(mode="json", exclude=UNKEYED["training"]),
            "seed": experiment.seed,
        },
        made_from={
            "dataset": dataset_digest,
            **({"start": start} if start else {}),
            **{f"{side}_vectors": vectors_digest(path) for side, path in experiment.model.vector_files.items()},
        },
        code=MODEL_CODE,
        libraries=LIBRARIES,
    )


def check_tensorboard(experiment: Experiment) -> None:
    """Refuses to write logs for TensorBoard where they cannot be written, before any work starts.

    Raises:
        SettingsError: the package is missing, or the folder cannot be one.
    """
    folder = experiment.training.tensorboard
    if folder is None:
        return
    if importlib.util.find_spec("tensorboard") is None:
        raise SettingsError(
            f"training.tensorboard is {folder}, but the package tensorboard is not installed; install it with: "
            f'python -m pip install "tensorboard>=2.20", or leave the setting out'
        )
    check_folder(folder, "training.tensorboard")


def checkpoint_of(step: Recipe, store: Store) -> Checkpoint:
    """Where a training leaves what it takes to go on after a kill."""
    return Checkpoint(store.root / KIND / f".checkpoint-{step.key[:DIGEST_CHARACTERS]}", step.key)


def _is_retried() -> bool:
    """Whether Prefect runs this task again after a try that failed."""
    context = TaskRunContext.get()
    return bool(context and context.task_run.run_count > 1)


def tensorboard_folder(experiment: Experiment, step: Recipe) -> Path | None:
    """Where the logs of one training go: nights of one name stand side by side."""
    folder = experiment.training.tensorboard
    return folder and folder / f"{experiment.promotion_name}-{step.key[:16]}"


def write_training(
    experiment: Experiment,
    dataset: Handle,
    folder: Path,
    load_start: Callable[[], Bundle] | None = None,
    logs: Path | None = None,
    checkpoint: Checkpoint | None = None,
) -> Made:
    """Fills `folder` with `model.weights.h5` and `history.json`, and `logs` with TensorBoard's event files.

    `load_start` gives the bundle whose weights training starts from. Training goes on from the checkpoint, if there
    is one, and leaves one after each epoch.
    """
    import keras  # noqa: PLC0415 - a cached run never loads it

    from tasks.seq2seq.acceleration import has_gpu, rules_out_cudnn  # noqa: PLC0415 - likewise
    from tasks.seq2seq.models import build_models  # noqa: PLC0415 - likewise
    from tasks.seq2seq.precision import gpu_capabilities, layers_of, why_slow  # noqa: PLC0415 - likewise
    from tasks.seq2seq.scheduled_sampling import with_sampling  # noqa: PLC0415 - likewise
    from tasks.seq2seq.training import fit, set_up_determinism, set_up_threads  # noqa: PLC0415 - likewise
    from tasks.seq2seq.warm_start import carry_over  # noqa: PLC0415 - likewise

    check_tensorboard(experiment)
    snapshot = _snapshot(checkpoint, experiment.training.epochs) if checkpoint else None
    if logs and not snapshot:
        remove_tree(logs)  # an earlier try at the same training
    facts = DatasetFacts.model_validate(dataset.facts)
    set_up_threads(max(experiment.model.memory_width, experiment.model.decoder_width))
    keras.utils.set_random_seed(experiment.seed)
    check_one_hot(facts, experiment.model)
    check_validation(facts, experiment.training)
    if experiment.training.deterministic:
        set_up_determinism()
    for reason in rules_out_cudnn(experiment.model, on_gpu=has_gpu()):
        logger().warning("Not all layers run by cuDNN's fast kernels: %s", reason)
    if lacking := why_slow(experiment.training.precision, gpu_capabilities(), cpu_flags()):
        logger().warning("training.precision %s is slow here: it takes %s", experiment.training.precision, lacking)
    with layers_of(experiment.training.precision):
        models = build_models(facts.architecture(experiment.model))
    model = models.train
    codecs = read_codecs(dataset.path).for_loss(experiment.training.loss)
    coverages = start_embeddings(model, experiment, dataset.path, codecs)
    if load_start:
        start = load_start()
        carry_over(model, (start.encoder, start.decoder), start.codecs, codecs)
    keep_vectors(model, experiment.model)
    first_at: list[float] = []

    def watch(done: int, total: int, metrics: dict[str, float]) -> None:
        first_at[:] = first_at or [time.time()]
        update(done, total, metrics)

    with progress("train") as update, _telling_of_an_end(checkpoint):
        history = fit(
            with_sampling(models, experiment.training, facts.train_rows, experiment.seed),
            experiment.training,
            codecs,
            n_train=facts.train_rows,
            read_train=partial(read_pairs, dataset.path / "train.parquet"),
            n_validation=facts.validation_rows,
            read_validation=partial(read_pairs, dataset.path / "validation.parquet"),
            seed=experiment.seed,
            progress=watch,
            weighted=has_weights(dataset.path / "train.parquet"),
            logs=logs,
            snapshot=snapshot,
            save=checkpoint.write if checkpoint else None,
        )
    if history.ended_by != "epochs":
        logger().info(
            "training.%s ended training in epoch %d of %d; the weights of epoch %d are kept",
            history.ended_by,
            len(history.epochs),
            experiment.training.epochs,
            history.best_epoch,
        )
    save_weights(model, folder)
    write_json(folder / "history.json", dataclasses.asdict(history))
    return Made(
        {
            "parameters": model.count_params(),
            "sequences_per_s": history.sequences_per_s,
            "sequences_per_s_with_tracing": history.sequences_per_s_with_tracing,
            "best_epoch": history.best_epoch,
            "ended_by": history.ended_by,
            "padding_share": history.padding_share,
            "first_steps_at": first_at[0],  # seconds since the epoch
            "vectors": {side: found._asdict() for side, found in coverages.items()},
            **history.epochs[history.best_epoch - 1],
        },
        identity=weights_digest(model),
    )


def _snapshot(checkpoint: Checkpoint, epochs: int) -> Snapshot | None:
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
def _telling_of_an_end(checkpoint: Checkpoint | None) -> Iterator[None]:
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


def check_validation(facts: DatasetFacts, settings: TrainingSettings) -> None:
    """Refuses what watches the validation loss where the split came out empty.

    Raises:
        SettingsError: with what to set.
    """
    watching = {
        'training.schedule is "reduce_lr_on_plateau"': settings.schedule == "reduce_lr_on_plateau",
        f"training.patience is {settings.patience}": settings.patience is not None,
    }
    for setting, is_set in watching.items():
        if is_set and not facts.validation_rows:
            raise SettingsError(
                f"{setting}, but of {facts.train_rows} pairs none came into the validation split; raise "
                f"data.validation_fraction, or leave the setting out"
            )


def start_embeddings(model: keras.Model, experiment: Experiment, dataset: Path, codecs: Codecs) -> dict[str, Coverage]:
    """Fills embeddings with the pre-trained vectors of their symbols, and says how many there are, by side.

    Raises:
        DataError: a file cannot be used, has a vector for no symbol, or changes while it is read.
    """
    coverages = {}
    profile = read_json(dataset / "profile.json")
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
        logger().info("model.%s_vectors: %s", side, coverages[side].said)
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


def check_one_hot(facts: DatasetFacts, settings: ModelSettings) -> None:
    """Refuses one-hot vectors as wide as a large vocabulary.

    Raises:
        SettingsError: with what to set.
    """
    for side in ("source", "target"):
        vocabulary, (name, width) = getattr(facts, side).vocabulary, settings.embedding_of(side)
        if width == 0 and vocabulary > MAX_ONE_HOT:
            raise SettingsError(
                f"{name} is 0, which feeds one-hot vectors, and the {side} vocabulary has {vocabulary} ids: "
                f"their matrix would take {4 * vocabulary**2 / 1e9:.1f} GB; set {name} (64, say), or "
                f"data.max_vocabulary"
            )
