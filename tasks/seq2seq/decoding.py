"""Greedy decoding of a whole batch, over a step function.

A step function maps `(tokens, state) -> (logits, state)`: tokens `(batch,) int32`, logits
`(batch, vocabulary) float32`, and a state of any structure. Keras supplies one; a test supplies a table.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from tasks.seq2seq.cores import available_cores
from tasks.seq2seq.models import Tensor
from tasks.seq2seq.problems import Ids

StepFunction = Callable[[Tensor, Any], tuple[Tensor, Any]]


class Hypotheses(NamedTuple):
    """Decoded tokens `(batch, length) int32` and their log-probability `(batch,) float32`."""

    tokens: Tensor
    log_probability: Tensor


def greedy(step: StepFunction, state: Any, start: Tensor, n_steps: int) -> Hypotheses:  # noqa: ANN401
    """Takes the likeliest token at each of `n_steps` time steps.

    Args:
        step: the step function.
        state: the decoder's first state.
        start: the token that each sequence starts from, `(batch,) int32`.
        n_steps: time steps to decode.

    Returns:
        Tokens without the start, and the sum of their log-probabilities.
    """
    tokens, decoded, log_probability = start, [], 0.0
    for _ in range(n_steps):
        logits, state = step(tokens, state)
        tokens = ops.cast(ops.argmax(logits, axis=-1), "int32")
        # The chosen logit is the largest, so its log-softmax needs no gather.
        log_probability += ops.max(logits, axis=-1) - ops.logsumexp(logits, axis=-1)
        decoded.append(tokens)
    return Hypotheses(ops.stack(decoded, axis=1), log_probability)


def model_step(decoder: keras.Model) -> StepFunction:
    """The step function of an inference decoder."""

    def step(tokens: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        logits, *state = decoder([tokens[:, None], *state])  # batch x 1 x vocabulary
        return logits[:, 0], state

    return step


def decode_graph(encoder: keras.Model, decoder: keras.Model, start: int, n_steps: int) -> Callable[..., Any]:
    """The whole greedy decode as one function of sources `(batch, source_length) int32`."""

    def decode(source: Tensor) -> Hypotheses:
        first = ops.full((ops.shape(source)[0],), start, dtype="int32")
        return greedy(model_step(decoder), encoder(source), first, n_steps)

    return decode


class Predictor:
    """Decodes any number of sources, in batches of few fixed sizes, each compiled once.

    A short batch is filled up with copies of its first row, whose answers are dropped, so that the
    graph is not compiled again for every size.
    """

    batch_sizes = (1, 32, 256, 512)

    def __init__(
        self, encoder: keras.Model, decoder: keras.Model, start: int, n_steps: int, *, xla: bool = True
    ) -> None:
        """Takes what `decode_graph` takes; without `xla`, the graph starts sooner and runs slower."""
        self._decode = tf.function(decode_graph(encoder, decoder, start, n_steps), jit_compile=xla)

    def predict(self, source: Ids) -> tuple[Ids, NDArray[np.float32]]:
        """Tokens `(n, n_steps) int32` and log-probabilities `(n,) float32` of sources `(n, length) int32`.

        Batches are decoded side by side, one a core: the products of a narrow model are too small to share.
        """
        largest = self.batch_sizes[-1]
        batches = [source[first : first + largest] for first in range(0, len(source), largest)]
        with ThreadPoolExecutor(max_workers=available_cores()) as pool:
            decoded = list(pool.map(self._predict_batch, batches))
        return np.concatenate([tokens for tokens, _ in decoded]), np.concatenate([scores for _, scores in decoded])

    def _predict_batch(self, batch: Ids) -> tuple[Ids, NDArray[np.float32]]:
        size = next(size for size in self.batch_sizes if size >= len(batch))
        filler = np.repeat(batch[:1], size - len(batch), axis=0)
        result = self._decode(tf.constant(np.concatenate([batch, filler]), tf.int32))
        return result.tokens.numpy()[: len(batch)], result.log_probability.numpy()[: len(batch)]
