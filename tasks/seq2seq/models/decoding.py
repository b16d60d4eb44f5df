"""Decoding over a step function, one token at a time: the likeliest, or one drawn; vectors step by step.

A step function maps `(tokens, state, memory) -> (logits, state)`: tokens `(rows,) int32`, logits
`(rows, vocabulary) float32`, a state of tensors `(rows, ...)`, and a memory of such tensors that all steps read and
none changes. Keras supplies one; a test supplies a table.

A batch is decoded in segments, some steps at a call, so that between them sequences that have ended can be
dropped. A search begins from the encoder's state and goes on from what its last segment carries.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import keras
import tensorflow as tf
from keras import ops

from tasks.seq2seq.models.tensors import UNROLLED_STEPS, Tensor

StepFunction = Callable[[Tensor, Any, list[Tensor]], tuple[Tensor, Any]]
# Logits `(rows, vocabulary)` and numbers in [0, 1) `(rows,) float64`, or None where nothing is drawn, to tokens
# `(rows,) int32` and their log-probability `(rows,) float32`.
Choice = Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor]]

# Steps between two looks at which sequences have ended.
SEGMENT_STEPS = 16
# Colder, the likeliest token is drawn in any case, and a still smaller divisor may be taken for 0.
COLDEST = 1e-30
# Logits of one batch are kept below this many numbers (256 MB) where they are all needed at once.
MAX_LOGITS = 64_000_000


class Segment(NamedTuple):
    """Some steps of a decode: of each source, `width` hypotheses, which is 1 but for beam search.

    tokens: `(sources, width, steps) int32`; after an end, the end again.
    scores: `(sources, width, steps) float32`, the log-probability of each token: 0 after an end, and -inf in a
        hypothesis that does not exist, as there are fewer sequences than hypotheses.
    carry: what the next segment goes on from, tensors `(sources, ...)`; none where all is decoded in one.
    taken: `() int32`; steps of `tokens` and `scores` beyond so many mean nothing. None: all were taken.
    done: `(sources,) bool`, whether more steps would change nothing. None: there are no more.
    origin: `(sources, width) int32`, the hypothesis before this segment that each one goes on from. None: itself.
    """

    # Nothing is told that the caller knows: with XLA, one output more may keep batches from running side by side.
    tokens: Tensor
    scores: Tensor
    carry: list[Tensor]
    taken: Tensor | None = None
    done: Tensor | None = None
    origin: Tensor | None = None


class Search(Protocol):
    """A way to decode a batch; both methods give at most `segment_steps(n_steps)` steps.

    width: hypotheses of each source. n_steps: time steps to decode at most. end: the token that ends a sequence.
    """

    width: int
    n_steps: int
    end: int | None

    def begin(self, state: Any, memory: list[Tensor], start: Tensor, uniform: Tensor | None = None) -> Segment:  # noqa: ANN401
        """The first segment.

        Args:
            state: the decoder's first state, tensors `(sources, ...)`.
            memory: what its steps read of each source, tensors `(sources, ...)`.
            start: the token that each sequence starts from, `(sources,) int32`.
            uniform: numbers in [0, 1) to draw by, `(sources, steps) float64`.
        """

    def go_on(self, carry: list[Tensor], memory: list[Tensor], taken: Tensor, uniform: Tensor | None = None) -> Segment:
        """The next segment, after `taken` `() int32` steps."""


def segment_steps(n_steps: int) -> int:
    """Time steps of a segment, of a decode of so many at most."""
    return min(n_steps, SEGMENT_STEPS)


def likeliest(logits: Tensor, _uniform: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The choice of greedy decoding; of equally likely tokens the first."""
    # The chosen logit is the largest, so its log-softmax needs no gather.
    score = tf.reduce_max(logits, axis=1) - tf.reduce_logsumexp(logits, axis=1)
    return tf.argmax(logits, axis=1, output_type=tf.int32), score


def sampler(temperature: float = 1.0, top_k: int | None = None) -> Choice:
    """The choice that draws a token by its probability, softmax(logits / temperature).

    Args:
        temperature: below 1 likely tokens become likelier, above 1 less so.
        top_k: tokens to draw among, the likeliest; None means all.

    Returns:
        A choice by inverse cumulative distribution. The log-probability that it gives is the model's own,
        whatever the temperature and `top_k`.
    """

    def draw(logits: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
        among, ids = logits, None
        if top_k is not None:
            among, ids = tf.math.top_k(logits, min(top_k, logits.shape[-1]))
        # In 64 bits, as many small weights add up.
        distance = tf.cast(among, tf.float64) - tf.cast(tf.reduce_max(among, axis=1, keepdims=True), tf.float64)
        weights = tf.exp(distance / max(temperature, COLDEST))
        # A token of no weight has no reach: sums that are made side by side are rounded apart, also over it. The
        # largest reach times a number below 1 is below it also when rounded, so that some token reaches further.
        reach = tf.where(weights > 0, tf.cumsum(weights, axis=1), -1.0)
        drawn = uniform[:, None] * tf.reduce_max(reach, axis=1, keepdims=True)
        place = tf.argmax(reach > drawn, axis=1, output_type=tf.int32)
        score = tf.gather(among, place, batch_dims=1) - tf.reduce_logsumexp(logits, axis=1)
        return place if ids is None else tf.gather(ids, place, batch_dims=1), score

    return draw


def _unrolled(
    step: StepFunction,
    choose: Choice,
    state: Any,  # noqa: ANN401
    memory: list[Tensor],
    last: Tensor,
    size: int,
    uniform: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Tokens and scores `(rows, size)`."""
    tokens, scores = [], []
    for i in range(size):
        logits, state = step(last, state, memory)
        last, score = choose(logits, None if uniform is None else uniform[:, i])
        tokens.append(last)
        scores.append(score)
    return ops.stack(tokens, axis=1), ops.stack(scores, axis=1)


class _Loop(NamedTuple):
    """What a loop leaves: `tokens` and `scores` `(rows, size)`, steps taken, which rows ended, the last tokens."""

    tokens: Tensor
    scores: Tensor
    taken: Tensor
    ended: Tensor
    last: Tensor
    state: Any


def _looped(
    step: StepFunction,
    choose: Choice,
    state: Any,  # noqa: ANN401
    memory: list[Tensor],
    last: Tensor,
    size: int,
    limit: Tensor,
    end: int | None,
    uniform: Tensor | None,
) -> _Loop:
    """As many steps as `limit`, `size` at most, and none once all rows have ended."""

    def is_going_on(taken: Tensor, _last: Tensor, ended: Tensor, *_: Any) -> Tensor:  # noqa: ANN401
        return tf.logical_and(taken < limit, tf.logical_not(tf.reduce_all(ended)))

    def advance(taken: Tensor, last: Tensor, ended: Tensor, tokens: Any, scores: Any, state: Any) -> tuple[Any, ...]:  # noqa: ANN401
        logits, state = step(last, state, memory)
        last, score = choose(logits, None if uniform is None else uniform[:, taken])
        if end is not None:
            last, score = tf.where(ended, end, last), tf.where(ended, 0.0, score)
        tokens, scores = tokens.write(taken, last), scores.write(taken, score)
        return taken + 1, last, ended if end is None else tf.equal(last, end), tokens, scores, state

    rows = tf.shape(last)[0]
    # Filled up beforehand: XLA wants shapes that do not depend on the steps taken.
    tokens, scores = (
        tf.TensorArray(kind, size=size, element_shape=(None,)).unstack(tf.fill((size, rows), tf.constant(filler, kind)))
        for kind, filler in ((tf.int32, end or 0), (tf.float32, 0.0))
    )
    first = (tf.constant(0), last, tf.zeros((rows,), tf.bool), tokens, scores, state)
    taken, last, ended, tokens, scores, state = tf.while_loop(is_going_on, advance, first)
    return _Loop(tf.transpose(tokens.stack()), tf.transpose(scores.stack()), taken, ended, last, state)


class StepByStep:
    """Greedy decoding and sampling: one hypothesis a source, one choice a step."""

    width = 1

    def __init__(self, step: StepFunction, choose: Choice, n_steps: int, end: int | None) -> None:
        """Takes the step function, the choice, the steps to decode at most, and the token that ends a sequence."""
        self.n_steps, self.end = n_steps, end
        self._step, self._choose = step, choose

    def begin(self, state: Any, memory: list[Tensor], start: Tensor, uniform: Tensor | None = None) -> Segment:  # noqa: ANN401
        """The first segment; see `Search`."""
        if self.end is None and self.n_steps <= UNROLLED_STEPS:
            tokens, scores = _unrolled(self._step, self._choose, state, memory, start, self.n_steps, uniform)
            return Segment(tokens[:, None], scores[:, None], [])
        return self.go_on([start, *state], memory, tf.constant(0), uniform)

    def go_on(self, carry: list[Tensor], memory: list[Tensor], taken: Tensor, uniform: Tensor | None = None) -> Segment:
        """The next segment; see `Search`."""
        last, *state = carry
        size = segment_steps(self.n_steps)
        limit = tf.minimum(size, self.n_steps - taken)
        loop = _looped(self._step, self._choose, state, memory, last, size, limit, self.end, uniform)
        carry = [loop.last, *loop.state]
        return Segment(loop.tokens[:, None], loop.scores[:, None], carry, loop.taken, loop.ended)


class Hypotheses(NamedTuple):
    """Decoded tokens `(batch, length) int32` and their log-probability `(batch,) float32`."""

    tokens: Tensor
    log_probability: Tensor


def greedy(
    step: StepFunction,
    state: Any,  # noqa: ANN401
    start: Tensor,
    n_steps: int,
    end: int | None = None,
    memory: tuple[Tensor, ...] | list[Tensor] = (),
) -> Hypotheses:
    """Takes the likeliest token at each time step, all steps in one graph.

    Args:
        step: the step function; the state may have any structure.
        state: the decoder's first state.
        start: the token that each sequence starts from, `(batch,) int32`.
        n_steps: time steps to decode at most.
        end: the token that ends a sequence; None decodes all steps. The steps after an end hold it again
            and change no log-probability, and none are taken once every sequence has ended.
        memory: what the step function reads.

    Returns:
        Tokens without the start, and the sum of their log-probabilities, the end's included.
    """
    if end is None and n_steps <= UNROLLED_STEPS:
        tokens, scores = _unrolled(step, likeliest, state, list(memory), start, n_steps, None)
    else:
        limit = tf.constant(n_steps)
        tokens, scores, *_ = _looped(step, likeliest, state, list(memory), start, n_steps, limit, end, None)
    return Hypotheses(tokens, tf.reduce_sum(scores, axis=1))


def n_states(decoder: keras.Model) -> int:
    """Tensors of an inference decoder's state; those of its memory follow among its inputs."""
    return sum(not tensor.name.startswith("memory") for tensor in decoder.inputs[1:])


def split_encoded(encoded: Any, decoder: keras.Model) -> tuple[list[Tensor], list[Tensor]]:  # noqa: ANN401
    """The decoder's first state and its memory, of the inference encoder's outputs."""
    encoded = list(encoded) if isinstance(encoded, list | tuple) else [encoded]  # a lone state is no list
    n = n_states(decoder)
    return encoded[:n], encoded[n:]


def model_step(decoder: keras.Model) -> StepFunction:
    """The step function of an inference decoder over tokens."""

    def step(tokens: Tensor, state: list[Tensor], memory: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        logits, *after = decoder([tokens[:, None], *state, *memory])  # batch x 1 x vocabulary
        return logits[:, 0], after[: len(state)]

    return step


def decode_graph(
    encoder: keras.Model, decoder: keras.Model, start: int, n_steps: int, end: int | None
) -> Callable[..., Hypotheses]:
    """The whole greedy decode as one function of sources `(batch, source_length[, features + 1])`."""

    def decode(source: Tensor) -> Hypotheses:
        first = ops.full((ops.shape(source)[0],), start, dtype="int32")
        state, memory = split_encoded(encoder(source), decoder)
        return greedy(model_step(decoder), state, first, n_steps, end, memory)

    return decode


def forecast(decoder: keras.Model, state: list[Tensor], memory: list[Tensor], n_steps: int) -> Tensor:
    """Real vectors `(batch, n_steps, features) float32` from the decoder's first state and its memory.

    Each step is given the vector predicted before, the first one zeros, as in training.
    """
    vector = ops.zeros((ops.shape(state[0])[0], 1, decoder.inputs[0].shape[-1]))
    decoded = []
    for _ in range(n_steps):
        vector, *after = decoder([vector, *state, *memory])  # batch x 1 x features
        state = after[: len(state)]
        decoded.append(vector)
    return ops.concatenate(decoded, axis=1)


def forecast_graph(encoder: keras.Model, decoder: keras.Model, n_steps: int) -> Callable[..., Tensor]:
    """The whole decode of real vectors as one function of sources."""
    return lambda source: forecast(decoder, *split_encoded(encoder(source), decoder), n_steps)
