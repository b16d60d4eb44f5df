"""Decoding of a whole batch, over a step function: greedy for tokens, step by step for vectors.

A step function maps `(tokens, state) -> (logits, state)`: tokens `(batch,) int32`, logits
`(batch, vocabulary) float32`, and a state of any structure. Keras supplies one; a test supplies a table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from tasks.seq2seq.cores import available_cores
from tasks.seq2seq.feeding import Codecs, source_array, training_batch, until_end
from tasks.seq2seq.models import Tensor
from tasks.seq2seq.scaling import Scaling
from tasks.seq2seq.sequences import Pairs, Sequences

StepFunction = Callable[[Tensor, Any], tuple[Tensor, Any]]

# Short decodes without an end are written out step by step, which runs a third faster than a loop.
UNROLLED_STEPS = 16
# Logits of one batch are kept below this many numbers (256 MB) where they are all needed at once.
MAX_LOGITS = 64_000_000


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
) -> Hypotheses:
    """Takes the likeliest token at each time step.

    Args:
        step: the step function.
        state: the decoder's first state.
        start: the token that each sequence starts from, `(batch,) int32`.
        n_steps: time steps to decode at most.
        end: the token that ends a sequence; None decodes all steps. The steps after an end hold it again
            and change no log-probability, and none are taken once every sequence has ended.

    Returns:
        Tokens without the start, and the sum of their log-probabilities, the end's included.
    """
    if end is None and n_steps <= UNROLLED_STEPS:
        tokens, decoded, log_probability = start, [], 0.0
        for _ in range(n_steps):
            tokens, score, state = _likeliest(step, tokens, state)
            log_probability += score
            decoded.append(tokens)
        return Hypotheses(ops.stack(decoded, axis=1), log_probability)
    return _greedy_loop(step, state, start, n_steps, end)


def _likeliest(step: StepFunction, tokens: Tensor, state: Any) -> tuple[Tensor, Tensor, Any]:  # noqa: ANN401
    logits, state = step(tokens, state)
    # The chosen logit is the largest, so its log-softmax needs no gather.
    score = ops.max(logits, axis=-1) - ops.logsumexp(logits, axis=-1)
    return ops.cast(ops.argmax(logits, axis=-1), "int32"), score, state


def _greedy_loop(step: StepFunction, state: Any, start: Tensor, n_steps: int, end: int | None) -> Hypotheses:  # noqa: ANN401
    def is_going_on(taken: Tensor, _tokens: Tensor, ended: Tensor, *_: Any) -> Tensor:  # noqa: ANN401
        return tf.logical_and(taken < n_steps, tf.logical_not(tf.reduce_all(ended)))

    def advance(
        taken: Tensor,
        tokens: Tensor,
        ended: Tensor,
        total: Tensor,
        decoded: tf.TensorArray,
        state: Any,  # noqa: ANN401
    ) -> tuple[Any, ...]:
        tokens, score, state = _likeliest(step, tokens, state)
        if end is not None:
            tokens = tf.where(ended, end, tokens)
        total += tf.where(ended, 0.0, score)
        decoded = decoded.write(taken, tokens)
        return taken + 1, tokens, ended if end is None else tf.equal(tokens, end), total, decoded, state

    size = tf.shape(start)[0]
    first = (
        tf.constant(0),
        start,
        tf.zeros((size,), tf.bool),
        tf.zeros((size,)),
        # Filled up beforehand: XLA wants shapes that do not depend on the steps taken.
        tf.TensorArray(tf.int32, size=n_steps, element_shape=(None,)).unstack(tf.fill((n_steps, size), end or 0)),
        state,
    )
    _, _, _, log_probability, decoded, _ = tf.while_loop(is_going_on, advance, first)
    return Hypotheses(tf.transpose(decoded.stack()), log_probability)  # batch x steps


def model_step(decoder: keras.Model) -> StepFunction:
    """The step function of an inference decoder over tokens."""

    def step(tokens: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        logits, *state = decoder([tokens[:, None], *state])  # batch x 1 x vocabulary
        return logits[:, 0], state

    return step


def decode_graph(
    encoder: keras.Model, decoder: keras.Model, start: int, n_steps: int, end: int | None
) -> Callable[..., Hypotheses]:
    """The whole greedy decode as one function of sources `(batch, source_length[, features + 1])`."""

    def decode(source: Tensor) -> Hypotheses:
        first = ops.full((ops.shape(source)[0],), start, dtype="int32")
        return greedy(model_step(decoder), encoder(source), first, n_steps, end)

    return decode


def forecast_graph(encoder: keras.Model, decoder: keras.Model, n_steps: int) -> Callable[..., Tensor]:
    """The whole decode of real vectors as one function of sources; gives `(batch, n_steps, features) float32`.

    Each step is given the vector predicted before, the first one zeros, as in training.
    """
    features = decoder.inputs[0].shape[-1]

    def forecast(source: Tensor) -> Tensor:
        state = encoder(source)
        vector = ops.zeros((ops.shape(source)[0], 1, features))
        decoded = []
        for _ in range(n_steps):
            vector, *state = decoder([vector, *state])  # batch x 1 x features
            decoded.append(vector)
        return ops.concatenate(decoded, axis=1)

    return forecast


class Predictions(NamedTuple):
    """Decoded sequences, in the order of their sources.

    sequences: tokens without start and end, or vectors in original units.
    log_probability: `(n,) float32`, natural; None for vectors, which have none.
    """

    sequences: Sequences
    log_probability: NDArray[np.float32] | None


class Predictor:
    """Decodes any number of sources, in batches of like lengths and of few sizes.

    A short batch is filled up with copies of its first row, whose answers are dropped, so that the
    graph is not compiled again for every size.
    """

    batch_sizes = (1, 32, 256, 512)

    def __init__(
        self, encoder: keras.Model, decoder: keras.Model, codecs: Codecs, n_steps: int, *, xla: bool = True
    ) -> None:
        """Takes the inference models, the codecs of both sides, and the time steps to decode at most.

        Without `xla`, the graph starts sooner, runs slower, and is the same for sources of any length.
        """
        self._codecs, self._n_steps = codecs, n_steps
        if isinstance(codecs.target, Scaling):
            graph: Callable[..., Any] = forecast_graph(encoder, decoder, n_steps)
        else:
            graph = decode_graph(encoder, decoder, codecs.target.start, n_steps, codecs.target.end)
        self._decode = tf.function(graph, jit_compile=xla, reduce_retracing=True)

    def predict(self, source: Sequences) -> Predictions:
        """Predictions of sources.

        Batches are decoded side by side, one a core: the products of a narrow model are too small to share.
        """
        target = self._codecs.target
        order = np.argsort(source.lengths, kind="stable")
        back = np.argsort(order, kind="stable")
        largest = self.batch_sizes[-1]
        batches = [order[first : first + largest] for first in range(0, len(source), largest)]
        with ThreadPoolExecutor(max_workers=available_cores()) as pool:
            decoded = list(pool.map(lambda rows: self._predict_batch(source.take(rows)), batches))
        if isinstance(target, Scaling):
            values = np.concatenate([vectors for vectors, _ in decoded] or [np.zeros((0, 1, target.features))])
            return Predictions(Sequences.of_rows(target.restore(values[back])), None)
        tokens = np.concatenate([tokens for tokens, _ in decoded] or [np.zeros((0, self._n_steps), np.int32)])
        scores = np.concatenate([scores for _, scores in decoded] or [np.zeros(0, np.float32)])
        return Predictions(until_end(tokens[back], target), scores[back])

    def _predict_batch(self, batch: Sequences) -> tuple[NDArray[Any], NDArray[Any] | None]:
        size = next(size for size in self.batch_sizes if size >= len(batch))
        array = source_array(batch, self._codecs.source)
        filler = np.repeat(array[:1], size - len(batch), axis=0)
        result = self._decode(tf.constant(np.concatenate([array, filler])))
        if isinstance(result, Hypotheses):
            return result.tokens.numpy()[: len(batch)], result.log_probability.numpy()[: len(batch)]
        return result.numpy()[: len(batch)], None


class TeacherForced:
    """How many target tokens are right where the decoder is given the true ones before."""

    def __init__(self, encoder: keras.Model, decoder: keras.Model, codecs: Codecs) -> None:
        """Takes the inference models, whose target is tokens, and the codecs of both sides."""

        def count(source: Tensor, decoder_input: Tensor, target: Tensor, weights: Tensor) -> Tensor:
            logits, *_ = decoder([decoder_input, *encoder(source)])
            right = ops.equal(ops.cast(ops.argmax(logits, axis=-1), "int32"), target)
            if unknown is not None:  # the user's symbol was not produced
                right = ops.logical_and(right, ops.not_equal(target, unknown))
            return ops.sum(ops.cast(right, "float32") * weights)

        unknown = getattr(codecs.target, "unknown", None)
        self._codecs, self._vocabulary = codecs, decoder.outputs[0].shape[-1]
        self._count = tf.function(count, reduce_retracing=True)

    def count(self, pairs: Pairs) -> tuple[int, int]:
        """Right tokens and all tokens of some pairs, ends included."""
        right = total = 0.0
        for part in self._parts(pairs):
            batch = training_batch(part, self._codecs)
            right += float(self._count(*(tf.constant(array) for array in batch)))
            total += float(batch.weights.sum())
        return int(right), int(total)

    def _parts(self, pairs: Pairs) -> Iterator[Pairs]:
        order = np.argsort(pairs.target.lengths, kind="stable")
        first = 0
        while first < len(order):
            longest = int(pairs.target.lengths[order[min(first + 511, len(order) - 1)]]) + 1
            size = max(1, min(512, MAX_LOGITS // (longest * self._vocabulary)))
            yield pairs.take(order[first : first + size])
            first += size
