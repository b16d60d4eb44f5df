"""Beam search: the likeliest of several sequences that are followed at once.

Hypotheses are compared by their rank, the log-probability divided by a penalty of their length. One that has
ended stays in the beam as it is until `width` others are better.

Source: Y. Wu et al., "Google's neural machine translation system" (2016), section 7, for the length penalty.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import tensorflow as tf

from tasks.seq2seq.models.decoding import Segment, StepFunction, segment_steps
from tasks.seq2seq.models.hypotheses import length_penalty
from tasks.seq2seq.models.tensors import UNROLLED_STEPS, Tensor


class _Beam(NamedTuple):
    """The hypotheses of each source, the best first.

    tokens: the last ones, `(sources, width) int32`.
    total: log-probabilities, `(sources, width) float64`, -inf of a hypothesis that does not exist.
    rank: of those that have ended, the total over the length penalty, `(sources, width) float64`.
    ended: `(sources, width) bool`.
    state: the decoder's, tensors `(sources * width, ...)`.
    """

    tokens: Tensor
    total: Tensor
    rank: Tensor
    ended: Tensor
    state: list[Tensor]


class _History(NamedTuple):
    """How the hypotheses came about in this segment; see `Segment`."""

    tokens: Tensor
    scores: Tensor
    origin: Tensor


class _Candidates(NamedTuple):
    """How each hypothesis may go on, `(sources, width, k)` each; see `_Beam`. scores: of the tokens, float32."""

    tokens: Tensor
    scores: Tensor
    total: Tensor
    rank: Tensor


class BeamSearch:
    """Beam search over a step function.

    A source is done when all its hypotheses have ended, or when `n_best` that have cannot be overtaken: what goes on
    can only lose probability, and is divided by no more than the penalty of the largest length.

    In the last step, after which only an end could follow, a hypothesis goes on with its likeliest token, as in
    greedy decoding: it ends, or is cut off there.
    """

    def __init__(
        self, step: StepFunction, n_steps: int, end: int | None, width: int, penalty: float = 0.0, n_best: int = 1
    ) -> None:
        """Takes the step function and the settings.

        Args:
            step: the step function; its state is a list of tensors.
            n_steps: time steps to decode at most.
            end: the token that ends a sequence, or None.
            width: hypotheses that are followed.
            penalty: the power of the length penalty; 0 for none.
            n_best: hypotheses that are wanted, at most `width`.
        """
        self.n_steps, self.end, self.width = n_steps, end, width
        self._step, self._penalty, self._n_best = step, penalty, n_best
        self._size = segment_steps(n_steps)

    def begin(
        self, state: list[Tensor], memory: list[Tensor], start: Tensor, _uniform: Tensor | None = None
    ) -> Segment:
        """The first segment; see `Search`. Its first step is taken for one hypothesis a source."""
        one = tf.zeros_like(start)[:, None]  # sources x 1
        nothing = tf.zeros_like(one, tf.float64)
        beam = _Beam(start[:, None], nothing, nothing, one > 0, state)
        empty = tf.tile(one[..., None], (1, 1, self._size))
        beam, history = self._advance(beam, _History(empty, tf.cast(empty, tf.float32), one), memory, 0, 0)
        memory = self._repeated(memory)
        if self.end is None and self.n_steps <= UNROLLED_STEPS:
            for i in range(1, self.n_steps):
                beam, history = self._advance(beam, history, memory, i, i)
            return Segment(history.tokens, history.scores, [])
        return self._loop(beam, history, memory, tf.constant(0), 1)

    def go_on(
        self, carry: list[Tensor], memory: list[Tensor], taken: Tensor, _uniform: Tensor | None = None
    ) -> Segment:
        """The next segment; see `Search`."""
        tokens, total, rank, ended, *state = carry
        beam = _Beam(tokens, total, rank, ended, [_merge(part) for part in state])
        empty = tf.tile(tf.zeros_like(tokens)[..., None], (1, 1, self._size))
        origin = tf.zeros_like(tokens) + tf.range(self.width)
        history = _History(empty, tf.cast(empty, tf.float32), origin)
        return self._loop(beam, history, self._repeated(memory), taken, 0)

    def _repeated(self, memory: list[Tensor]) -> list[Tensor]:
        """The memory of each hypothesis: that of its source, whichever hypothesis it comes from."""
        return [tf.repeat(part, self.width, axis=0) for part in memory]

    def _loop(self, beam: _Beam, history: _History, memory: list[Tensor], taken: Tensor, first: int) -> Segment:
        """Steps `first` and on of a segment that begins after `taken` steps of the decode."""
        limit = tf.minimum(self._size, self.n_steps - taken)

        def is_going_on(i: Tensor, beam: _Beam, _: _History) -> Tensor:
            return tf.logical_and(i < limit, tf.logical_not(tf.reduce_all(self._done(beam))))

        def advance(i: Tensor, beam: _Beam, history: _History) -> tuple[Tensor, _Beam, _History]:
            return i + 1, *self._advance(beam, history, memory, taken + i, i)

        i, beam, history = tf.while_loop(is_going_on, advance, (tf.constant(first), beam, history))
        state = [tf.reshape(part, (-1, self.width, *part.shape[1:])) for part in beam.state]
        carry = [beam.tokens, beam.total, beam.rank, beam.ended, *state]
        return Segment(history.tokens, history.scores, carry, i, self._done(beam), history.origin)

    def _done(self, beam: _Beam) -> Tensor:
        if self.end is None:
            return tf.zeros_like(beam.tokens[:, 0], tf.bool)
        alive = tf.logical_and(tf.logical_not(beam.ended), beam.total > -math.inf)
        bound = tf.where(alive, beam.total / length_penalty(self.n_steps, self._penalty), -math.inf)
        bound = tf.cast(tf.reduce_max(bound, axis=1, keepdims=True), tf.float32)
        # Compared as in `_advance`, where of two that are equal in 32 bits the worse may stay.
        safe = tf.logical_and(beam.ended, tf.cast(beam.rank, tf.float32) > bound)
        enough = tf.reduce_sum(tf.cast(safe, tf.int32), axis=1) >= self._n_best
        return tf.logical_or(enough, tf.logical_not(tf.reduce_any(alive, axis=1)))

    def _advance(
        self,
        beam: _Beam,
        history: _History,
        memory: list[Tensor],
        taken: Any,  # noqa: ANN401
        i: Any,  # noqa: ANN401
    ) -> tuple[_Beam, _History]:
        """A step: the `taken`-th of the decode, from 0, and the `i`-th of the segment."""
        candidates, state = self._candidates(beam, memory, taken)
        per_hypothesis = candidates.tokens.shape[2]
        _, place = tf.math.top_k(_flat(tf.cast(candidates.rank, tf.float32)), self.width)
        parent = place // per_hypothesis  # sources x width
        tokens, scores, total, rank = (tf.gather(_flat(part), place, batch_dims=1) for part in candidates)
        scores = tf.where(total > -math.inf, scores, -math.inf)
        ended = beam.ended
        if self.end is not None:
            ended = tf.equal(tokens, self.end)
        rows = parent + beam.tokens.shape[1] * tf.range(tf.shape(parent)[0])[:, None]
        state = [tf.gather(part, tf.reshape(rows, (-1,))) for part in state]
        now = tf.equal(tf.range(self._size), i)
        history = _History(
            tf.where(now, tokens[..., None], tf.gather(history.tokens, parent, batch_dims=1)),
            tf.where(now, scores[..., None], tf.gather(history.scores, parent, batch_dims=1)),
            tf.gather(history.origin, parent, batch_dims=1),
        )
        return _Beam(tokens, total, rank, ended, state), history

    def _candidates(self, beam: _Beam, memory: list[Tensor], taken: Any) -> tuple[_Candidates, list[Tensor]]:  # noqa: ANN401
        """The likeliest tokens after each hypothesis, by their logits, as `argmax` compares them."""
        logits, state = self._step(tf.reshape(beam.tokens, (-1,)), beam.state, memory)  # rows x vocabulary
        k = min(self.width, logits.shape[-1])
        values, tokens = tf.math.top_k(logits, k)
        scores = tf.minimum(values - tf.reduce_logsumexp(logits, axis=1, keepdims=True), 0.0)
        shape = (-1, beam.tokens.shape[1], k)
        tokens, scores = tf.reshape(tokens, shape), tf.reshape(scores, shape)
        total = beam.total[..., None] + tf.cast(scores, tf.float64)
        rank = total / length_penalty(tf.cast(taken + 1, tf.float64), self._penalty)
        if self.end is not None:
            itself = tf.equal(tf.range(k), 0)
            ended = beam.ended[..., None]
            total = tf.where(ended, tf.where(itself, beam.total[..., None], -math.inf), total)
            rank = tf.where(ended, tf.where(itself, beam.rank[..., None], -math.inf), rank)
            tokens, scores = tf.where(ended, self.end, tokens), tf.where(ended, 0.0, scores)
            follows = tf.logical_or(itself, taken + 1 < self.n_steps)
            total, rank = tf.where(follows, total, -math.inf), tf.where(follows, rank, -math.inf)
        return self._padded(_Candidates(tokens, scores, total, rank)), state

    def _padded(self, candidates: _Candidates) -> _Candidates:
        """Candidates that do not exist are added where there are fewer than hypotheses wanted."""
        width, k = candidates.tokens.shape[1:]
        missing = max(0, math.ceil(self.width / width) - k)
        if not missing:
            return candidates
        fill = lambda part, value: tf.pad(part, ((0, 0), (0, 0), (0, missing)), constant_values=value)  # noqa: E731
        return _Candidates(
            *(fill(part, value) for part, value in zip(candidates, (0, 0.0, -math.inf, -math.inf), strict=True))
        )


def _merge(part: Tensor) -> Tensor:
    """`(sources, width, ...)` to `(sources * width, ...)`."""
    return tf.reshape(part, (-1, *part.shape[2:]))


def _flat(part: Tensor) -> Tensor:
    """`(sources, width, k)` to `(sources, width * k)`."""
    return tf.reshape(part, (-1, part.shape[1] * part.shape[2]))
