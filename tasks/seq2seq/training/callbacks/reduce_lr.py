"""A learning rate that falls when the validation loss does not."""

from __future__ import annotations

from typing import Any

import keras

from tasks.seq2seq.settings.training import TrainingSettings
from tasks.seq2seq.training.snapshot import Arrays, Facts


class Plateau(keras.callbacks.ReduceLROnPlateau):
    """Keras' own, which goes on after a kill; the learning rate itself is a variable of the optimizer."""

    def __init__(self, settings: TrainingSettings) -> None:
        """Takes how much it falls, after how many epochs, and to what at least."""
        super().__init__(
            "val_loss",
            factor=settings.plateau_factor,
            patience=settings.plateau_patience,
            min_lr=settings.min_learning_rate,
            mode="min",
        )
        self._restored: Facts = {}

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ANN401
        """Keras calls it."""
        super().on_train_begin(logs)
        for name, value in self._restored.items():
            setattr(self, name, value)

    def facts(self) -> Facts:
        """How long it waits for what."""
        return {"best": None if self.best is None else float(self.best), "wait": self.wait}

    def arrays(self) -> Arrays:
        """None."""
        return []

    def restore(self, facts: Facts, arrays: Arrays) -> None:  # noqa: ARG002 - there are none
        """Makes it what it was, once training begins: Keras forgets all then."""
        self._restored = facts
