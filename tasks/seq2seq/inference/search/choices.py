"""How a token is chosen among logits, and how likely it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.aliases import Floats

Logits = NDArray[np.float32]  # (rows, vocabulary)
Tokens = NDArray[np.int32]
Scores = NDArray[np.float32]
# Logits, and numbers in [0, 1) to draw by, `(rows,) float64`, to tokens and their log-probability, `(rows,)` each.
Choice = Callable[[Logits, Floats], tuple[Tokens, Scores]]

# Colder, the likeliest token is drawn in any case, and a still smaller divisor may be taken for 0.
COLDEST = 1e-30
# So many of the largest are found by looking for the largest one again and again, more by sorting.
FEW = 16


def log_probabilities(chosen: Scores, largest: Scores, logits: Logits) -> Scores:
    """The log-probability of logits that were chosen, `(rows, ...)`, given the largest one of each row, `(rows, 1)`."""
    total: Scores = np.log(np.exp(logits - largest).sum(axis=1, keepdims=True))
    return chosen - largest - total


def likeliest(logits: Logits, _drawn: Floats | None = None) -> tuple[Tokens, Scores]:
    """The choice of greedy decoding; of equally likely tokens the first."""
    largest = logits.max(axis=1, keepdims=True)
    return logits.argmax(axis=1).astype(np.int32), log_probabilities(largest, largest, logits)[:, 0]


def sampler(temperature: float = 1.0, top_k: int | None = None) -> Choice:
    """The choice that draws a token by its probability, softmax(logits / temperature).

    Args:
        temperature: below 1 likely tokens become likelier, above 1 less so.
        top_k: tokens to draw among, the likeliest; None means all.

    Returns:
        A choice by inverse cumulative distribution. The log-probability that it gives is the model's own,
        whatever the temperature and `top_k`.
    """

    def draw(logits: Logits, drawn: Floats) -> tuple[Tokens, Scores]:
        largest = logits.max(axis=1, keepdims=True)
        k = min(top_k or logits.shape[1], logits.shape[1])
        among, tokens = largest_of(logits, k) if top_k else (logits, np.arange(k)[None])
        # In 64 bits, as many small weights add up.
        weights = np.exp((among.astype(np.float64) - largest) / max(temperature, COLDEST))
        reach = np.cumsum(weights, axis=1)
        # The largest reach times a number below 1 is below it also when rounded, so that some token reaches further.
        place = np.argmax(reach > drawn[:, None] * reach[:, -1:], axis=1)[:, None]
        scores = log_probabilities(np.take_along_axis(among, place, axis=1), largest, logits)
        chosen = np.take_along_axis(np.broadcast_to(tokens, among.shape), place, axis=1)
        return chosen[:, 0].astype(np.int32), scores[:, 0]

    return draw


def largest_of(values: NDArray[Any], k: int) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """The `k` largest of each row, the largest first, and where they stand, `(rows, k)` each; of equals the first."""
    if k > FEW:
        places = np.argsort(-values, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(values, places, axis=1), places
    left, places = values.copy(), np.empty((len(values), k), np.intp)
    for i in range(k):
        places[:, i] = left.argmax(axis=1)
        np.put_along_axis(left, places[:, i : i + 1], -np.inf, axis=1)
    return np.take_along_axis(values, places, axis=1), places
