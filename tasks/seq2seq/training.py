"""Training: pairs in batches of like lengths, one gradient step a batch, and what was learned on the way."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tasks.seq2seq.batching import Padding, batches_of
from tasks.seq2seq.cores import available_cores
from tasks.seq2seq.errors import TrainingError
from tasks.seq2seq.feeding import Codecs, training_batch
from tasks.seq2seq.scaling import Scaling
from tasks.seq2seq.sequences import Pairs
from tasks.seq2seq.settings import TrainingSettings

# Batches run in one call into the graph: Python between them costs a tenth of the time otherwise.
STEPS_PER_CALL = 16
# Below this width a matrix product is too small to share between threads: one thread an operation, and
# operations side by side, trains 1.1 to 1.3 times as fast; above it, the opposite.
SIDE_BY_SIDE_UNITS = 256
MOST_POINTS = 1_000  # of an epoch's curve in TensorBoard
_SHUFFLE_STREAM = 2

Progress = Callable[[int, int, dict[str, float]], None]  # batches done, batches in all, metrics
Read = Callable[[np.random.Generator | None], Iterable[Pairs]]  # blocks of pairs, shuffled by the generator


@dataclass
class History:
    """What training saw; losses and metrics are means over batches of means over time steps.

    Losses are in nats for tokens; accuracies are teacher-forced.

    `curve` holds a point for every call into the graph: pairs seen, and the mean loss and metric since the
    point before. `epochs` holds the same of each epoch, and of the validation split. `metric` is `accuracy`
    for tokens, in [0, 1], and `mae` for vectors, in standard deviations. `best_epoch` counts from 1: the
    weights that were kept. `padding_share` is the padding among all time steps of training batches.
    """

    metric: str
    curve: list[dict[str, float]] = field(default_factory=list)
    epochs: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    padding_share: float = 0.0
    seconds: float = 0.0
    sequences_per_s: float | None = None  # without the first call, which traces; None where it is the only
    sequences_per_s_with_tracing: float = 0.0


def set_up_threads(units: int) -> None:
    """Tells TensorFlow how to share the cores; it obeys once, before its first operation."""
    if units > SIDE_BY_SIDE_UNITS:
        return
    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(available_cores())
    except RuntimeError:  # TensorFlow is at work already, as in a notebook: it keeps its threads
        return


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
    weighted: bool = False,
    logs: Path | None = None,
) -> History:
    """Trains `model` in place with teacher forcing; where there is validation, the best epoch's weights stay.

    Args:
        model: `[source, decoder_input] -> output`, as `build_models` makes it.
        settings: epochs, batch size, optimizer, learning rate, loss, patience.
        codecs: of source and target.
        n_train: training pairs of an epoch.
        read_train: gives the blocks of an epoch.
        n_validation: pairs to validate on after each epoch; 0 for none.
        read_validation: gives their blocks.
        seed: of the order of pairs.
        progress: called after every call into the graph.
        weighted: whether the pairs have weights.
        logs: folder for TensorBoard's event files; None for none.

    Raises:
        TrainingError: the loss is no longer a number.
    """
    batches = math.ceil(n_train / settings.batch_size)
    padding, epochs = Padding(), itertools.count()
    _compile(model, settings, batches, codecs, weighted=weighted)
    watch = _Watch(batches, settings, n_train, progress)
    best = keras.callbacks.EarlyStopping(
        monitor="val_loss", mode="min", patience=settings.patience or settings.epochs, restore_best_weights=True
    )

    def read_epoch() -> Iterator[Pairs]:
        rng = np.random.default_rng([seed, _SHUFFLE_STREAM, next(epochs)])
        return batches_of(read_train(rng), settings.batch_size, rng, padding)

    def read_held_out() -> Iterator[Pairs]:
        return batches_of(read_validation(None), settings.batch_size, None)

    model.fit(
        _dataset(read_epoch, batches, codecs),
        epochs=settings.epochs,
        validation_data=(
            _dataset(read_held_out, math.ceil(n_validation / settings.batch_size), codecs) if n_validation else None
        ),
        callbacks=[watch, *([best] if n_validation else []), *([_event_files(logs, batches)] if logs else [])],
        verbose=0,
        shuffle=False,  # the batches are
    )
    history = watch.finish()
    history.padding_share = padding.share
    history.best_epoch = best.best_epoch + 1 if n_validation else len(history.epochs)
    return history


def _compile(
    model: keras.Model, settings: TrainingSettings, batches: int, codecs: Codecs, *, weighted: bool = False
) -> None:
    optimizer = keras.optimizers.get(settings.optimizer)
    optimizer.learning_rate = settings.learning_rate
    # Over the steps that are there: a mean over padding too would say that long batches are easy.
    # Weights of pairs are divided by the steps already.
    mean = "sum" if weighted else "mean_with_sample_weight"
    if isinstance(codecs.target, Scaling):
        # Of the class: a loss that Keras finds by its function's name takes no reduction.
        name = (settings.loss or "mean_squared_error").title().replace("_", "")
        loss = keras.losses.get({"class_name": name, "config": {"reduction": mean}})
        metric = keras.metrics.MeanAbsoluteError(name="mae")
    else:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=mean)
        metric = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    model.compile(
        jit_compile=False,  # slower on a CPU
        optimizer=optimizer,
        loss=loss,
        weighted_metrics=[metric],
        steps_per_execution=min(STEPS_PER_CALL, batches),
    )


def _event_files(folder: Path, batches: int) -> keras.callbacks.Callback:
    """Losses and metrics for TensorBoard: of the epochs, and of the calls into the graph between them."""
    every = math.ceil(batches / STEPS_PER_CALL / MOST_POINTS)
    return keras.callbacks.TensorBoard(folder, write_graph=False, update_freq=every)


def _dataset(read: Callable[[], Iterator[Pairs]], n_batches: int, codecs: Codecs) -> tf.data.Dataset:
    """Batches for Keras, read anew in each epoch.

    `Dataset.from_generator` does the same and costs a fifth of the training rate.
    """
    kinds = _specs(codecs)
    nothing = tuple(np.zeros([size or 0 for size in spec.shape], spec.dtype.as_numpy_dtype) for spec in kinds)
    batches: Iterator[Pairs] = iter(())

    def next_batch(index: np.int64) -> tuple[NDArray[Any], ...]:
        nonlocal batches
        if index == 0:
            batches = read()
        pairs = next(batches, None)
        return training_batch(pairs, codecs) if pairs else nothing

    def load(index: tf.Tensor) -> tuple[tf.Tensor, ...]:
        arrays = tf.numpy_function(next_batch, [index], [spec.dtype for spec in kinds])
        return tuple(tf.ensure_shape(array, spec.shape) for array, spec in zip(arrays, kinds, strict=True))

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


def _specs(codecs: Codecs) -> tuple[tf.TensorSpec, ...]:
    """Shapes and types of a `Batch`."""
    tokens = tf.TensorSpec((None, None), tf.int32)
    vectors = partial(tf.TensorSpec, dtype=tf.float32)
    source = vectors((None, None, codecs.source.features + 1)) if isinstance(codecs.source, Scaling) else tokens
    target = vectors((None, None, codecs.target.features)) if isinstance(codecs.target, Scaling) else tokens
    return source, target, target, vectors((None, None))


class _Watch(keras.callbacks.Callback):
    """Keeps the curve and the rate, reports progress, and ends a training that has failed."""

    def __init__(self, batches: int, settings: TrainingSettings, n_train: int, progress: Progress) -> None:
        super().__init__()
        self._batches, self._settings, self._n_train, self._progress = batches, settings, n_train, progress
        self._history = History("")
        self._began = time.perf_counter()
        self._traced: tuple[float, int] | None = None  # when the first call ended, and pairs seen by then
        self._epoch = 0
        self._seen = 0
        self._validating = 0.0
        self._sums: dict[str, float] = {}

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ANN401, ARG002
        self._epoch, self._sums = epoch, {}

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ANN401
        metrics = {name: float(value) for name, value in logs.items()}
        self.model.reset_metrics()  # so that they are of one call each
        done = min(batch + 1, self._batches)  # the last call counts as a full one
        if not math.isfinite(metrics["loss"]):
            raise TrainingError(
                f"the loss is {metrics['loss']} after batch {done} of epoch {self._epoch + 1}, expected a "
                f"number; lower training.learning_rate (it is {self._settings.learning_rate:g})"
            )
        seen = self._epoch * self._n_train + min(done * self._settings.batch_size, self._n_train)
        for name, value in metrics.items():
            self._sums[name] = self._sums.get(name, 0.0) + value * (seen - self._seen)
        self._seen = seen
        self._history.curve.append({"pairs": seen, **metrics})
        if self._traced is None:
            self._traced = (time.perf_counter(), seen)
        self._progress(self._epoch * self._batches + done, self._settings.epochs * self._batches, metrics)

    def on_test_begin(self, logs: Any = None) -> None:  # noqa: ANN401, ARG002
        self._validating -= time.perf_counter()

    def on_test_end(self, logs: Any = None) -> None:  # noqa: ANN401, ARG002
        self._validating += time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ANN401, ARG002
        validation = {name: float(value) for name, value in logs.items() if name.startswith("val_")}
        means = {name: sum_ / self._n_train for name, sum_ in self._sums.items()}
        self._history.epochs.append({**means, **validation})
        logs.update(means)  # for the callbacks after this one: Keras' own are those of the last call

    def finish(self) -> History:
        now, history = time.perf_counter(), self._history
        history.metric = next(name for name in history.epochs[0] if name in ("accuracy", "mae"))
        history.seconds = now - self._began
        history.sequences_per_s_with_tracing = self._seen / (history.seconds - self._validating)
        if self._traced and self._seen > self._traced[1]:
            elapsed = now - self._traced[0] - self._validating
            history.sequences_per_s = (self._seen - self._traced[1]) / elapsed
        return history
