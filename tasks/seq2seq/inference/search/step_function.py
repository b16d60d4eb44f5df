"""What a search is run over: the decoder, one time step at a time. The engine supplies it; a test supplies a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Rows

Array = NDArray[Any]
Arrays = list[Array]

# What was said last `(rows,) int32`, or vectors `(rows, features) float32`; the state, arrays `(rows, ...)`; and the
# memory, arrays `(sources, ...)`, which all steps read and none changes; to the log-probabilities of all tokens
# `(rows, vocabulary)`, or to vectors `(rows, features)`, and the next state. Rows are the hypotheses of all sources,
# source by source.
StepFunction = Callable[[Array, Arrays, Arrays], tuple[NDArray[np.float32], Arrays]]

# Sources that have ended are dropped once so many of those in a batch have: copying the others costs something too.
SHARE_DROPPED = 0.25


class Encoded(NamedTuple):
    """What the encoder gives of some sources: the decoder's first state, and the memory, arrays `(sources, ...)`."""

    state: Arrays
    memory: Arrays


def take(arrays: Arrays, rows: Rows) -> Arrays:
    """The rows at `rows` of all arrays."""
    return [array[rows] for array in arrays]
