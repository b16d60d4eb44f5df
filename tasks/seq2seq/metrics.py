"""How right a model is: pure functions over references and predictions, both `(n, length) int32` ids."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.problems import Ids

Z_95 = 1.959963984540054


class Interval(NamedTuple):
    """A confidence interval of a share, both ends in [0, 1]."""

    low: float
    high: float


class Scores(NamedTuple):
    """What an evaluation reports; shares are in [0, 1]."""

    n_evaluated: int
    n_correct: int
    sequence_accuracy: float
    sequence_accuracy_interval: Interval
    token_accuracy: float
    accuracy_by_position: list[float]
    distinct_predictions: int
    distinct_references: int
    majority_baseline: float


def wilson_interval(successes: int, trials: int, z: float = Z_95) -> Interval:
    """The score interval of a share, 95 % by default.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    Journal of the American Statistical Association 22 (1927).
    """
    if trials == 0:
        return Interval(0.0, 1.0)
    share = successes / trials
    centre = share + z * z / (2 * trials)
    margin = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    # The ends of the scale are exact, where rounding would miss them.
    low = 0.0 if successes == 0 else (centre - margin) / scale
    high = 1.0 if successes == trials else (centre + margin) / scale
    return Interval(low, high)


def score(references: Ids, predictions: Ids) -> Scores:
    """Scores whole sequences (equal as `numpy.array_equal` means it) and single tokens."""
    right = references == predictions  # n x length
    whole = right.all(axis=1)
    n, correct = len(whole), int(whole.sum())
    different, counts = np.unique(references, axis=0, return_counts=True)
    return Scores(
        n_evaluated=n,
        n_correct=correct,
        sequence_accuracy=correct / n,
        sequence_accuracy_interval=wilson_interval(correct, n),
        token_accuracy=float(right.mean()),
        accuracy_by_position=[float(share) for share in right.mean(axis=0)],
        distinct_predictions=len(np.unique(predictions, axis=0)),
        distinct_references=len(different),
        majority_baseline=float(np.max(counts) / n),
    )


def confusion_matrix(references: Ids, predictions: Ids, size: int) -> NDArray[np.int64]:
    """How often each id (row) was predicted as each id (column), `(size, size) int64`."""
    flat = references.ravel().astype(np.int64) * size + predictions.ravel()
    return np.bincount(flat, minlength=size * size).reshape(size, size)
