"""What a search has found: the hypotheses of each source with their scores."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.aliases import Floats
from tasks.seq2seq.arrays.sequences import Rows, Sequences
from tasks.seq2seq.inference.search.step_function import Array


class Turn(NamedTuple):
    """What a time step added: to which hypotheses, which tokens, int32, and their log-probability, float32, `(k,)`."""

    hypotheses: Array
    tokens: Array
    scores: Array


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
        """What is found for no sources."""
        return cls.of_turns([Turn(np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32))], 0, 2, None)

    @classmethod
    def of_turns(cls, turns: list[Turn], n: int, n_steps: int, end: int | None, penalty: float = 0.0) -> Decoded:
        """One hypothesis each of `n` sources.

        Args:
            turns: what each time step added, at least one; nothing is added to what has ended.
            n: hypotheses.
            n_steps: time steps to decode at most. Where there is an end, what took them all without one is cut by a
                token, and its log-probability is that of the tokens left.
            end: the token that ends a sequence, or None.
            penalty: the power of the length penalty.
        """
        if end is None:
            return cls._all_of_one_length(turns, n, penalty)
        at_limit = np.zeros(n, np.bool_)
        if len(turns) == n_steps:
            last = turns[-1]
            has_ended = last.tokens == end
            at_limit[last.hypotheses[~has_ended]] = True
            turns = [*turns[:-1], Turn(*(part[has_ended] for part in last))]
        hypotheses, tokens, scores = (np.concatenate(parts) for parts in zip(*turns, strict=True))
        order = np.argsort(hypotheses, kind="stable")
        lengths = np.bincount(hypotheses, minlength=n)
        total = np.bincount(hypotheses, scores, minlength=n).astype(np.float64)  # so also of no steps
        is_end = tokens == end
        ends = np.bincount(hypotheses[is_end], minlength=n)
        return cls(
            Sequences.of_lengths(tokens[order][~is_end[order]], lengths - ends),
            Sequences.of_lengths(scores[order], lengths),
            np.ones(n, np.int64),
            total,
            total / length_penalty(lengths, penalty),
            at_limit,
        )

    @classmethod
    def _all_of_one_length(cls, turns: list[Turn], n: int, penalty: float) -> Decoded:
        """Hypotheses to which each turn has added a token, in their order."""
        tokens, scores = _columns([turn.tokens for turn in turns]), _columns([turn.scores for turn in turns])
        total = scores.sum(axis=1, dtype=np.float64)
        sequences = Sequences.of_rows(tokens)
        return cls(
            sequences,
            Sequences(scores.reshape(-1), sequences.offsets),
            np.ones(n, np.int64),
            total,
            total / length_penalty(tokens.shape[1], penalty),
            np.zeros(n, np.bool_),
        )

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


def _columns(arrays: list[Array]) -> Array:
    """Arrays `(n,)` side by side, `(n, arrays)`, row after row in memory, as sums depend on that."""
    return np.concatenate(arrays).reshape(len(arrays), -1).T.copy()


def length_penalty(length: Any, power: float) -> Any:  # noqa: ANN401 - a number or an array
    """What the log-probability of a sequence of `length` tokens is divided by: ((5 + length) / 6) ** power."""
    return ((5.0 + length) / 6.0) ** power
