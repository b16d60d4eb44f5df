"""Models that are tables: the logits after each history are drawn at random, others for each source."""

import itertools
import math
from typing import Any

import numpy as np

from tasks.seq2seq.inference.search.step_function import Encoded


class Tables:
    """`n` sources, each the number of its table; `histories` is how many a table tells apart."""

    def __init__(self, n, vocabulary, histories, *, seed=0, spread=1.5, digits=None):
        """With `digits`, logits are rounded, so that many are equal."""
        logits = np.random.default_rng(seed).normal(0, spread, (n, histories, vocabulary))
        self.logits = (logits if digits is None else logits.round(digits) + 0.0).astype(np.float32)  # no -0.0
        self.n, self.vocabulary, self.histories = n, vocabulary, histories

    def favour(self, token, extra):
        """Makes a token likelier after every history, by `extra` of each source, or of all."""
        self.logits[..., token] += np.broadcast_to(extra, (self.n,))[:, None]
        return self

    def after(self, code, token):
        """The number of a history that has a token more."""
        return (code * self.vocabulary + token + 1) % self.histories

    def encoded(self, sources=None):
        """What a search starts from: for each source the number of its table, and of a history of nothing yet."""
        sources = np.arange(self.n) if sources is None else np.asarray(sources)
        return Encoded([sources, np.full(len(sources), -1)], [sources])

    def step(self, tokens, state, memory):
        """The step function; the memory holds the sources as the state does, so that it sees both taken alike."""
        source, code = state
        assert (source.reshape(len(memory[0]), -1) == memory[0][:, None]).all()
        code = np.where(code < 0, 0, self.after(code, tokens))
        return self.scores(source, code).astype(np.float32), [source, code]

    def scores(self, source, code):
        """Log-probabilities `(..., vocabulary)` in 64 bits."""
        logits = self.logits[source, code].astype(np.float64)
        logits = logits - logits.max(axis=-1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


class Counted(Tables):
    """A table that keeps how many rows each step was taken for."""

    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        self.rows = []

    def step(self, tokens, state, memory):
        self.rows.append(len(tokens))
        return super().step(tokens, state, memory)


def by_source(decoded):
    """For each source its hypotheses: tokens, rank, and whether it was cut."""
    rows = zip(rows_of(decoded.tokens), decoded.rank.tolist(), decoded.at_limit.tolist(), strict=True)
    return [list(itertools.islice(rows, count)) for count in decoded.counts.tolist()]


def rows_of(sequences):
    return [tuple(sequences[i].tolist()) for i in range(len(sequences))]


def penalised(total, length, power):
    return total / ((5 + length) / 6) ** power


def beam_in_python(table, source, n_steps, end, width, power):
    """Beam search as one would write it down, to the last step: tokens, rank and whether it was cut, the best first."""
    beam: list[Any] = [((), 0.0, 0, None)]  # tokens, total, code, rank once ended
    for i in range(n_steps):
        candidates = []
        for tokens, total, code, rank in beam:
            if rank is not None:
                candidates.append((rank, (tokens, total, code, rank)))
                continue
            scores = table.scores(source, code)
            last = end is not None and i + 1 == n_steps
            for token in [int(scores.argmax())] if last else range(len(scores)):
                now = penalised(total + scores[token], i + 1, power)
                ended = now if token == end else None
                longer = (*tokens, token)
                candidates.append((now, (longer, total + scores[token], table.after(code, token), ended)))
        candidates.sort(key=lambda candidate: -candidate[0])
        beam = [hypothesis for _, hypothesis in candidates[:width]]
    return sorted((finish(table, source, hypothesis, end, power) for hypothesis in beam), key=lambda row: -row[1])


def finish(table, source, hypothesis, end, power):
    tokens, total, _, rank = hypothesis
    if rank is not None:
        return tokens[:-1], rank, False
    if end is None:
        return tokens, penalised(total, len(tokens), power), False
    return tokens[:-1], penalised(total_of(table, source, tokens[:-1]), len(tokens) - 1, power), True


def total_of(table, source, tokens):
    code, total = 0, 0.0
    for token in tokens:
        total += table.scores(source, code)[token]
        code = table.after(code, token)
    return total


def all_sequences(table, source, n_steps, end, power):
    """Every sequence there is with its rank, the best first; after so many tokens that only an end may follow, the
    likeliest token tells whether it ends or is cut.
    """
    content = [token for token in range(table.vocabulary) if token != end]
    if end is None:
        every = itertools.product(content, repeat=n_steps)
        rows = [(tokens, penalised(total_of(table, source, tokens), n_steps, power), False) for tokens in every]
        return sorted(rows, key=lambda row: -row[1])
    rows = []
    for length in range(n_steps):
        for tokens in itertools.product(content, repeat=length):
            ended = penalised(total_of(table, source, (*tokens, end)), length + 1, power)
            if length + 1 < n_steps:
                rows.append((tokens, ended, False))
                continue
            code = 0
            for token in tokens:
                code = table.after(code, token)
            cut = table.scores(source, code).argmax() != end
            rows.append(
                (tokens, penalised(total_of(table, source, tokens), length, power) if cut else ended, bool(cut))
            )
    return sorted(rows, key=lambda row: -row[1])


def greedy_in_python(table, source, n_steps, end):
    """Tokens, the log-probability of each with the end's, and whether it was cut."""
    tokens, scores, code = [], [], 0
    for _ in range(n_steps):
        row = table.scores(source, code)
        token = int(table.logits[source, code].argmax())
        scores.append(row[token])
        if token == end:
            return tuple(tokens), scores, False
        tokens.append(token)
        code = table.after(code, token)
    if end is None:
        return tuple(tokens), scores, False
    return tuple(tokens[:-1]), scores[:-1], True


def is_close(value, other):
    return math.isclose(value, other, rel_tol=0, abs_tol=2e-5)
