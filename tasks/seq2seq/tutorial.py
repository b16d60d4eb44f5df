"""The tutorial's own names, over one-hot arrays: for its readers, and the clearest way in.

Here a cardinality counts the reserved 0 (the tutorial's 51), as it does in the tutorial; in the
settings, `data.cardinality` counts content symbols (50).
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.data.teacher_forcing import shift_right
from tasks.seq2seq.models.encoder_decoder import define_models

__all__ = ["define_models", "generate_sequence", "get_dataset", "one_hot_decode", "predict_sequence"]

OneHot = NDArray[np.float32]


def generate_sequence(length: int, n_unique: int, rng: np.random.Generator | None = None) -> list[int]:
    """`length` random integers in 1..n_unique - 1; 0 is reserved for padding and start."""
    return [int(i) for i in (rng or np.random.default_rng()).integers(1, n_unique, length)]


def get_dataset(
    n_in: int, n_out: int, cardinality: int, n_samples: int, rng: np.random.Generator | None = None
) -> tuple[OneHot, OneHot, OneHot]:
    """Random sources, and as targets their first `n_out` integers reversed, one-hot encoded.

    Returns:
        Sources `(n_samples, n_in, cardinality)`, decoder inputs (targets shifted right, 0 first) and
        targets, both `(n_samples, n_out, cardinality)`; float32.
    """
    rng = rng or np.random.default_rng()
    source = rng.integers(1, cardinality, (n_samples, n_in), dtype=np.int32)
    target = source[:, :n_out][:, ::-1]
    return (
        _one_hot(source, cardinality),
        _one_hot(shift_right(target, start=0), cardinality),
        _one_hot(target, cardinality),
    )


def _one_hot(ids: NDArray[np.int32], cardinality: int) -> OneHot:
    result = np.zeros((*ids.shape, cardinality), np.float32)
    np.put_along_axis(result, ids[..., None], 1, axis=-1)
    return result


def one_hot_decode(encoded_seq: NDArray[Any]) -> list[int]:
    """The integers of a sequence of one-hot vectors or probabilities `(length, cardinality)`."""
    return [int(vector.argmax()) for vector in encoded_seq]


def predict_sequence(
    infenc: keras.Model, infdec: keras.Model, source: OneHot, n_steps: int, cardinality: int
) -> OneHot:
    """Decodes one source, a time step a call.

    Args:
        infenc: the inference encoder.
        infdec: the inference decoder.
        source: one source, `(1, source_length, features)`.
        n_steps: time steps to decode.
        cardinality: features of a target time step.

    Returns:
        Probabilities `(n_steps, cardinality)`; `one_hot_decode` gives the integers.
    """
    state = infenc.predict(source, verbose=0)
    token = np.zeros((1, 1, cardinality), np.float32)
    token[0, 0, 0] = 1  # start of sequence
    output = []
    for _ in range(n_steps):
        probabilities, *state = infdec.predict([token, *state], verbose=0)
        output.append(probabilities[0, 0])
        token = _one_hot(probabilities.argmax(-1), cardinality)
    return np.array(output)
