"""Batches as Keras takes them, made while the model trains on those before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Pairs
from tasks.seq2seq.data.codecs import Codec, Codecs
from tasks.seq2seq.data.collate import training_batch
from tasks.seq2seq.training.unrolling import Lengths

# Batches run in one call into the graph: Python between them costs a tenth of the time otherwise.
STEPS_PER_CALL = 16


def make_dataset(
    read: Callable[[], Iterator[Pairs]], n_batches: int, codecs: Codecs, specs: tuple[tf.TensorSpec, ...]
) -> tf.data.Dataset:
    """Batches for Keras, read anew in each epoch.

    `Dataset.from_generator` does the same and costs a fifth of the training rate.
    """
    nothing = tuple(np.zeros([size or 0 for size in spec.shape], spec.dtype.as_numpy_dtype) for spec in specs)
    batches: Iterator[Pairs] = iter(())

    def next_batch(index: np.int64) -> tuple[NDArray[Any], ...]:
        nonlocal batches
        if index == 0:
            batches = read()
        pairs = next(batches, None)
        return training_batch(pairs, codecs) if pairs else nothing

    def load(index: tf.Tensor) -> tuple[tf.Tensor, ...]:
        arrays = tf.numpy_function(next_batch, [index], [spec.dtype for spec in specs])
        return tuple(tf.ensure_shape(array, spec.shape) for array, spec in zip(arrays, specs, strict=True))

    options = tf.data.Options()
    options.autotune.enabled = False  # nothing to tune, and its thread holds up the end of training
    return (
        tf.data.Dataset.counter()
        .map(load)
        .take_while(lambda source, *_: tf.shape(source)[0] > 0)
        .map(lambda source, decoder_input, target, weights: ((source, decoder_input), target, weights))
        .prefetch(STEPS_PER_CALL)
        .apply(tf.data.experimental.assert_cardinality(n_batches))
        .with_options(options)
    )


def batch_specs(codecs: Codecs, lengths: Lengths | None) -> tuple[tf.TensorSpec, ...]:
    """Shapes and types of a `Batch`."""
    n_in, n_out = lengths or (None, None)

    def spec(steps: int | None, codec: Codec, marked: int = 0) -> tf.TensorSpec:
        if codec.is_tokens:
            return tf.TensorSpec((None, steps), tf.int32)
        return tf.TensorSpec((None, steps, codec.features + marked), tf.float32)

    target, known = spec(n_out, codecs.target), 0 if codecs.ahead is None else codecs.ahead.features
    fed = spec(n_out, codecs.target, marked=known)
    return spec(n_in, codecs.source, marked=1), fed, target, tf.TensorSpec((None, n_out), tf.float32)
