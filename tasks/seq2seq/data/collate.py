"""How sequences become the arrays that a model takes, and how its outputs become sequences again.

Tokens of files end with the end-of-sequence id, sources too, so that an empty source is a step like any
other. Real-valued sources carry a last feature that is 1 on every step and 0 on padding, so that no
content can look like padding.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.aliases import Ids
from tasks.seq2seq.arrays.sequences import Pairs, Sequences
from tasks.seq2seq.data.codecs import Codec, Codecs
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary


class Batch(NamedTuple):
    """One training batch.

    source: `(batch, source_length) int32`, or `(batch, source_length, features + 1) float32`.
    decoder_input, target: `(batch, target_length) int32`, or `(batch, target_length, features) float32`.
    weights: `(batch, target_length) float32`, 0 on padding; all 1 where targets are of one length. Of pairs that have
        weights of their own: these over the time steps of the batch, so that the loss is a sum.
    """

    source: NDArray[Any]
    decoder_input: NDArray[Any]
    target: NDArray[Any]
    weights: NDArray[np.float32]


def source_array(source: Sequences, codec: Codec, width: int | None = None) -> NDArray[Any]:
    """Sources as the encoder takes them, padded to `width` time steps (None: no more than needed)."""
    if isinstance(codec, Scaling):
        values = Sequences(codec.standardise(source.values), source.offsets).padded(width)
        present = np.arange(values.shape[1]) < source.lengths[:, None]
        return np.concatenate([values * present[..., None], present[..., None].astype(np.float32)], axis=2)
    return _ended(source, codec, width)


def training_batch(pairs: Pairs, codecs: Codecs) -> Batch:
    """Pairs as the training model takes them, for teacher forcing."""
    source = source_array(pairs.source, codecs.source)
    if isinstance(codecs.target, Scaling):
        vectors = codecs.target.standardise(pairs.target.padded())
        first = np.zeros((len(vectors), 1, vectors.shape[2]), np.float32)
        weights = _weighted(np.ones(vectors.shape[:2], np.float32), pairs)
        return Batch(source, np.concatenate([first, vectors[:, :-1]], axis=1), vectors, weights)
    target = _ended(pairs.target, codecs.target, None)
    lengths = pairs.target.lengths + (codecs.target.end is not None)
    weights = _weighted((np.arange(target.shape[1]) < lengths[:, None]).astype(np.float32), pairs)
    return Batch(source, shift_right(target, codecs.target.start), target, weights)


def _weighted(is_step: NDArray[np.float32], pairs: Pairs) -> NDArray[np.float32]:
    """Weights of time steps `(batch, target_length)`, of which `is_step` is 1 on those that are no padding.

    Divided by the number of steps, not by the sum of the weights as a weighted mean would: a batch of light pairs then
    teaches less than one of heavy pairs, and a pair counts the same whichever others it meets.
    """
    if pairs.weights is None:
        return is_step
    weights: NDArray[np.float32] = is_step * (pairs.weights[:, None] / is_step.sum()).astype(np.float32)
    return weights


def _ended(sequences: Sequences, vocabulary: Vocabulary, width: int | None) -> Ids:
    """Ids `(n, width)`, each sequence followed by the end id where the vocabulary has one."""
    if vocabulary.end is None:
        ids: Ids = sequences.padded(width)
        return ids
    ids = sequences.padded(sequences.longest + 1 if width is None else width)
    ids[np.arange(len(ids)), sequences.lengths] = vocabulary.end
    return ids


def shift_right(target: Ids, start: int) -> Ids:
    """The decoder input of teacher forcing: `target` `(n, length)` a step later, `start` first."""
    return np.concatenate([np.full((len(target), 1), start, np.int32), target[:, :-1]], axis=1)


def until_end(tokens: Ids, vocabulary: Vocabulary) -> Sequences:
    """Decoded tokens `(n, length)` as sequences, each cut before its first end id."""
    if vocabulary.end is None:
        return Sequences.of_rows(tokens)
    inside = np.cumsum(tokens == vocabulary.end, axis=1) == 0
    return Sequences.of_lengths(tokens[inside], inside.sum(axis=1))
