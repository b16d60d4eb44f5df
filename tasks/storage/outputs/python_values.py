"""Predictions as plain Python values, for those who call the predictor with no file."""

from __future__ import annotations

import itertools
from typing import Any

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.codecs import Codec
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.storage.outputs.predictions import UNKNOWN


def to_python(sequences: Sequences, codec: Codec) -> list[Any]:
    """Sequences as the user writes them: the very values of `to_values`' column, made without one.

    Args:
        sequences: ids, or vectors.
        codec: what encodes them.
    """
    steps = codec.decode(sequences.values) if isinstance(codec, Vocabulary) else sequences.values.tolist()
    rows = [steps[first:last] for first, last in itertools.pairwise(sequences.offsets.tolist())]
    if codec.kind != "characters":
        return rows
    return ["".join(UNKNOWN if letter is None else str(letter) for letter in row) for row in rows]
