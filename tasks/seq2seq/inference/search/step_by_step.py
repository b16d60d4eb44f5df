"""Greedy decoding, sampling and forecasts: one choice a time step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.hashing import Hashes
from tasks.seq2seq.arrays.random_draws import drawn_numbers
from tasks.seq2seq.inference.search.choices import Choice, likeliest
from tasks.seq2seq.inference.search.hypotheses import Decoded, Turn
from tasks.seq2seq.inference.search.step_function import SHARE_DROPPED, Encoded, StepFunction, take


def decode_step_by_step(
    step: StepFunction,
    encoded: Encoded,
    start: int,
    n_steps: int,
    end: int | None = None,
    choose: Choice = likeliest,
    keys: Hashes | None = None,
) -> Decoded:
    """Takes one token at each time step, the likeliest unless something else chooses.

    Args:
        step: the step function.
        encoded: what the decoder starts from.
        start: the token that each sequence starts from.
        n_steps: time steps to decode at most, an end's included.
        end: the token that ends a sequence; None decodes all steps.
        choose: what takes a token.
        keys: to draw by, one a source, `(sources,)`.
    """
    state, memory = encoded
    n, turns = len(state[0]), list[Turn]()
    rows, last, is_open = np.arange(n), np.full(n, start, np.int32), np.ones(n, np.bool_)
    for i in range(n_steps):
        found, state = step(last, state, memory)
        last, scores = choose(found, None if keys is None else drawn_numbers(keys[rows], i, 1)[:, 0])
        if end is None:
            turns.append(Turn(rows, last, scores))
            continue
        turns.append(Turn(rows[is_open], last[is_open], scores[is_open]))
        is_open &= last != end
        going_on = np.flatnonzero(is_open)
        if not len(going_on):
            break
        if len(going_on) <= (1 - SHARE_DROPPED) * len(rows):
            rows, last, is_open = rows[going_on], last[going_on], is_open[going_on]
            state, memory = take(state, going_on), take(memory, going_on)
    return Decoded.of_turns(turns, n, n_steps, end)


def forecast(
    step: StepFunction, encoded: Encoded, features: int, n_steps: int, ahead: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """What the decoder puts out of real vectors, `(sources, n_steps, outputs) float32`.

    The outputs are `features` numbers, behind them those of other quantiles where there are any. Each step is given the
    vector predicted before, the first one zeros, as in training; and what is known of it beforehand, where there is
    anything, `(sources, n_steps, known)`, standardised.
    """
    state, memory = encoded
    vector, vectors = np.zeros((len(state[0]), features), np.float32), list[NDArray[np.float32]]()
    for i in range(n_steps):
        fed = vector if ahead is None else np.concatenate([vector, ahead[:, i]], axis=1)
        output, state = step(fed, state, memory)
        vector = output[:, :features]
        vectors.append(output)
    return np.stack(vectors, axis=1)
