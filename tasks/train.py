"""The training step: pairs streamed from the dataset, weights and history stored."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from prefect import task
from prefect.context import TaskRunContext

from tasks.initial_weights import (
    Start,
    build_initial_models,
    checkpoint_of,
    read_snapshot,
    start_loader,
    telling_of_an_end,
)
from tasks.runtime.caching import TASK_OPTIONS, finished, make_once, step_inputs, values_of
from tasks.runtime.log import logger
from tasks.runtime.packages import check_tensorboard
from tasks.runtime.progress import Update, progress
from tasks.seq2seq.cpu import cpu_flags
from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.experiment import UNKEYED, Experiment
from tasks.seq2seq.settings.model import ModelSettings
from tasks.seq2seq.settings.training import TrainingSettings
from tasks.seq2seq.settings.where import Where
from tasks.storage.artifacts.checkpoint import Checkpoint
from tasks.storage.artifacts.dataset import DatasetFacts, has_weights, read_codecs, read_split
from tasks.storage.artifacts.keras_models import WEIGHTS, save_weights, weights_digest
from tasks.storage.artifacts.start import find_start
from tasks.storage.files.atomic import remove_tree
from tasks.storage.files.json_files import write_json
from tasks.storage.readers.word_vectors import vectors_digest
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.kinds import TRAINING
from tasks.storage.store.making import Made, StepInputs
from tasks.storage.store.manifest import Handle, short

if TYPE_CHECKING:
    import keras

    from tasks.seq2seq.models.pretrained_embeddings import Coverage
    from tasks.seq2seq.training.callbacks.history import History
    from tasks.seq2seq.training.fit import TrainingPairs

LIBRARIES = ("keras", "numpy", "tensorflow")
# Those parts of a training's history that another making of the same weights would have otherwise.
FIGURES_OF_HISTORY = ("seconds", "sequences_per_s", "sequences_per_s_with_tracing", "resumed_after")
MAX_ONE_HOT = 10_000


@task(name="train model", task_run_name="train {experiment.promotion_name}", **TASK_OPTIONS)
def train_model(experiment: Experiment, dataset: Handle, store: Where, *, refresh: bool = False) -> Handle:
    """Trains the experiment's model on a dataset; its facts are the rates and the last metrics."""
    step = training_inputs(experiment, {"dataset": dataset.digest}, Store(store))
    start = step.made_from.get("start")
    logs = tensorboard_folder(experiment, step)
    checkpoint = checkpoint_of(step, Store(store))
    if refresh and not _is_retried():
        checkpoint.remove()
    handle = make_once(
        step,
        Store(store),
        lambda folder: write_training(experiment, dataset, folder, start_loader(start, Store(store)), logs, checkpoint),
        refresh=refresh,
    )
    checkpoint.remove()  # the artifact is there
    if logs and handle.cached:
        logger().info("training.tensorboard: the training was found, so it writes no logs to %s; --refresh does", logs)
    return finished(handle)


def training_inputs(experiment: Experiment, made: Mapping[str, str], store: Store) -> StepInputs:
    """What the weights depend on: model, training and seed, the dataset, the start, and the content of vectors."""
    start = find_start(experiment, made["dataset"], store)
    return step_inputs(
        TRAINING,
        experiment,
        settings={
            "model": values_of(experiment.model, UNKEYED["model"]),
            "training": values_of(experiment.training, UNKEYED["training"]),
            "seed": experiment.seed,
        },
        made_from={
            "dataset": made["dataset"],
            **({"start": start} if start else {}),
            **{f"{side}_vectors": vectors_digest(path) for side, path in experiment.model.vector_files.items()},
        },
        code=__name__,
        libraries=LIBRARIES,
    )


def _is_retried() -> bool:
    """Whether Prefect runs this task again after a try that failed."""
    context = TaskRunContext.get()
    return bool(context and context.task_run.run_count > 1)


def tensorboard_folder(experiment: Experiment, step: StepInputs) -> Path | None:
    """Where the logs of one training go: nights of one name stand side by side."""
    folder = experiment.training.tensorboard
    return folder and folder / f"{experiment.promotion_name}-{short(step.key)}"


def write_training(
    experiment: Experiment,
    dataset: Handle,
    folder: Path,
    load_start: Callable[[], Start] | None = None,
    logs: Path | None = None,
    checkpoint: Checkpoint | None = None,
) -> Made:
    """Fills `folder` with `model.weights.h5` and `history.json`, and `logs` with TensorBoard's event files.

    `load_start` gives the bundle whose weights training starts from. Training goes on from the checkpoint, if there
    is one, and leaves one after each epoch.
    """
    from tasks.seq2seq.training.fit import fit  # noqa: PLC0415 - a cached run never loads it
    from tasks.seq2seq.training.scheduled_sampling import with_sampling  # noqa: PLC0415 - likewise

    check_tensorboard(experiment)
    snapshot = read_snapshot(checkpoint, experiment.training.epochs) if checkpoint else None
    if logs and not snapshot:
        remove_tree(logs)  # an earlier try at the same training
    facts = dataset.facts_as(DatasetFacts)
    check_one_hot(facts, experiment.model)
    check_validation(facts, experiment.training)
    _set_up(experiment)
    codecs = read_codecs(dataset.path).for_loss(experiment.training.loss)
    models, coverages = build_initial_models(experiment, dataset.path, facts, codecs, load_start)
    with progress("train") as update, telling_of_an_end(checkpoint):
        watch = _FirstSteps(update)
        history = fit(
            with_sampling(models, experiment.training, facts.train_rows, experiment.seed),
            experiment.training,
            codecs,
            _pairs_of(dataset.path, facts),
            seed=experiment.seed,
            progress=watch,
            logs=logs,
            snapshot=snapshot,
            save=checkpoint.write if checkpoint else None,
            say=lambda line: logger().info("%s", line),
        )
    _say_what_ended(history, experiment.training)
    save_weights(models.train, folder)
    return _describe(history, models.train, coverages, watch.at, folder)


def _describe(
    history: History, model: keras.Model, coverages: Mapping[str, Coverage], first_steps_at: float | None, folder: Path
) -> Made:
    """Writes the history into `folder`, and says what was made; `first_steps_at` is in seconds since the epoch."""
    seen = dataclasses.asdict(history)
    figures = {name: seen.pop(name) for name in FIGURES_OF_HISTORY}
    write_json(folder / "history.json", seen)
    return Made(
        {
            "parameters": model.count_params(),
            "best_epoch": history.best_epoch,
            "ended_by": history.ended_by,
            "padding_share": history.padding_share,
            "vectors": {side: found._asdict() for side, found in coverages.items()},
            **history.epochs[history.best_epoch - 1],
        },
        alike={WEIGHTS: weights_digest(model)},
        figures={**figures, "first_steps_at": first_steps_at},
    )


def _set_up(experiment: Experiment) -> None:
    """Tells TensorFlow how to compute, and the user what will be slow."""
    from tasks.seq2seq.models.acceleration import has_gpu, rules_out_cudnn  # noqa: PLC0415 - a cached run loads none
    from tasks.seq2seq.models.threads import set_up_determinism, set_up_threads  # noqa: PLC0415 - likewise
    from tasks.seq2seq.training.precision import gpu_capabilities, why_slow  # noqa: PLC0415 - likewise

    set_up_threads(max(experiment.model.memory_width, experiment.model.decoder_width))
    if experiment.training.deterministic:
        set_up_determinism()
    for reason in rules_out_cudnn(experiment.model, on_gpu=has_gpu()):
        logger().warning("Not all layers run by cuDNN's fast kernels: %s", reason)
    if lacking := why_slow(experiment.training.precision, gpu_capabilities(), cpu_flags()):
        logger().warning("training.precision %s is slow here: it takes %s", experiment.training.precision, lacking)


def _pairs_of(dataset: Path, facts: DatasetFacts) -> TrainingPairs:
    """The splits of a dataset as training reads them."""
    from tasks.seq2seq.training.fit import TrainingPairs  # noqa: PLC0415 - a cached run never loads it
    from tasks.seq2seq.training.unrolling import Lengths  # noqa: PLC0415 - likewise

    return TrainingPairs(
        n_train=facts.train_rows,
        read_train=partial(read_split, dataset, "train"),
        n_validation=facts.validation_rows,
        read_validation=partial(read_split, dataset, "validation"),
        lengths=None if facts.masked else Lengths(facts.source.length, facts.target.length),
        weighted=has_weights(dataset / "train.parquet"),
    )


class _FirstSteps:
    """Passes progress on, and keeps when the first call into the graph was done, in seconds since the epoch."""

    def __init__(self, update: Update) -> None:
        self._update = update
        self.at: float | None = None

    def __call__(self, done: int, total: int, metrics: dict[str, float]) -> None:
        self.at = self.at or time.time()
        self._update(done, total, metrics)


def _say_what_ended(history: History, settings: TrainingSettings) -> None:
    if history.ended_by != "epochs":
        logger().info(
            "training.%s ended training in epoch %d of %d; the weights of epoch %d are kept",
            history.ended_by,
            len(history.epochs),
            settings.epochs,
            history.best_epoch,
        )


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
