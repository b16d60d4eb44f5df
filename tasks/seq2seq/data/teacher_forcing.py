"""What a training model is given and what it should answer: each target, and the same a step later."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.aliases import Ids


class TeacherForcing(NamedTuple):
    """Targets as a training model takes them, `(batch, target_length)` of ids or of vectors.

    decoder_input, target: what the decoder is given at each step, and what it should answer.
    is_step: `(batch, target_length) float32`, 0 on padding and 1 elsewhere.
    """

    decoder_input: NDArray[Any]
    target: NDArray[Any]
    is_step: NDArray[np.float32]


def shift_right(target: Ids, start: int) -> Ids:
    """The decoder input of teacher forcing: `target` `(n, length)` a step later, `start` first."""
    return np.concatenate([np.full((len(target), 1), start, np.int32), target[:, :-1]], axis=1)
