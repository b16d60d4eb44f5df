"""Predictions of any number of sources, in batches of like lengths that are decoded side by side.

A row's prediction is its own: it does not depend on what it is batched with, nor on order, padding or threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.hashing import Hashes
from tasks.seq2seq.arrays.random_draws import source_keys
from tasks.seq2seq.arrays.sequences import Rows, Sequences
from tasks.seq2seq.cpu import available_cores
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.quantiles import MEDIAN, Quantiles, blocks
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.inference.batches import MOST_SCORES, MOST_SOURCES, Batch, batches
from tasks.seq2seq.inference.engine import Engine
from tasks.seq2seq.inference.search.hypotheses import Decoded
from tasks.seq2seq.inference.search.methods import METHODS, Search
from tasks.seq2seq.inference.search.step_by_step import forecast
from tasks.seq2seq.inference.search.step_function import Encoded
from tasks.seq2seq.settings.decoding import DecodingSettings

# Hypotheses of a batch at most: as many rows go through the decoder at once.
MOST_ROWS = 2_560


class Alternatives(NamedTuple):
    """The best hypotheses of each source, the best first, source after source.

    sequences: tokens without start and end.
    counts: how many each source has, `(n,)`: fewer than asked for where there are no more sequences.
    log_probability: `(total,) float32`, natural.
    score: the log-probability over the length penalty, by which they are ordered, `(total,) float32`.
    """

    sequences: Sequences
    counts: Rows
    log_probability: NDArray[np.float32]
    score: NDArray[np.float32]


class Predictions(NamedTuple):
    """Decoded sequences, in the order of their sources; vectors have no more than `sequences` and `states`.

    sequences: tokens without start and end, or vectors in original units.
    log_probability: `(n,) float32`, natural; of the tokens of `sequences`, and the end where there is one.
    token_log_probability: its parts, float32; one a token, the end's too where the sequence ended.
    at_limit: which were cut off, as they did not end by themselves, `(n,) bool`.
    alternatives: the best hypotheses, where more than one is asked for.
    states: the decoder's first, as the encoder gives it, its parts side by side in the order of the decoder's inputs
        (`state_h` and `state_c` of one LSTM layer), `(n, numbers) float32`, where asked for.
    quantiles: vectors in original units by quantile, ascending, without the median, which is `sequences`.
    """

    sequences: Sequences
    log_probability: NDArray[np.float32] | None
    token_log_probability: Sequences | None = None
    at_limit: NDArray[np.bool_] | None = None
    alternatives: Alternatives | None = None
    states: NDArray[np.float32] | None = None
    quantiles: Mapping[float, Sequences] = MappingProxyType({})


class _Answer(NamedTuple):
    """What comes of a batch: hypotheses, or standardised vectors `(n, steps, outputs)`; the state if asked."""

    decoded: Any
    state: NDArray[np.float32] | None


class Predictor:
    """Decodes any number of sources; threads may share one."""

    def __init__(
        self,
        engine: Engine,
        codecs: Codecs,
        n_steps: int,
        decoding: DecodingSettings = DecodingSettings(),  # noqa: B008 - it never changes
        *,
        threads: int | None = None,
    ) -> None:
        """Takes the model and how to decode.

        Args:
            engine: the model.
            codecs: of both sides.
            n_steps: time steps to decode at most; `decoding.max_length` overrides it where sequences end.
            decoding: the method and its settings.
            threads: batches that are decoded side by side (one a core).
        """
        self._engine, self._codecs, self._decoding = engine, codecs, decoding
        self._threads = threads or available_cores()
        limited = decoding.max_length is not None and codecs.target.has_end
        self._n_steps = decoding.max_length + 1 if limited and decoding.max_length else n_steps
        self._method = METHODS[decoding.method]
        self._width = self._method.width(decoding)

    def predict(
        self, source: Sequences, *, ahead: NDArray[np.float64] | None = None, with_states: bool = False
    ) -> Predictions:
        """Predictions of sources.

        Args:
            source: as the source's codec encodes them.
            ahead: what is known of each target step beforehand, `(n, steps, features)`, where the model is given it.
            with_states: give the encoder's states too.
        """
        back = None
        if not source.is_uniform:
            order = np.argsort(source.lengths, kind="stable")
            source, back = source.take(order), np.argsort(order, kind="stable")
            ahead = None if ahead is None else ahead[order]
        known = self._codecs.standardised_ahead(ahead)
        keys = source_keys(source, self._decoding.seed) if self._method.draws else None
        steps = source.lengths + self._codecs.source.has_end

        def decode(batch: Batch) -> _Answer:
            sources = source.part(batch.part.start, batch.part.stop)
            encoded = self._engine.encode(self._codecs.source.source_array(sources, batch.width))
            part = batch.part
            found = self._decode(encoded, None if keys is None else keys[part], None if known is None else known[part])
            state = np.concatenate(encoded.state, axis=1)[:, : self._engine.state_size] if with_states else None
            return _Answer(found, state)

        answers = self._side_by_side(decode, batches(self._engine, steps, self._most_sources(), self._width))
        states, target = None, self._codecs.target
        if with_states:
            states = _joined([answer.state for answer in answers], (0, self._engine.state_size), back)
        if isinstance(target, Scaling):
            empty = (0, 1, self._engine.architecture.outputs)
            vectors = _joined([answer.decoded for answer in answers], empty, back)
            return _forecasts(vectors, target, self._engine.architecture.quantiles, states)
        decoded = Decoded.concatenate([answer.decoded for answer in answers]) if answers else Decoded.nothing()
        decoded = decoded if back is None else decoded.take(back)
        return _predictions(decoded, self._decoding.n_best, states)

    def _most_sources(self) -> int:
        numbers = max(1, self._codecs.target.size)
        return min(MOST_SOURCES, max(1, min(MOST_ROWS, MOST_SCORES // numbers) // self._width))

    def _decode(self, encoded: Encoded, keys: Hashes | None, ahead: NDArray[np.float32] | None) -> Any:  # noqa: ANN401 - see `_Answer`
        target = self._codecs.target
        if isinstance(target, Vocabulary):
            search = Search(encoded, target.start, self._n_steps, target.end, keys)
            return self._method.search(self._engine.step, search, self._decoding)
        return forecast(self._engine.step, encoded, target.features, self._n_steps, ahead)

    def _side_by_side(self, decode: Callable[[Batch], _Answer], parts: list[Batch]) -> list[_Answer]:
        if len(parts) <= 1 or self._threads == 1:  # as in a service, where starting threads takes as long as decoding
            return [decode(part) for part in parts]
        with ThreadPoolExecutor(max_workers=self._threads) as pool:
            return list(pool.map(decode, parts))


def _joined(arrays: list[Any], empty: tuple[int, ...], back: Rows | None) -> NDArray[Any]:
    """The rows of all arrays in the order `back`; an array of the shape `empty` where there are none."""
    joined = np.concatenate(arrays) if arrays else np.zeros(empty, np.float32)
    return joined if back is None else joined[back]


def _forecasts(
    vectors: NDArray[np.float32], scaling: Scaling, quantiles: Quantiles, states: NDArray[np.float32] | None
) -> Predictions:
    """Standardised vectors `(n, steps, outputs)` in original units."""
    restored = {
        quantile: Sequences.of_rows(scaling.restore(block)) for quantile, block in blocks(vectors, quantiles).items()
    }
    return Predictions(restored.pop(MEDIAN), None, states=states, quantiles=restored)


def _predictions(decoded: Decoded, n_best: int, states: NDArray[np.float32] | None) -> Predictions:
    best, alternatives = decoded, None
    if n_best > 1:
        best, ranks = decoded.best(), decoded.rank.astype(np.float32)
        alternatives = Alternatives(decoded.tokens, decoded.counts, decoded.log_probability.astype(np.float32), ranks)
    total = best.log_probability.astype(np.float32)
    return Predictions(best.tokens, total, best.scores, best.at_limit, alternatives, states)
