"""A limit of wall-clock time, at which training ends as after its last epoch."""

from __future__ import annotations

from typing import Any

import keras

from tasks.seq2seq.training.callbacks.history import Watch


class Deadline(keras.callbacks.Callback):
    """Ends training after the call into the graph, or the validation, in which its time is over.

    The epoch that was begun is validated and counts as one. The last callback but those that save.
    """

    def __init__(self, watch: Watch, seconds: float) -> None:
        """Takes what knows the seconds that training has taken, before a kill too, and how many there are."""
        super().__init__()
        self._watch, self._seconds = watch, seconds
        self.has_passed = False

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ANN401, ARG002
        """Keras calls it after each call into the graph."""
        self._look()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ANN401, ARG002
        """Keras calls it after validation."""
        self._look()

    def _look(self) -> None:
        if self._watch.seconds >= self._seconds:
            self.has_passed = self.model.stop_training = True
