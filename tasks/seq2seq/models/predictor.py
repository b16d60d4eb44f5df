"""Predictions of any number of sources, in batches of like lengths that are decoded side by side.

A row's prediction is its own: it does not depend on what it is batched with, nor on order, padding or threads.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tasks.seq2seq.arrays.hashing import Hashes
from tasks.seq2seq.arrays.random_draws import source_keys
from tasks.seq2seq.arrays.sequences import Rows, Sequences
from tasks.seq2seq.cpu import available_cores
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.collate import source_array
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.models.acceleration import has_gpu
from tasks.seq2seq.models.decoding import (
    MAX_LOGITS,
    forecast,
    model_step,
    n_states,
    split_encoded,
)
from tasks.seq2seq.models.decoding_methods import METHODS
from tasks.seq2seq.models.hypotheses import Decoded, rank_hypotheses
from tasks.seq2seq.models.segments import BATCH_SIZES, SegmentDecoder, filled, fitting_size
from tasks.seq2seq.models.tensors import Tensor
from tasks.seq2seq.settings.decoding import DecodingSettings

# Hypotheses of a batch at most: as many rows go through the decoder at once.
MAX_ROWS = 2_560
# The memories of a batch are kept below this many numbers (256 MB).
MAX_MEMORY = 64_000_000
# Numbers a logit takes while a token is drawn: its weight and what these add up to, in 64 bits.
NUMBERS_OF_A_DRAW = 4


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
    """

    sequences: Sequences
    log_probability: NDArray[np.float32] | None
    token_log_probability: Sequences | None = None
    at_limit: NDArray[np.bool_] | None = None
    alternatives: Alternatives | None = None
    states: NDArray[np.float32] | None = None


class _Answer(NamedTuple):
    """Of a batch: hypotheses, or standardised vectors `(n, steps, features)`; and the encoder's state."""

    decoded: Any
    states: list[NDArray[np.float32]]


class _TokenDecoder:
    """Decodes a batch of sources to tokens."""

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        target: Vocabulary,
        n_steps: int,
        decoding: DecodingSettings,
        *,
        xla: bool,
    ) -> None:
        if decoding.max_length is not None and target.end is not None:
            n_steps = decoding.max_length + 1
        self.sizes = _batch_sizes(target, decoding)
        method = METHODS[decoding.method]
        self._search = method.search(model_step(decoder), decoding, n_steps, target.end)
        self._decoding = decoding
        self._segments = SegmentDecoder(
            lambda sources: split_encoded(encoder(sources), decoder),
            self._search,
            target.start,
            _source_spec(encoder),
            sizes=self.sizes,
            xla=xla,
            draws=method.draws,
        )

    def decode(self, sources: NDArray[Any], keys: Hashes | None, with_states: bool) -> _Answer:
        search, decoding = self._search, self._decoding
        parts, states = self._segments.decode(sources, keys, with_states=with_states)
        return _Answer(
            rank_hypotheses(parts, len(sources), search.n_steps, search.end, decoding.length_penalty, decoding.n_best),
            states,
        )


class _VectorDecoder:
    """Decodes a batch of sources to real vectors."""

    sizes = BATCH_SIZES

    def __init__(self, encoder: keras.Model, decoder: keras.Model, n_steps: int, *, xla: bool) -> None:
        def graph(sources: Tensor) -> tuple[Tensor, list[Tensor]]:
            state, memory = split_encoded(encoder(sources), decoder)
            return forecast(decoder, state, memory, n_steps), state

        self._graph = tf.function(graph, input_signature=[_source_spec(encoder)], jit_compile=xla, autograph=False)

    def decode(self, sources: NDArray[Any], _keys: Hashes | None, with_states: bool) -> _Answer:
        n = len(sources)
        vectors, states = self._graph(filled(sources, fitting_size(n, self.sizes)))
        return _Answer(vectors.numpy()[:n], [part.numpy()[:n] for part in states] if with_states else [])


def _source_spec(encoder: keras.Model) -> tf.TensorSpec:
    return tf.TensorSpec(encoder.inputs[0].shape, encoder.inputs[0].dtype)


def _batch_sizes(target: Vocabulary, decoding: DecodingSettings) -> tuple[int, ...]:
    """Sources of a batch, ascending, so that its hypotheses and their logits stay within bounds."""
    method = METHODS[decoding.method]
    numbers = target.size * (NUMBERS_OF_A_DRAW if method.draws else 1)
    largest = max(1, min(MAX_ROWS, MAX_LOGITS // numbers) // method.width(decoding))
    return tuple(sorted({min(size, largest) for size in BATCH_SIZES}))


def _memory_size(decoder: keras.Model, decoding: DecodingSettings) -> int:
    """Numbers that the decoder keeps of a source for each of its steps, 0 without attention."""
    numbers: int = sum(part.shape[-1] for part in decoder.inputs[1 + n_states(decoder) : -1])
    return METHODS[decoding.method].width(decoding) * numbers


def _batches(lengths: Rows, sizes: tuple[int, ...], memory: int) -> list[slice]:
    """Sources in order, in batches of at most the largest size whose memories together stay within bounds."""
    batches, first = [], 0
    while first < len(lengths):
        size = next(
            (
                size
                for size in reversed(sizes)
                if size * memory * (int(np.max(lengths[first : first + size])) + 1) <= MAX_MEMORY
            ),
            sizes[0],
        )
        batches.append(slice(first, min(first + size, len(lengths))))
        first += size
    return batches


class Predictor:
    """Decodes any number of sources; threads may share one."""

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        codecs: Codecs,
        n_steps: int,
        decoding: DecodingSettings = DecodingSettings(),  # noqa: B008 - it never changes
        *,
        xla: bool = True,
        threads: int | None = None,
    ) -> None:
        """Takes the models and how to decode.

        Args:
            encoder: the inference encoder.
            decoder: the inference decoder.
            codecs: of both sides.
            n_steps: time steps to decode at most; `decoding.max_length` overrides it where sequences end.
            decoding: the method and its settings.
            xla: compile for each length of sources and each batch size: slower to start, faster then. Not done on a
                GPU, whose kernels for recurrent layers cannot be compiled.
            threads: batches that are decoded side by side (one a core): the products of a narrow model are too
                small to share.
        """
        xla = xla and not has_gpu()
        self._codecs, self._decoding, self._threads = codecs, decoding, threads or available_cores()
        widths = [part.shape[-1] for part in decoder.inputs[1:] if part.name.startswith("state_")]
        self._n_states, self._state_size = len(widths), sum(widths)
        self._memory_size = _memory_size(decoder, decoding)
        self._decoder: _TokenDecoder | _VectorDecoder
        if isinstance(codecs.target, Vocabulary):
            self._decoder = _TokenDecoder(encoder, decoder, codecs.target, n_steps, decoding, xla=xla)
        else:
            self._decoder = _VectorDecoder(encoder, decoder, n_steps, xla=xla)

    def predict(self, source: Sequences, *, with_states: bool = False) -> Predictions:
        """Predictions of sources.

        Args:
            source: as the source's codec encodes them.
            with_states: give the encoder's states too.
        """
        largest, back = self._decoder.sizes[-1], None
        if len(source) > largest and not source.is_uniform:
            order = np.argsort(source.lengths, kind="stable")
            source, back = source.take(order), np.argsort(order, kind="stable")
        keys = source_keys(source, self._decoding.seed) if METHODS[self._decoding.method].draws else None

        def decode(part: slice) -> _Answer:
            sources = source_array(source.part(part.start, part.stop), self._codecs.source)
            return self._decoder.decode(sources, None if keys is None else keys[part], with_states)

        answers = self._side_by_side(decode, _batches(source.lengths, self._decoder.sizes, self._memory_size))
        states = self._states(answers, back) if with_states else None
        if isinstance(self._codecs.target, Scaling):
            vectors = _joined([answer.decoded for answer in answers], (0, 1, self._codecs.target.features), back)
            return Predictions(Sequences.of_rows(self._codecs.target.restore(vectors)), None, states=states)
        decoded = Decoded.concatenate([answer.decoded for answer in answers]) if answers else Decoded.nothing()
        return _predictions(decoded if back is None else decoded.take(back), self._decoding.n_best, states)

    def _side_by_side(self, decode: Callable[[slice], _Answer], batches: list[slice]) -> list[_Answer]:
        if len(batches) == 1:  # as in a service, where starting threads would take as long as decoding
            return [decode(batches[0])]
        with ThreadPoolExecutor(max_workers=self._threads) as pool:
            return list(pool.map(decode, batches))

    def _states(self, answers: list[_Answer], back: Rows | None) -> NDArray[np.float32]:
        joined = [np.concatenate(answer.states[: self._n_states], axis=1) for answer in answers]
        return _joined(joined, (0, self._state_size), back)


def _joined(arrays: list[NDArray[Any]], empty: tuple[int, ...], back: Rows | None) -> NDArray[Any]:
    """The rows of all arrays in the order `back`; zeros of the shape `empty` where there are none."""
    joined = np.concatenate(arrays) if arrays else np.zeros(empty, np.float32)
    return joined if back is None else joined[back]


def _predictions(decoded: Decoded, n_best: int, states: NDArray[np.float32] | None) -> Predictions:
    best = decoded if n_best == 1 else decoded.best()
    alternatives = Alternatives(
        decoded.tokens, decoded.counts, decoded.log_probability.astype(np.float32), decoded.rank.astype(np.float32)
    )
    return Predictions(
        best.tokens,
        best.log_probability.astype(np.float32),
        best.scores,
        best.at_limit,
        None if n_best == 1 else alternatives,
        states,
    )
