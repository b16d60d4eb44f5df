"""How a token is chosen among those that may come next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.aliases import Floats

LogProbabilities = NDArray[np.float32]  # of all tokens, `(rows, vocabulary)`
Tokens = NDArray[np.int32]
Scores = NDArray[np.float32]
# Log-probabilities, and numbers in [0, 1) to draw by, `(rows,) float64` (None where nothing is drawn), to tokens and
# their scores, `(rows,)` each.
Choice = Callable[[LogProbabilities, Floats | None], tuple[Tokens, Scores]]

# Colder, the likeliest token is drawn in any case; a still smaller divisor would overflow.
COLDEST = 1e-30
# So many of the largest are found by looking for the largest one again and again, more by sorting.
FEW = 16
# In a large vocabulary, only in the blocks of so many that hold the largest ones.
BLOCK = 256


def likeliest(scores: LogProbabilities, _drawn: Floats | None = None) -> tuple[Tokens, Scores]:
    """The choice of greedy decoding; of equally likely tokens the first."""
    return scores.argmax(axis=1).astype(np.int32), scores.max(axis=1)


def sampler(temperature: float = 1.0, top_k: int | None = None) -> Choice:
    """The choice that draws a token by its probability, to the power of 1 / temperature.

    Args:
        temperature: below 1 likely tokens become likelier, above 1 less so.
        top_k: tokens to draw among, the likeliest; None means all.

    Returns:
        A choice by inverse cumulative distribution. The log-probability that it gives is the model's own,
        whatever the temperature and `top_k`.
    """

    def draw(scores: LogProbabilities, drawn: Floats | None) -> tuple[Tokens, Scores]:
        assert drawn is not None
        k = min(top_k or scores.shape[1], scores.shape[1])
        among, tokens = largest_of(scores, k) if top_k else (scores, np.arange(k)[None])
        # In 64 bits, as many small weights add up.
        distance = among.astype(np.float64) - among.max(axis=1, keepdims=True)
        reach = np.cumsum(np.exp(distance / max(temperature, COLDEST)), axis=1)
        # The largest reach times a number below 1 is below it also when rounded, so that some token reaches further.
        place = np.argmax(reach > drawn[:, None] * reach[:, -1:], axis=1)[:, None]
        chosen = np.take_along_axis(np.broadcast_to(tokens, among.shape), place, axis=1)
        return chosen[:, 0].astype(np.int32), np.take_along_axis(among, place, axis=1)[:, 0]

    return draw


def largest_of(values: NDArray[Any], k: int) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """The `k` largest of each row, the largest first, and where they stand, `(rows, k)` each; of equals the first."""
    if k > FEW:
        places = np.argsort(-values, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(values, places, axis=1), places
    if values.shape[1] > FEW * BLOCK:
        among = _best_blocks(values, k)
        left = np.take_along_axis(values, np.minimum(among, values.shape[1] - 1), axis=1)
        left[among >= values.shape[1]] = -np.inf
        places = np.take_along_axis(among, _largest_few(left, k), axis=1)
    else:
        places = _largest_few(values.copy(), k)
    return np.take_along_axis(values, places, axis=1), places


def _largest_few(values: NDArray[Any], k: int) -> NDArray[np.intp]:
    """Where the `k` largest of each row stand, which are then gone from `values`."""
    places = np.empty((len(values), k), np.intp)
    for i in range(k):
        places[:, i] = values.argmax(axis=1)
        np.put_along_axis(values, places[:, i : i + 1], -np.inf, axis=1)
    return places


def _best_blocks(values: NDArray[Any], k: int) -> NDArray[np.intp]:
    """Places among which the `k` largest of each row are, ascending; some may lie beyond the row.

    They are in the `k` blocks whose largest values are largest, of equals the first: another block has no value that as
    many others do not exceed, or come before.
    """
    whole = values.shape[1] // BLOCK
    largest = values[:, : whole * BLOCK].reshape(len(values), whole, BLOCK).max(axis=2)
    rest = values[:, whole * BLOCK :].max(axis=1, initial=-np.inf, keepdims=True)
    blocks = np.sort(np.argsort(-np.concatenate([largest, rest], axis=1), axis=1, kind="stable")[:, :k], axis=1)
    return (blocks[..., None] * BLOCK + np.arange(BLOCK)).reshape(len(values), -1)
