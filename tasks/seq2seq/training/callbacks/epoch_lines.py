"""A line an epoch, for whoever watches a training or reads its log."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import keras

from tasks.seq2seq.training.callbacks.history import Watch

Say = Callable[[str], None]
_NAMES = {"accuracy": "teacher-forced accuracy", "mae": "mean absolute error in standard deviations"}


class EpochLines(keras.callbacks.Callback):
    """Says after each epoch what it gave, how long it took, and which has been the best so far."""

    def __init__(self, watch: Watch, epochs: int, say: Say) -> None:
        """Takes what keeps the history, how many epochs there will be, and who is told."""
        super().__init__()
        self._watch, self._epochs, self._say = watch, epochs, say
        self._began, self._first = 0.0, 0

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ANN401, ARG002
        """Keras calls it."""
        self._first = len(self._watch.epochs)  # more than 0 where training goes on

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ANN401, ARG002
        """Keras calls it."""
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ANN401, ARG002
        """Keras calls it, after the watch."""
        epochs = self._watch.epochs
        pairs = epochs[-1]["pairs"] - (epochs[-2]["pairs"] if len(epochs) > 1 else 0)
        self._say(describe_epoch(epochs, self._epochs, time.perf_counter() - self._began, int(pairs)))


def describe_epoch(epochs: list[dict[str, float]], n_epochs: int, seconds: float, pairs: int) -> str:
    """The last of some epochs in a line.

    Args:
        epochs: those that are over, as `History` has them.
        n_epochs: how many there will be.
        seconds: that the last one took, its validation too.
        pairs: that it was trained on.
    """
    last, n = epochs[-1], len(epochs)
    parts = [f"Epoch {n}/{n_epochs}: {_scores(last, '')}"]
    if "val_loss" in last:
        best = min(range(n), key=lambda i: epochs[i].get("val_loss", float("inf")))
        parts += [f"validation {_scores(last, 'val_')}", f"best so far: epoch {best + 1}"]
    left = f", {_time(seconds * (n_epochs - n))} left" if n < n_epochs else ""
    return "; ".join([*parts, f"{_time(seconds)}, {pairs / max(seconds, 1e-9):,.0f} sequences/s{left}"])


def _scores(epoch: dict[str, float], prefix: str) -> str:
    known = [f"{name} {epoch[f'{prefix}{key}']:.4f}" for key, name in _NAMES.items() if f"{prefix}{key}" in epoch]
    return ", ".join([f"loss {epoch[f'{prefix}loss']:.4f}", *known])


def _time(seconds: float) -> str:
    if seconds < 100:  # noqa: PLR2004 - as a person would say it
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"
