"""Sources drawn at random, to verify a model on where no data is at hand."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.aliases import Integers
from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.codecs import Codec
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary


def draw_sources(codec: Codec, lengths: Collection[int], n: int, rng: np.random.Generator) -> Sequences:
    """Sources of the lengths that training had, each of them about equally often, and of any of its symbols.

    Args:
        codec: of the source.
        lengths: time steps that a source may have; at least one.
        n: sources to draw.
        rng: what draws.

    Returns:
        Sequences as the codec encodes them. Unknown symbols are among them where there are any; vectors are as far
        from their mean as those of training.
    """
    drawn: Integers = np.resize(np.array(sorted(lengths), np.int64), n)
    return Sequences.of_lengths(_draw_steps(codec, int(drawn.sum()), rng), drawn)


def _draw_steps(codec: Codec, n: int, rng: np.random.Generator) -> NDArray[Any]:
    if isinstance(codec, Vocabulary):
        unknown = [] if codec.unknown is None else [codec.unknown]
        return rng.choice(np.array([*unknown, *range(codec.reserved, codec.size)], np.int32), n)
    assert isinstance(codec, Scaling)
    return codec.restore(rng.normal(size=(n, codec.features)))
