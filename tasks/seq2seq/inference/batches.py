"""Sources cut into batches, so that a row's prediction does not depend on what it is batched with.

A recurrent layer keeps its state on padding, so that padding changes nothing. With attention, sums run over the steps
of a source, and how a processor adds them may depend on how many there are. So there sources are padded to a width
that follows from their own length, and batched with others of that width.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tasks.seq2seq.arrays.sequences import Rows
from tasks.seq2seq.inference.engine import Engine

# Sources of a batch at most; more are no faster.
MOST_SOURCES = 512
# Numbers of the memories of a batch at most (256 MB).
MOST_MEMORY = 64_000_000
# Log-probabilities of a step at most (32 MB); fewer rows at once would multiply more slowly.
MOST_SCORES = 8_000_000


class Batch(NamedTuple):
    """Sources that are decoded together, one behind the other, and the time steps that they are padded to."""

    part: slice
    width: int


def padded_width(engine: Engine, steps: int) -> int:
    """The time steps that a source of so many is padded to: with attention, by an eighth at most where it is long."""
    if not engine.attends or not engine.architecture.masked:
        return steps
    unit = max(4, 1 << max(0, steps.bit_length() - 4))
    return -(-steps // unit) * unit


def batches(engine: Engine, steps: Rows, most: int = MOST_SOURCES, hypotheses: int = 1) -> list[Batch]:
    """Batches of sources that lie in the order of their lengths.

    Args:
        engine: the model.
        steps: time steps of each source, its end included, `(n,)`, ascending.
        most: sources of a batch at most.
        hypotheses: those of each source that are decoded at once.
    """
    found, first = list[Batch](), 0
    while first < len(steps):
        last = min(first + most, len(steps))
        fitting = MOST_MEMORY // max(1, engine.memory_size * hypotheses * int(steps[last - 1]))
        last = min(last, first + max(1, fitting))
        width = padded_width(engine, int(steps[first]))
        if engine.attends and engine.architecture.masked:
            last = first + int(np.searchsorted(steps[first:last], width, side="right"))
        else:
            width = int(steps[last - 1])
        found.append(Batch(slice(first, last), width))
        first = last
    return found
