"""What other programs' decoding gives, as sequences."""

import numpy as np

from tasks.seq2seq.arrays.sequences import Sequences


def until_end(tokens, vocabulary):
    """Decoded tokens `(n, length)` as sequences, each cut before its first end id."""
    if vocabulary.end is None:
        return Sequences.of_rows(tokens)
    inside = np.cumsum(tokens == vocabulary.end, axis=1) == 0
    return Sequences.of_lengths(tokens[inside], inside.sum(axis=1))
