"""Watching a training: the curve, the rate, the progress that is told, and a loss that is no longer a number."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras

from tasks.seq2seq.errors import TrainingError
from tasks.seq2seq.settings.training import TrainingSettings
from tasks.seq2seq.training.bucketing import Padding
from tasks.seq2seq.training.snapshot import Arrays, Facts

Progress = Callable[[int, int, dict[str, float]], None]  # batches done, batches in all, metrics


@dataclass
class History:
    """What training saw; losses and metrics are means over batches of means over time steps.

    Losses are in nats for tokens; accuracies are teacher-forced, in training as far as inputs are not sampled.

    `curve` holds a point for every call into the graph: pairs seen, and the mean loss and metric since the
    point before. `epochs` holds the same of each epoch, and of the validation split. `metric` is `accuracy`
    for tokens, in [0, 1], and `mae` for vectors, in standard deviations. `best_epoch` counts from 1: the
    weights that were kept. `padding_share` is the padding among all time steps of training batches.
    `ended_by` is what ended training: all `epochs` are done, `patience`, or `max_seconds`.
    `learning_rate` is that of the step which comes next. `resumed_after` holds the epochs after which a
    training that was killed went on.
    """

    metric: str
    curve: list[dict[str, float]] = field(default_factory=list)
    epochs: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    ended_by: str = "epochs"
    resumed_after: list[int] = field(default_factory=list)
    padding_share: float = 0.0
    seconds: float = 0.0
    sequences_per_s: float | None = None  # without the first call, which traces; None where it is the only
    sequences_per_s_with_tracing: float = 0.0


class Watch(keras.callbacks.Callback):
    """Keeps the curve and the rate, reports progress, and ends a training that has failed."""

    def __init__(self, batches: int, settings: TrainingSettings, n_train: int, progress: Progress) -> None:
        """Takes the batches and pairs of an epoch, the settings, and who is told of each call into the graph."""
        super().__init__()
        self._batches, self._settings, self._n_train, self._progress = batches, settings, n_train, progress
        self.padding = Padding()
        self._history = History("")
        self._began = time.perf_counter()  # earlier where the training is one that goes on
        self._before = 0.0  # seconds of a training that was killed
        self._validating = 0.0
        self._has_traced = False
        self._tracing: tuple[float, int] = (0.0, 0)  # seconds of first calls, and the pairs that they held
        self._epoch = 0
        self._seen = 0
        self._sums: dict[str, float] = {}

    @property
    def seconds(self) -> float:
        """That training has taken, before a kill too."""
        return time.perf_counter() - self._began

    @property
    def epochs(self) -> list[dict[str, float]]:
        """Those that are over, as `History` has them."""
        return self._history.epochs

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ANN401, ARG002
        """Keras calls it."""
        self._epoch, self._sums = epoch, {}

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ANN401
        """Keras calls it after each call into the graph."""
        metrics = {name: float(value) for name, value in logs.items()}
        self.model.reset_metrics()  # so that they are of one call each
        done = min(batch + 1, self._batches)  # the last call counts as a full one
        self._check(metrics["loss"], done)
        seen = self._epoch * self._n_train + min(done * self._settings.batch_size, self._n_train)
        for name, value in metrics.items():
            self._sums[name] = self._sums.get(name, 0.0) + value * (seen - self._seen)
        if not self._has_traced:
            seconds, pairs = self._tracing
            self._tracing = seconds + self.seconds - self._before, pairs + seen - self._seen
            self._has_traced = True
        self._seen = seen
        self._history.curve.append({"pairs": seen, "learning_rate": self._learning_rate, **metrics})
        self._progress(self._epoch * self._batches + done, self._settings.epochs * self._batches, metrics)

    @property
    def _learning_rate(self) -> float:
        return float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))

    def _check(self, loss: float, done: int) -> None:
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss} after batch {done} of epoch {self._epoch + 1}, expected a "
                f"number; lower training.learning_rate (it is {self._settings.learning_rate:g}), or set "
                f"training.global_clipnorm (1, say)"
            )

    def on_test_begin(self, logs: Any = None) -> None:  # noqa: ANN401, ARG002
        """Keras calls it."""
        self._validating -= time.perf_counter()

    def on_test_end(self, logs: Any = None) -> None:  # noqa: ANN401, ARG002
        """Keras calls it."""
        self._validating += time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ANN401
        """Keras calls it."""
        validation = {name: float(value) for name, value in logs.items() if name.startswith("val_")}
        pairs = self._seen - epoch * self._n_train  # fewer where time was over
        means = {name: sum_ / pairs for name, sum_ in self._sums.items()}
        self._history.epochs.append({"pairs": self._seen, **means, **validation, "learning_rate": self._learning_rate})
        logs.update(means)  # for the callbacks after this one: Keras' own are those of the last call

    def finish(self) -> History:
        """What was seen, once training is over; the best epoch is the last."""
        seconds, history = self.seconds, self._history
        history.metric = next(name for name in history.epochs[0] if name in ("accuracy", "mae"))
        history.seconds = seconds
        history.best_epoch, history.padding_share = len(history.epochs), self.padding.share
        seconds -= self._validating
        history.sequences_per_s_with_tracing = self._seen / seconds
        if self._seen > self._tracing[1]:
            history.sequences_per_s = (self._seen - self._tracing[1]) / (seconds - self._tracing[0])
        return history

    def facts(self) -> Facts:
        """What was seen so far."""
        return {
            "history": dataclasses.asdict(self._history),
            "padding": dataclasses.asdict(self.padding),
            "seen": self._seen,
            "seconds": self.seconds,
            "validating": self._validating,
            "tracing": self._tracing,
        }

    def arrays(self) -> Arrays:
        """None."""
        return []

    def restore(self, facts: Facts, arrays: Arrays) -> None:  # noqa: ARG002 - there are none
        """Goes on where the watch before left off."""
        self._history = History(**facts["history"])
        self._history.resumed_after.append(len(self._history.epochs))
        self.padding = Padding(**facts["padding"])
        self._seen, self._validating, self._tracing = facts["seen"], facts["validating"], tuple(facts["tracing"])
        self._before = facts["seconds"]
        self._began = time.perf_counter() - self._before
