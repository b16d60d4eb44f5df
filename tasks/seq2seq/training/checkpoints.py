"""Training that goes on after a kill with the very weights that it would have had: snapshots at the ends of epochs.

Whatever changes from one epoch to the next is a part of the snapshot. The order of the pairs is not: it is drawn anew
for each epoch, from the seed and the epoch's number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import keras

from tasks.seq2seq.training.snapshot import Arrays, Facts, Snapshot

Save = Callable[[Snapshot], None]


class Part(Protocol):
    """Something that changes as training goes on."""

    def facts(self) -> Facts:
        """What it holds that fits into JSON."""

    def arrays(self) -> Arrays:
        """What it holds of arrays."""

    def restore(self, facts: Facts, arrays: Arrays) -> None:
        """Makes it what it was when it gave these."""


class Variables:
    """Keras variables as a part."""

    def __init__(self, variables: Sequence[Any]) -> None:
        """Takes the variables of a model, or of an optimizer that is built."""
        self._variables = list(variables)

    def facts(self) -> Facts:
        """Nothing."""
        return {}

    def arrays(self) -> Arrays:
        """Their values."""
        return [variable.numpy() for variable in self._variables]

    def restore(self, facts: Facts, arrays: Arrays) -> None:  # noqa: ARG002 - there are none
        """Sets their values."""
        for variable, array in zip(self._variables, arrays, strict=True):
            variable.assign(array)


def parts_of(model: keras.Model, callbacks: Mapping[str, Part]) -> dict[str, Part]:
    """The parts of a training: of the compiled model, and of callbacks by their names."""
    model.optimizer.build(model.trainable_variables)
    # With the states of the random generators of its layers, which `weights` leaves out.
    return {"model": Variables(model.variables), "optimizer": Variables(model.optimizer.variables), **callbacks}


def restore(parts: Mapping[str, Part], snapshot: Snapshot) -> None:
    """Makes the parts what they were when the snapshot was taken."""
    for name, part in parts.items():
        part.restore(snapshot.facts[name], snapshot.arrays[name])


class Saving(keras.callbacks.Callback):
    """Takes a snapshot after each epoch that another one follows; the last of the callbacks."""

    def __init__(self, parts: Mapping[str, Part], epochs: int, save: Save) -> None:
        """Takes what a snapshot is made of, the number of epochs, and what keeps a snapshot."""
        super().__init__()
        self._parts, self._epochs, self._save = parts, epochs, save

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ANN401, ARG002
        """Keras calls it."""
        if self.model.stop_training or epoch + 1 == self._epochs:
            return
        self._save(
            Snapshot(
                epoch + 1,
                {name: part.facts() for name, part in self._parts.items()},
                {name: part.arrays() for name, part in self._parts.items()},
            )
        )
