"""The best epoch: its weights are kept, and training ends when no better one comes."""

from __future__ import annotations

import math
from typing import Any

import keras

from tasks.seq2seq.training.snapshot import Arrays, Facts


class Best(keras.callbacks.Callback):
    """Keeps the weights of the epoch with the lowest validation loss; they are the model's when training ends.

    Keras' EarlyStopping does the same, but forgets all when training goes on after a kill.
    """

    def __init__(self, patience: int | None) -> None:
        """Takes how many epochs in a row may pass without a lower loss; None: all."""
        super().__init__()
        self._patience = patience
        self.epoch = 0  # from 1; 0 before the first
        self.has_ended = False
        self._loss = math.inf
        self._weights: Arrays = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ANN401
        """Keras calls it, after validation."""
        if not self.epoch or logs["val_loss"] < self._loss:
            self.epoch, self._weights = epoch + 1, self.model.get_weights()
            self._loss = logs["val_loss"] if math.isfinite(logs["val_loss"]) else math.inf
        elif self._patience and epoch + 1 - self.epoch >= self._patience:
            self.has_ended = self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:  # noqa: ANN401, ARG002
        """Keras calls it."""
        self.model.set_weights(self._weights)

    def facts(self) -> Facts:
        """The best epoch and its loss."""
        return {"epoch": self.epoch, "loss": float(self._loss)}

    def arrays(self) -> Arrays:
        """Its weights."""
        return self._weights

    def restore(self, facts: Facts, arrays: Arrays) -> None:
        """Makes it what it was."""
        self.epoch, self._loss, self._weights = facts["epoch"], facts["loss"], arrays
