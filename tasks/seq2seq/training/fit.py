"""Training: pairs in batches of like lengths, one gradient step a batch, and what was learned on the way."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tasks.seq2seq.arrays.sequences import Pairs
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.models.losses import PlainValidation, token_loss, vector_loss, vector_metric
from tasks.seq2seq.settings.training import TrainingSettings
from tasks.seq2seq.training.bucketing import batches_of
from tasks.seq2seq.training.callbacks.early_stopping import Best
from tasks.seq2seq.training.callbacks.epoch_lines import EpochLines, Say
from tasks.seq2seq.training.callbacks.history import History, Progress, Watch
from tasks.seq2seq.training.callbacks.reduce_lr import Plateau
from tasks.seq2seq.training.callbacks.time_limit import Deadline
from tasks.seq2seq.training.callbacks.weight_averaging import Average, make_average
from tasks.seq2seq.training.checkpoints import Part, Save, Saving, parts_of, restore
from tasks.seq2seq.training.input_pipeline import STEPS_PER_CALL, batch_specs, make_dataset
from tasks.seq2seq.training.optimizers import make_optimizer
from tasks.seq2seq.training.snapshot import Snapshot
from tasks.seq2seq.training.unrolling import Lengths, unrolled

MOST_POINTS = 1_000  # of an epoch's curve in TensorBoard
_SHUFFLE_STREAM = 2

Read = Callable[[np.random.Generator | None], Iterable[Pairs]]  # blocks of pairs, shuffled by the generator


@dataclass(frozen=True)
class TrainingPairs:
    """What a model is trained and validated on.

    n_train: training pairs of an epoch.
    read_train: gives the blocks of an epoch.
    n_validation: pairs to validate on after each epoch; 0 for none.
    read_validation: gives their blocks.
    lengths: of all pairs, those to validate on too; None where they differ.
    weighted: whether the pairs have weights.
    """

    n_train: int
    read_train: Read
    n_validation: int
    read_validation: Read
    lengths: Lengths | None = None
    weighted: bool = False


def fit(
    model: keras.Model,
    settings: TrainingSettings,
    codecs: Codecs,
    pairs: TrainingPairs,
    *,
    seed: int,
    progress: Progress,
    logs: Path | None = None,
    snapshot: Snapshot | None = None,
    save: Save | None = None,
    say: Say | None = None,
) -> History:
    """Trains `model` in place with teacher forcing; where there is validation, the best epoch's weights stay.

    Args:
        model: `[source, decoder_input] -> output`, as `build_models` makes it.
        settings: all of them but where training starts and where logs go.
        codecs: of source and target.
        pairs: what to train and to validate on.
        seed: of the order of pairs.
        progress: called after every call into the graph.
        logs: folder for TensorBoard's event files; None for none.
        snapshot: of the same training, from which it goes on.
        save: is given a snapshot after each epoch that another one follows.
        say: is told a line about each epoch.

    Raises:
        TrainingError: the loss is no longer a number.
    """
    batches = math.ceil(pairs.n_train / settings.batch_size)
    _compile(model, settings, batches, codecs, weighted=pairs.weighted)
    callbacks = _Callbacks.of(settings, batches, pairs, progress)
    parts = parts_of(model, callbacks.with_state)
    if snapshot:
        restore(parts, snapshot)
    done = snapshot.epochs if snapshot else 0
    around = [
        PlainValidation(model.loss) if settings.label_smoothing else None,
        _event_files(logs, batches) if logs else None,
        EpochLines(callbacks.watch, settings.epochs, say) if say else None,
        Saving(parts, settings.epochs, save) if save else None,
    ]
    with unrolled(model, pairs.lengths):
        model.fit(
            _training_batches(pairs, settings, codecs, seed, done, callbacks.watch),
            epochs=settings.epochs,
            initial_epoch=done,
            validation_data=_validation_batches(pairs, settings, codecs) if pairs.n_validation else None,
            callbacks=callbacks.in_order(*around),
            verbose=0,
            shuffle=False,  # the batches are
        )
    return callbacks.finish(settings.epochs * pairs.n_train)


@dataclass(frozen=True)
class _Callbacks:
    """What watches a training and may change it or end it; None for what the settings do not ask for."""

    watch: Watch
    best: Best | None
    average: Average | None
    plateau: Plateau | None
    deadline: Deadline | None

    @classmethod
    def of(cls, settings: TrainingSettings, batches: int, pairs: TrainingPairs, progress: Progress) -> _Callbacks:
        watch = Watch(batches, settings, pairs.n_train, progress)
        return cls(
            watch=watch,
            best=Best(settings.patience) if pairs.n_validation else None,
            average=make_average(settings),
            plateau=Plateau(settings) if settings.schedule == "reduce_lr_on_plateau" else None,
            deadline=Deadline(watch, settings.max_seconds) if settings.max_seconds else None,
        )

    @property
    def with_state(self) -> dict[str, Part]:
        """Those that a snapshot holds, by name."""
        parts = {"watch": self.watch, "best": self.best, "average": self.average, "plateau": self.plateau}
        return {name: part for name, part in parts.items() if part}

    def in_order(
        self,
        plain: keras.callbacks.Callback | None,
        event_files: keras.callbacks.Callback | None,
        lines: keras.callbacks.Callback | None,
        saving: keras.callbacks.Callback | None,
    ) -> list[keras.callbacks.Callback]:
        """All there are: the watch first, since the others read what it logs, and last the one that saves."""
        every = (self.watch, plain, self.best, self.average, self.plateau, self.deadline, event_files, lines, saving)
        return [one for one in every if one]

    def finish(self, all_pairs: int) -> History:
        """What was seen, once training is over; `all_pairs` are those of all epochs."""
        history = self.watch.finish()
        if self.best:
            history.best_epoch = self.best.epoch
        if self.best and self.best.has_ended:
            history.ended_by = "patience"
        elif self.deadline and self.deadline.has_passed and history.curve[-1]["pairs"] < all_pairs:
            history.ended_by = "max_seconds"
        return history


def _training_batches(
    pairs: TrainingPairs, settings: TrainingSettings, codecs: Codecs, seed: int, done: int, watch: Watch
) -> tf.data.Dataset:
    """The batches of each epoch, after `done` of them, in an order of its own."""
    epochs = itertools.count(done)

    def read_epoch() -> Iterator[Pairs]:
        rng = np.random.default_rng([seed, _SHUFFLE_STREAM, next(epochs)])
        return batches_of(pairs.read_train(rng), settings.batch_size, rng, watch.padding)

    n_batches = math.ceil(pairs.n_train / settings.batch_size)
    return make_dataset(read_epoch, n_batches, codecs, batch_specs(codecs, pairs.lengths))


def _validation_batches(pairs: TrainingPairs, settings: TrainingSettings, codecs: Codecs) -> tf.data.Dataset:
    def read_held_out() -> Iterator[Pairs]:
        return batches_of(pairs.read_validation(None), settings.batch_size, None)

    n_batches = math.ceil(pairs.n_validation / settings.batch_size)
    return make_dataset(read_held_out, n_batches, codecs, batch_specs(codecs, pairs.lengths))


def _compile(
    model: keras.Model, settings: TrainingSettings, batches: int, codecs: Codecs, *, weighted: bool = False
) -> None:
    if codecs.target.is_tokens:
        loss = token_loss(settings, weighted=weighted)
        metric = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    else:
        loss = vector_loss(settings, weighted=weighted)
        metric = vector_metric(settings)
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
