"""Beam search: the likeliest of several sequences that are followed at once.

Hypotheses are compared by their rank, the log-probability divided by a penalty of their length. One that has
ended stays in the beam as it is until `width` others are better.

Source: Y. Wu et al., "Google's neural machine translation system" (2016), section 7, for the length penalty.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Rows
from tasks.seq2seq.inference.search.choices import LogProbabilities, largest_of
from tasks.seq2seq.inference.search.hypotheses import Decoded, Turn, length_penalty
from tasks.seq2seq.inference.search.step_function import SHARE_DROPPED, Array, Encoded, StepFunction, take

# Of more candidates, the best are set apart before they are sorted.
MANY = 1_000


class BeamSettings(NamedTuple):
    """How a beam is searched.

    n_steps: time steps to decode at most, an end's included.
    end: the token that ends a sequence, or None.
    width: hypotheses that are followed of each source.
    penalty: the power of the length penalty; 0 for none.
    n_best: hypotheses that are wanted, at most `width`.
    """

    n_steps: int
    end: int | None = None
    width: int = 5
    penalty: float = 0.0
    n_best: int = 1


class _Beam(NamedTuple):
    """The hypotheses of each source, the best first, `(sources, width)` each.

    tokens: the last ones, int32. scores: their log-probability, float32. total: log-probabilities, float64, -inf of a
    hypothesis that does not exist. rank: the total over the length penalty, float64, which stays once one has ended.
    ended: which have ended. parent: the hypothesis, before the last step, that each one goes on from.
    """

    tokens: Array
    scores: Array
    total: Array
    rank: Array
    ended: Array
    parent: Array

    def take(self, sources: Rows) -> _Beam:
        return _Beam(*(part[sources] for part in self))


def beam_search(step: StepFunction, encoded: Encoded, start: int, settings: BeamSettings) -> Decoded:
    """The best hypotheses of each source, from the token `start` on.

    A source is done when all its hypotheses have ended, or when `n_best` that have cannot be overtaken: what goes on
    can only lose probability, and is divided by no more than the penalty of the largest length.
    """
    state, memory = encoded
    n, history = len(state[0]), list[tuple[Rows, _Beam]]()
    rows, one = np.arange(n), np.zeros((n, 1))
    beam = _Beam(np.full((n, 1), start, np.int32), one, one, one, one > 0, np.zeros((n, 1), np.int64))
    for i in range(settings.n_steps):
        scores, state = step(beam.tokens.reshape(-1), state, memory)
        before = beam.tokens.shape[1]
        beam = _advance(beam, scores, i + 1, settings)
        state = take(state, (np.arange(len(rows))[:, None] * before + beam.parent).reshape(-1))
        history.append((rows, beam))
        going_on = np.flatnonzero(~_is_done(beam, settings))
        if not len(going_on):
            break
        if len(going_on) <= (1 - SHARE_DROPPED) * len(rows):
            rows, beam, memory = rows[going_on], beam.take(going_on), take(memory, going_on)
            state = take(state, (going_on[:, None] * settings.width + np.arange(settings.width)).reshape(-1))
    return _best(history, n, settings)


def _advance(beam: _Beam, found: LogProbabilities, length: int, settings: BeamSettings) -> _Beam:
    """The best `width` of all that may follow the hypotheses, which then have `length` tokens.

    In the last step, after which only an end could follow, a hypothesis goes on with its likeliest token, as in greedy
    decoding: it ends, or is cut off there.
    """
    sources, before = beam.tokens.shape
    k = min(settings.width, found.shape[1])
    scores, tokens = (part.reshape(sources, before, k) for part in largest_of(found, k))
    total = beam.total[..., None] + scores  # sources x before x k
    rank = total / length_penalty(length, settings.penalty)
    if settings.end is not None:
        ended, others = beam.ended[..., None], slice(1, None)
        tokens, scores = np.where(ended, settings.end, tokens), np.where(ended, 0, scores)
        total, rank = (np.where(ended, part[..., None], new) for part, new in ((beam.total, total), (beam.rank, rank)))
        # What has ended stays as it is, in its first place; in the last step each hypothesis goes on in one way only.
        is_alone = ended if length < settings.n_steps else np.ones_like(ended)
        total[..., others] = np.where(is_alone, -np.inf, total[..., others])
        rank[..., others] = np.where(is_alone, -np.inf, rank[..., others])
    missing = max(0, settings.width - before * k)  # there are fewer sequences than hypotheses wanted
    flat = [
        np.pad(part.reshape(sources, -1), ((0, 0), (0, missing)), constant_values=filler)
        for part, filler in ((tokens, 0), (scores, -np.inf), (total, -np.inf), (rank, -np.inf))
    ]
    place = _best_places(flat[-1], settings.width)
    tokens, scores, total, rank = (np.take_along_axis(part, place, axis=1) for part in flat)
    scores = np.where(total > -np.inf, scores, -np.inf)
    tokens = tokens.astype(np.int32)
    ended = np.zeros(tokens.shape, np.bool_) if settings.end is None else tokens == settings.end
    return _Beam(tokens, scores.astype(np.float32), total, rank, ended, np.minimum(place // k, before - 1))


def _best_places(rank: Array, width: int) -> Rows:
    """Where the `width` largest of each row stand, the largest first, `(rows, width)`; of equals the first."""
    if rank.shape[1] > MANY:
        places = np.sort(np.argpartition(-rank, width - 1, axis=1)[:, :width], axis=1)
        best = np.take_along_axis(rank, places, axis=1)
        if ((rank >= best.min(axis=1, keepdims=True)).sum(axis=1) == width).all():  # the last one has no equal outside
            return np.take_along_axis(places, np.argsort(-best, axis=1, kind="stable"), axis=1)
    return np.argsort(-rank, axis=1, kind="stable")[:, :width]


def _is_done(beam: _Beam, settings: BeamSettings) -> NDArray[np.bool_]:
    """For which sources more steps would change nothing, `(sources,)`."""
    alive = ~beam.ended & (beam.total > -np.inf)
    bound = np.where(alive, beam.total / length_penalty(settings.n_steps, settings.penalty), -np.inf)
    is_safe = beam.ended & (beam.rank > bound.max(axis=1, keepdims=True))
    enough: NDArray[np.bool_] = is_safe.sum(axis=1) >= settings.n_best
    return (enough | ~alive.any(axis=1)) & (settings.end is not None)


def _best(history: list[tuple[Rows, _Beam]], n: int, settings: BeamSettings) -> Decoded:
    """The `n_best` hypotheses of each source that exist, by their ranks."""
    width = settings.width
    place, exists, steps = np.tile(np.arange(width), (n, 1)), np.ones((n, width), np.bool_), list[Turn]()
    is_last = np.ones(n, np.bool_)
    for rows, beam in reversed(history):
        exists[rows] = np.where(is_last[rows, None], beam.total > -np.inf, exists[rows])
        is_last[rows] = False
        at = place[rows]
        numbers = rows[:, None] * width + np.arange(width)
        steps.append(Turn(numbers, *(np.take_along_axis(part, at, axis=1) for part in (beam.tokens, beam.scores))))
        place[rows] = np.take_along_axis(beam.parent, at, axis=1)
    turns = _until_end(steps[::-1], n * width, settings.end)
    decoded = Decoded.of_turns(turns, n * width, settings.n_steps, settings.end, settings.penalty)
    rank = np.where(exists, decoded.rank.reshape(n, width), -np.inf)
    order = np.argsort(-rank, axis=1, kind="stable") + width * np.arange(n)[:, None]
    counts = np.clip(exists.sum(axis=1), 1, settings.n_best)
    return decoded.take_hypotheses(order[np.arange(width) < counts[:, None]], counts)


def _until_end(steps: list[Turn], n: int, end: int | None) -> list[Turn]:
    """The steps without those after an end, of `n` hypotheses."""
    is_open, turns = np.ones(n, np.bool_), list[Turn]()
    for step in steps:
        there = is_open[step.hypotheses]
        turns.append(Turn(*(part[there] for part in step)))
        is_open[turns[-1].hypotheses] = turns[-1].tokens != (-1 if end is None else end)
    return turns
