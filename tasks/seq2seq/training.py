"""Training: pairs in blocks, one gradient step a batch, and what was learned on the way."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tasks.seq2seq.cores import available_cores
from tasks.seq2seq.errors import TrainingError
from tasks.seq2seq.problems import Ids
from tasks.seq2seq.sampling import Pairs
from tasks.seq2seq.settings import TrainingSettings
from tasks.seq2seq.vocabulary import shift_right

# Batches run in one call into the graph: Python between them costs a tenth of the time otherwise.
STEPS_PER_CALL = 16
# Below this width a matrix product is too small to share between threads: one thread an operation, and
# operations side by side, trains 1.1 to 1.3 times as fast; above it, the opposite.
SIDE_BY_SIDE_UNITS = 256

Progress = Callable[[int, int, dict[str, float]], None]  # batches done, batches in all, metrics


@dataclass
class History:
    """What training saw; losses in nats a token, accuracies teacher-forced, in [0, 1].

    `curve` holds a point for every call into the graph: pairs seen, and the mean loss and accuracy
    since the point before. `epochs` holds Keras' own metrics of each epoch.
    """

    curve: list[dict[str, float]] = field(default_factory=list)
    epochs: list[dict[str, float]] = field(default_factory=list)
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
    *,
    n_train: int,
    read_train: Callable[[int], Iterable[Pairs]],
    n_validation: int,
    read_validation: Callable[[], Iterable[Pairs]],
    start: int,
    progress: Progress,
) -> History:
    """Trains `model` in place with teacher forcing.

    Args:
        model: `[source, decoder_input] -> logits`, as `build_models` makes it.
        settings: epochs, batch size, optimizer, learning rate.
        n_train: training pairs of an epoch.
        read_train: gives the blocks of epoch 0, 1, ..., shuffled.
        n_validation: pairs to validate on after each epoch; 0 for none.
        read_validation: gives their blocks.
        start: the target's start id.
        progress: called after every call into the graph.

    Raises:
        TrainingError: the loss is no longer a number.
    """
    batches = math.ceil(n_train / settings.batch_size)
    optimizer = keras.optimizers.get(settings.optimizer)
    optimizer.learning_rate = settings.learning_rate
    model.compile(
        jit_compile=False,  # slower on a CPU
        optimizer=optimizer,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=min(STEPS_PER_CALL, batches),
    )
    epochs = itertools.count()
    watch = _Watch(batches, settings, n_train, progress)
    model.fit(
        _dataset(lambda: read_train(next(epochs)), n_train, settings.batch_size, start),
        epochs=settings.epochs,
        validation_data=_dataset(read_validation, n_validation, settings.batch_size, start) if n_validation else None,
        callbacks=[watch],
        verbose=0,
        shuffle=False,  # read_train has
    )
    return watch.finish()


def whole_batches(blocks: Iterable[Pairs], batch_size: int) -> Iterator[Pairs]:
    """The same pairs in the same order, in blocks that hold whole batches, the last one excepted."""
    rest: list[Pairs] = []
    for block in blocks:
        rest.append(block)
        joined = Pairs(np.concatenate([part.source for part in rest]), np.concatenate([part.target for part in rest]))
        whole = len(joined) - len(joined) % batch_size
        if whole:
            yield Pairs(joined.source[:whole], joined.target[:whole])
        rest = [Pairs(joined.source[whole:], joined.target[whole:])]
    if rest and len(rest[0]):
        yield rest[0]


def _dataset(read: Callable[[], Iterable[Pairs]], n_pairs: int, batch_size: int, start: int) -> tf.data.Dataset:
    """Blocks become batches inside TensorFlow: Python runs once a block, and reads anew in each epoch.

    `Dataset.from_generator` does the same and costs a fifth of the training rate.
    """
    nothing = np.empty((0, 0), np.int32)
    blocks: Iterator[Pairs] = iter(())

    def next_block(index: np.int64) -> tuple[Ids, Ids, Ids]:
        nonlocal blocks
        if index == 0:
            blocks = whole_batches(read(), batch_size)
        block = next(blocks, Pairs(nothing, nothing))
        decoder_input = shift_right(block.target, start) if len(block) else nothing
        return block.source, decoder_input, block.target

    def load(index: tf.Tensor) -> tuple[tf.Tensor, ...]:
        arrays = tf.numpy_function(next_block, [index], [tf.int32] * 3)
        return tuple(tf.ensure_shape(ids, (None, None)) for ids in arrays)

    options = tf.data.Options()
    options.autotune.enabled = False  # nothing to tune, and its thread holds up the end of training
    return (
        tf.data.Dataset.counter()
        .map(load)
        .take_while(lambda source, *_: tf.shape(source)[0] > 0)
        .flat_map(lambda *block: tf.data.Dataset.from_tensor_slices(block).batch(batch_size))
        .map(lambda source, decoder_input, target: ((source, decoder_input), target))
        .prefetch(STEPS_PER_CALL)
        .apply(tf.data.experimental.assert_cardinality(math.ceil(n_pairs / batch_size)))
        .with_options(options)
    )


class _Watch(keras.callbacks.Callback):
    """Keeps the curve and the rate, reports progress, and ends a training that has failed."""

    def __init__(self, batches: int, settings: TrainingSettings, n_train: int, progress: Progress) -> None:
        super().__init__()
        self._batches, self._settings, self._n_train, self._progress = batches, settings, n_train, progress
        self._history = History()
        self._began = time.perf_counter()
        self._traced: tuple[float, int] | None = None  # when the first call ended, and pairs seen by then
        self._epoch = 0
        self._seen = 0
        self._validating = 0.0
        self._last = (0, {"loss": 0.0, "accuracy": 0.0})

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ANN401, ARG002
        self._epoch, self._last = epoch, (0, {"loss": 0.0, "accuracy": 0.0})

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ANN401
        metrics = {name: float(logs[name]) for name in ("loss", "accuracy")}
        done = min(batch + 1, self._batches)  # the last call counts as a full one
        if not math.isfinite(metrics["loss"]):
            raise TrainingError(
                f"the loss is {metrics['loss']} after batch {done} of epoch {self._epoch + 1}, expected a "
                f"number; lower training.learning_rate (it is {self._settings.learning_rate:g})"
            )
        pairs = min(done * self._settings.batch_size, self._n_train)
        self._seen = self._epoch * self._n_train + pairs
        before, then = self._last
        point = {name: (metrics[name] * pairs - then[name] * before) / (pairs - before) for name in metrics}
        self._history.curve.append({"pairs": self._seen, **point})
        self._last = (pairs, metrics)
        if self._traced is None:
            self._traced = (time.perf_counter(), self._seen)
        self._progress(self._epoch * self._batches + done, self._settings.epochs * self._batches, metrics)

    def on_test_begin(self, logs: Any = None) -> None:  # noqa: ANN401, ARG002
        self._validating -= time.perf_counter()

    def on_test_end(self, logs: Any = None) -> None:  # noqa: ANN401, ARG002
        self._validating += time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ANN401, ARG002
        self._history.epochs.append({name: float(value) for name, value in logs.items()})

    def finish(self) -> History:
        now, history = time.perf_counter(), self._history
        history.seconds = now - self._began
        history.sequences_per_s_with_tracing = self._seen / (history.seconds - self._validating)
        if self._traced and self._seen > self._traced[1]:
            elapsed = now - self._traced[0] - self._validating
            history.sequences_per_s = (self._seen - self._traced[1]) / elapsed
        return history
