"""Hypotheses as they come out of a decode in segments: put together, ranked, and cut at their end or at the limit."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.aliases import Floats
from tasks.seq2seq.arrays.sequences import Rows, Sequences, Values


class Part(NamedTuple):
    """A segment of a decode, of the sources that took part in it.

    rows: which sources, ascending, `(k,)`.
    tokens: `(k, width, steps) int32`; after an end, the end again.
    scores: `(k, width, steps) float32`, the log-probability of each token, -inf in a hypothesis that does not exist.
    origin: `(k, width) int32`, the hypothesis before this segment that each one goes on from; None: itself.
    """

    rows: Rows
    tokens: NDArray[np.int32]
    scores: NDArray[np.float32]
    origin: NDArray[np.int32] | None


class Decoded(NamedTuple):
    """The best hypotheses of each source, the best first, source after source.

    tokens: without start and end.
    scores: the log-probability of each token, the end's included where the hypothesis ended.
    counts: how many hypotheses each source has, at least one, `(n,)`.
    log_probability: their sums, `(total,) float64`.
    rank: the log-probability over the length penalty, `(total,) float64`.
    at_limit: which were cut off, as they took all steps without an end, `(total,) bool`.
    """

    tokens: Sequences
    scores: Sequences
    counts: Rows
    log_probability: Floats
    rank: Floats
    at_limit: NDArray[np.bool_]

    @classmethod
    def nothing(cls) -> Decoded:
        """Of no sources."""
        tokens, scores = (Sequences(np.zeros(0, kind), np.zeros(1, np.int64)) for kind in (np.int32, np.float32))
        numbers = np.zeros(0, np.float64)
        return cls(tokens, scores, np.zeros(0, np.int64), numbers, numbers, np.zeros(0, np.bool_))

    @classmethod
    def concatenate(cls, parts: list[Decoded]) -> Decoded:
        """The hypotheses of all parts, in order; at least one part."""
        if len(parts) == 1:
            return parts[0]
        tokens, scores, counts, log_probability, rank, at_limit = zip(*parts, strict=True)
        return cls(
            Sequences.concatenate(tokens),
            Sequences.concatenate(scores),
            np.concatenate(counts),
            np.concatenate(log_probability),
            np.concatenate(rank),
            np.concatenate(at_limit),
        )

    def take(self, sources: Rows) -> Decoded:
        """The hypotheses of the sources at `sources`, in that order."""
        places = Sequences.of_lengths(np.arange(len(self.rank)), self.counts).take(sources)
        return self.take_hypotheses(places.values, places.lengths)

    def best(self) -> Decoded:
        """The best hypothesis of each source."""
        return self.take_hypotheses(np.cumsum(self.counts) - self.counts, np.ones_like(self.counts))

    def take_hypotheses(self, chosen: Rows, counts: Rows) -> Decoded:
        """The hypotheses at `chosen`, of which each source now has `counts`."""
        return Decoded(
            self.tokens.take(chosen),
            self.scores.take(chosen),
            counts,
            self.log_probability[chosen],
            self.rank[chosen],
            self.at_limit[chosen],
        )


def length_penalty(length: Any, power: float) -> Any:  # noqa: ANN401 - a number, an array or a tensor
    """What the log-probability of a sequence of `length` tokens is divided by: ((5 + length) / 6) ** power."""
    return ((5.0 + length) / 6.0) ** power


def rank_hypotheses(
    parts: list[Part], n: int, n_steps: int, end: int | None, penalty: float = 0.0, n_best: int = 1
) -> Decoded:
    """The hypotheses of `n` sources.

    Args:
        parts: the segments in order, at least one; all sources are in the first.
        n: sources.
        n_steps: time steps to decode at most. Where there is an end, what took them all without one is cut by a
            token, and its log-probability is that of the tokens left.
        end: the token that ends a sequence, or None.
        penalty: the power of the length penalty.
        n_best: hypotheses of each source at most.
    """
    parts = _follow_back(parts, n)
    present, cut = _present(parts, n, n_steps, end)
    width = cut.shape[1]
    hypothesis, tokens, scores = _end_to_end(parts, present)
    lengths = np.bincount(hypothesis, minlength=n * width)
    total = np.bincount(hypothesis, scores, minlength=n * width).astype(np.float64)  # so also of no steps
    is_content = np.ones(len(tokens), np.bool_) if end is None else tokens != end
    decoded = Decoded(
        Sequences.of_lengths(tokens[is_content], np.bincount(hypothesis[is_content], minlength=n * width)),
        Sequences.of_lengths(scores, lengths),
        np.full(n, width, np.int64),
        total,
        total / length_penalty(lengths, penalty),
        cut.reshape(-1),
    )
    return decoded if width == 1 else _best(decoded, _exist(parts, n), n_best)


def _follow_back(parts: list[Part], n: int) -> list[Part]:
    """The parts with each hypothesis in one place, where it stands in the last part of its source."""
    width = parts[0].tokens.shape[1]
    if width == 1 or len(parts) == 1:
        return parts
    place = np.tile(np.arange(width), (n, 1))
    followed = []
    for part in reversed(parts):
        at = place[part.rows]
        tokens = np.take_along_axis(part.tokens, at[..., None], axis=1)
        followed.append(part._replace(tokens=tokens, scores=np.take_along_axis(part.scores, at[..., None], axis=1)))
        place[part.rows] = at if part.origin is None else np.take_along_axis(part.origin, at, axis=1)
    return followed[::-1]


def _present(
    parts: list[Part], n: int, n_steps: int, end: int | None
) -> tuple[list[NDArray[np.bool_]], NDArray[np.bool_]]:
    """Which steps of each part belong to its hypotheses, ends included, and which hypotheses were cut `(n, width)`."""
    width = parts[0].tokens.shape[1]
    cut = np.zeros((n, width), np.bool_)
    if end is None:
        return [np.ones(part.tokens.shape, np.bool_) for part in parts], cut
    is_open, present = np.ones((n, width), np.bool_), []
    for part in parts:
        is_end = part.tokens == end
        before = np.cumsum(is_end, axis=2) - is_end
        present.append((before == 0) & is_open[part.rows][..., None])
        is_open[part.rows] &= ~is_end.any(axis=2)
    if sum(part.tokens.shape[2] for part in parts) == n_steps:
        rows = parts[-1].rows
        cut[rows] = is_open[rows]
        present[-1][..., -1] &= ~cut[rows]
    return present, cut


def _end_to_end(parts: list[Part], present: list[NDArray[np.bool_]]) -> tuple[Rows, Values, Values]:
    """The number of the hypothesis, the token and the score of each step that is present, by hypothesis."""
    width = parts[0].tokens.shape[1]
    places = [(part.rows[:, None] * width + np.arange(width))[..., None] for part in parts]  # k x width x 1
    hypothesis, tokens, scores = (
        np.concatenate([np.broadcast_to(array, mask.shape)[mask] for array, mask in zip(arrays, present, strict=True)])
        for arrays in (places, [part.tokens for part in parts], [part.scores for part in parts])
    )
    if len(parts) == 1:
        return hypothesis, tokens, scores
    order = np.argsort(hypothesis, kind="stable")
    return hypothesis[order], tokens[order], scores[order]


def _exist(parts: list[Part], n: int) -> NDArray[np.bool_]:
    """Which hypotheses exist, `(n, width)`; that one does not may be told by a step after its end."""
    exist = np.ones((n, parts[0].tokens.shape[1]), np.bool_)
    for part in parts:
        exist[part.rows] &= (part.scores != -np.inf).all(axis=2)
    return exist


def _best(decoded: Decoded, exist: NDArray[np.bool_], n_best: int) -> Decoded:
    """The `n_best` hypotheses of each source that exist, by their ranks."""
    n, width = exist.shape
    rank = np.where(exist, decoded.rank.reshape(n, width), -np.inf)
    order = np.argsort(-rank, axis=1, kind="stable") + width * np.arange(n)[:, None]
    counts = np.clip(exist.sum(axis=1), 1, n_best)
    return decoded.take_hypotheses(order[np.arange(width) < counts[:, None]], counts)
