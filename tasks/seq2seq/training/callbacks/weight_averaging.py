"""Averages of weights, which often predict better than the weights of any one step.

At the end of an epoch the average takes the place of the weights: it is what is validated, and what is kept where the
epoch is the best. Then training goes on from its own weights.

Sources: R. Sennrich, B. Haddow, A. Birch, "Edinburgh neural machine translation systems for WMT 16" (2016), for the
mean of the last checkpoints; B. T. Polyak, A. B. Juditsky, "Acceleration of stochastic approximation by averaging"
(1992), for averages over the steps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import keras
import numpy as np

from tasks.seq2seq.models.keras_internals import moving_averages
from tasks.seq2seq.settings.training import TrainingSettings
from tasks.seq2seq.training.snapshot import Arrays, Facts


class Average(keras.callbacks.Callback, ABC):
    """Puts an average in place of the weights at the end of each epoch, and for good at the end of training.

    It comes after the callback that keeps the best weights, which are averages too.
    """

    def __init__(self) -> None:
        """Takes nothing."""
        super().__init__()
        self._trained: Arrays = []  # the weights of training, while the average is in their place
        self._average: Arrays = []
        self._is_validated = False

    @abstractmethod
    def _average_now(self) -> Arrays:
        """The average at the end of an epoch, of each trainable variable; called once an epoch."""

    def on_test_begin(self, logs: Any = None) -> None:  # noqa: ANN401, ARG002
        """Keras calls it before validation."""
        self._is_validated = True
        self._swap_in()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ANN401, ARG002
        """Keras calls it after validation, or without it."""
        if not self._trained:
            self._swap_in()
        _assign(self.model, self._trained)
        self._trained = []

    def on_train_end(self, logs: Any = None) -> None:  # noqa: ANN401, ARG002
        """Keras calls it; where there is validation, the best average is there already."""
        if not self._is_validated:
            _assign(self.model, self._average)

    def _swap_in(self) -> None:
        self._trained = [variable.numpy() for variable in self.model.trainable_variables]
        self._average = self._average_now()
        _assign(self.model, self._average)

    def facts(self) -> Facts:
        """None."""
        return {}

    def arrays(self) -> Arrays:
        """None."""
        return []

    def restore(self, facts: Facts, arrays: Arrays) -> None:
        """Nothing to do."""


class MeanOfLast(Average):
    """The mean of the weights at the ends of the last epochs."""

    def __init__(self, epochs: int) -> None:
        """Takes how many epochs; at first there are fewer."""
        super().__init__()
        self._epochs = epochs
        self._ends: list[Arrays] = []

    def _average_now(self) -> Arrays:
        self._ends = [*self._ends, self._trained][-self._epochs :]
        return [
            np.mean(np.stack(ends), axis=0, dtype=np.float64).astype(ends[0].dtype)
            for ends in zip(*self._ends, strict=True)
        ]

    def facts(self) -> Facts:
        """How many epochs' weights there are."""
        return {"ends": len(self._ends)}

    def arrays(self) -> Arrays:
        """The weights of the last epochs, one after the other."""
        return [array for end in self._ends for array in end]

    def restore(self, facts: Facts, arrays: Arrays) -> None:
        """Makes it what it was."""
        n = len(arrays) // max(1, facts["ends"])
        self._ends = [arrays[i * n : (i + 1) * n] for i in range(facts["ends"])]


class ExponentialAverage(Average):
    """The moving average that Keras' optimizers keep with `use_ema`, a variable of theirs for each weight."""

    def _average_now(self) -> Arrays:
        return moving_averages(self.model.optimizer)


def make_average(settings: TrainingSettings) -> Average | None:
    """The average that the settings ask for."""
    match settings.average:
        case "last":
            return MeanOfLast(settings.average_epochs)
        case "ema":
            return ExponentialAverage()
    return None


def _assign(model: keras.Model, arrays: Arrays) -> None:
    for variable, array in zip(model.trainable_variables, arrays, strict=True):
        variable.assign(array)
