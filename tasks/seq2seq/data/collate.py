"""How sequences become the arrays that a model takes.

Tokens of files end with the end-of-sequence id, sources too, so that an empty source is a step like any
other. Real-valued sources carry a last feature that is 1 on every step and 0 on padding, so that no
content can look like padding.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Pairs, Sequences
from tasks.seq2seq.data.codecs import Codec, Codecs


class Batch(NamedTuple):
    """One training batch.

    source: `(batch, source_length) int32`, or `(batch, source_length, features + 1) float32`.
    decoder_input, target: `(batch, target_length) int32`, or `(batch, target_length, features) float32`; behind the
        features of the decoder's input is what is known of each step beforehand.
    weights: `(batch, target_length) float32`, 0 on padding; all 1 where targets are of one length. Of pairs that have
        weights of their own: these over the time steps of the batch, so that the loss is a sum.
    """

    source: NDArray[Any]
    decoder_input: NDArray[Any]
    target: NDArray[Any]
    weights: NDArray[np.float32]


def source_array(source: Sequences, codec: Codec, width: int | None = None) -> NDArray[Any]:
    """Sources as the encoder takes them, padded to `width` time steps (None: no more than needed)."""
    return codec.source_array(source, width)


def training_batch(pairs: Pairs, codecs: Codecs) -> Batch:
    """Pairs as the training model takes them, for teacher forcing."""
    forced = codecs.target.teacher_forcing(pairs.target)
    fed, known = forced.decoder_input, codecs.standardised_ahead(pairs.ahead)
    if known is not None:
        fed = np.concatenate([fed, known], axis=2)
    return Batch(codecs.source.source_array(pairs.source), fed, forced.target, _weighted(forced.is_step, pairs))


def _weighted(is_step: NDArray[np.float32], pairs: Pairs) -> NDArray[np.float32]:
    """Weights of time steps `(batch, target_length)`, of which `is_step` is 1 on those that are no padding.

    Divided by the number of steps, not by the sum of the weights as a weighted mean would: a batch of light pairs then
    teaches less than one of heavy pairs, and a pair counts the same whichever others it meets.
    """
    if pairs.weights is None:
        return is_step
    weights: NDArray[np.float32] = is_step * (pairs.weights[:, None] / is_step.sum()).astype(np.float32)
    return weights
