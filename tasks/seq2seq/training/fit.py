"""Training: pairs in batches of like lengths, one gradient step a batch, and what was learned on the way."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Pairs
from tasks.seq2seq.cpu import available_cores
from tasks.seq2seq.data.codecs import Codec, Codecs
from tasks.seq2seq.data.collate import training_batch
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.models.losses import PlainValidation, token_loss, vector_loss
from tasks.seq2seq.settings.training import TrainingSettings
from tasks.seq2seq.training.bucketing import batches_of
from tasks.seq2seq.training.callbacks.early_stopping import Best
from tasks.seq2seq.training.callbacks.history import History, Progress, Watch
from tasks.seq2seq.training.callbacks.reduce_lr import Plateau
from tasks.seq2seq.training.callbacks.time_limit import Deadline
from tasks.seq2seq.training.callbacks.weight_averaging import make_average
from tasks.seq2seq.training.checkpoints import Save, Saving, parts_of, restore
from tasks.seq2seq.training.optimizers import make_optimizer
from tasks.seq2seq.training.snapshot import Snapshot
from tasks.seq2seq.training.unrolling import Lengths, unrolled

# Batches run in one call into the graph: Python between them costs a tenth of the time otherwise.
STEPS_PER_CALL = 16
# Below this width a matrix product is too small to share between threads: one thread an operation, and
# operations side by side, trains 1.1 to 1.3 times as fast; above it, the opposite.
SIDE_BY_SIDE_UNITS = 256
MOST_POINTS = 1_000  # of an epoch's curve in TensorBoard
_SHUFFLE_STREAM = 2

Read = Callable[[np.random.Generator | None], Iterable[Pairs]]  # blocks of pairs, shuffled by the generator


def set_up_threads(units: int) -> None:
    """Tells TensorFlow how to share the cores; it obeys once, before its first operation."""
    if units > SIDE_BY_SIDE_UNITS:
        return
    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(available_cores())
    except RuntimeError:  # TensorFlow is at work already, as in a notebook: it keeps its threads
        return


def set_up_determinism() -> None:
    """Tells TensorFlow to choose operations that give the same bits each time; it holds for the whole process."""
    tf.config.experimental.enable_op_determinism()


def fit(
    model: keras.Model,
    settings: TrainingSettings,
    codecs: Codecs,
    *,
    n_train: int,
    read_train: Read,
    n_validation: int,
    read_validation: Read,
    seed: int,
    progress: Progress,
    lengths: Lengths | None = None,
    weighted: bool = False,
    logs: Path | None = None,
    snapshot: Snapshot | None = None,
    save: Save | None = None,
) -> History:
    """Trains `model` in place with teacher forcing; where there is validation, the best epoch's weights stay.

    Args:
        model: `[source, decoder_input] -> output`, as `build_models` makes it.
        settings: all of them but where training starts and where logs go.
        codecs: of source and target.
        n_train: training pairs of an epoch.
        read_train: gives the blocks of an epoch.
        n_validation: pairs to validate on after each epoch; 0 for none.
        read_validation: gives their blocks.
        seed: of the order of pairs.
        progress: called after every call into the graph.
        lengths: of all pairs, those to validate on too; None where they differ.
        weighted: whether the pairs have weights.
        logs: folder for TensorBoard's event files; None for none.
        snapshot: of the same training, from which it goes on.
        save: is given a snapshot after each epoch that another one follows.

    Raises:
        TrainingError: the loss is no longer a number.
    """
    batches = math.ceil(n_train / settings.batch_size)
    done = snapshot.epochs if snapshot else 0
    epochs = itertools.count(done)
    _compile(model, settings, batches, codecs, weighted=weighted)
    watch = Watch(batches, settings, n_train, progress)
    best = Best(settings.patience) if n_validation else None
    plateau = Plateau(settings) if settings.schedule == "reduce_lr_on_plateau" else None
    average = make_average(settings)
    deadline = Deadline(watch, settings.max_seconds) if settings.max_seconds else None
    changing = {"watch": watch, "best": best, "average": average, "plateau": plateau}
    parts = parts_of(model, {name: part for name, part in changing.items() if part})
    if snapshot:
        restore(parts, snapshot)

    def read_epoch() -> Iterator[Pairs]:
        rng = np.random.default_rng([seed, _SHUFFLE_STREAM, next(epochs)])
        return batches_of(read_train(rng), settings.batch_size, rng, watch.padding)

    def read_held_out() -> Iterator[Pairs]:
        return batches_of(read_validation(None), settings.batch_size, None)

    plain = PlainValidation(model.loss) if settings.label_smoothing else None
    event_files = _event_files(logs, batches) if logs else None
    saving = Saving(parts, settings.epochs, save) if save else None
    specs = _specs(codecs, lengths)
    with unrolled(model, lengths):
        model.fit(
            _dataset(read_epoch, batches, codecs, specs),
            epochs=settings.epochs,
            initial_epoch=done,
            validation_data=(
                _dataset(read_held_out, math.ceil(n_validation / settings.batch_size), codecs, specs)
                if n_validation
                else None
            ),
            callbacks=[one for one in (watch, plain, best, average, plateau, deadline, event_files, saving) if one],
            verbose=0,
            shuffle=False,  # the batches are
        )
    history = watch.finish()
    if best:
        history.best_epoch = best.epoch
    if best and best.has_ended:
        history.ended_by = "patience"
    elif deadline and deadline.has_passed and history.curve[-1]["pairs"] < settings.epochs * n_train:
        history.ended_by = "max_seconds"
    return history


def _compile(
    model: keras.Model, settings: TrainingSettings, batches: int, codecs: Codecs, *, weighted: bool = False
) -> None:
    if isinstance(codecs.target, Scaling):
        loss = vector_loss(settings, weighted=weighted)
        metric = keras.metrics.MeanAbsoluteError(name="mae")
    else:
        loss = token_loss(settings, weighted=weighted)
        metric = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    model.compile(
        jit_compile=False,  # slower on a CPU
        optimizer=make_optimizer(settings, batches * settings.epochs),
        loss=loss,
        weighted_metrics=[metric],
        steps_per_execution=min(STEPS_PER_CALL, batches),
    )


def _event_files(folder: Path, batches: int) -> keras.callbacks.Callback:
    """Losses and metrics for TensorBoard: of the epochs, and of the calls into the graph between them."""
    every = math.ceil(batches / STEPS_PER_CALL / MOST_POINTS)
    return keras.callbacks.TensorBoard(folder, write_graph=False, update_freq=every)


def _dataset(
    read: Callable[[], Iterator[Pairs]], n_batches: int, codecs: Codecs, specs: tuple[tf.TensorSpec, ...]
) -> tf.data.Dataset:
    """Batches for Keras, read anew in each epoch.

    `Dataset.from_generator` does the same and costs a fifth of the training rate.
    """
    nothing = tuple(np.zeros([size or 0 for size in spec.shape], spec.dtype.as_numpy_dtype) for spec in specs)
    batches: Iterator[Pairs] = iter(())

    def next_batch(index: np.int64) -> tuple[NDArray[Any], ...]:
        nonlocal batches
        if index == 0:
            batches = read()
        pairs = next(batches, None)
        return training_batch(pairs, codecs) if pairs else nothing

    def load(index: tf.Tensor) -> tuple[tf.Tensor, ...]:
        arrays = tf.numpy_function(next_batch, [index], [spec.dtype for spec in specs])
        return tuple(tf.ensure_shape(array, spec.shape) for array, spec in zip(arrays, specs, strict=True))

    options = tf.data.Options()
    options.autotune.enabled = False  # nothing to tune, and its thread holds up the end of training
    return (
        tf.data.Dataset.counter()
        .map(load)
        .take_while(lambda source, *_: tf.shape(source)[0] > 0)
        .map(lambda source, decoder_input, target, weights: ((source, decoder_input), target, weights))
        .prefetch(STEPS_PER_CALL)
        .apply(tf.data.experimental.assert_cardinality(n_batches))
        .with_options(options)
    )


def _specs(codecs: Codecs, lengths: Lengths | None) -> tuple[tf.TensorSpec, ...]:
    """Shapes and types of a `Batch`."""
    n_in, n_out = lengths or (None, None)

    def spec(steps: int | None, codec: Codec, marked: int = 0) -> tf.TensorSpec:
        if isinstance(codec, Scaling):
            return tf.TensorSpec((None, steps, codec.features + marked), tf.float32)
        return tf.TensorSpec((None, steps), tf.int32)

    target = spec(n_out, codecs.target)
    return spec(n_in, codecs.source, marked=1), target, target, tf.TensorSpec((None, n_out), tf.float32)
