"""Sequences and weights from one model's ids to another's: symbols stay what they are, their ids may change."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.codecs import Codec
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.errors import DataError

NONE = -1


def new_ids(before: Vocabulary, after: Vocabulary) -> NDArray[np.int32]:
    """For each id of `before` the one of the same symbol, or special role, in `after`, `(before.size,)`; -1: none."""
    ids = {symbol: after.reserved + i for i, symbol in enumerate(after.symbols)}
    table = np.full(before.size, NONE, np.int32)
    table[before.reserved :] = [ids.get(symbol, NONE) for symbol in before.symbols]
    for role in ("padding", "start", "end", "unknown"):
        old, new = getattr(before, role), getattr(after, role)
        if old is not None and new is not None:
            table[old] = new
    return table


def id_table(before: Codec, after: Codec) -> NDArray[np.int32] | None:
    """The `new_ids` of two vocabularies; None where one of the codecs has no ids."""
    if isinstance(before, Vocabulary) and isinstance(after, Vocabulary):
        return new_ids(before, after)
    return None


def translate(sequences: Sequences, before: Codec, after: Codec) -> Sequences:
    """The same sequences as `after` encodes them; symbols that it does not know become unknown.

    Raises:
        DataError: `after` has no id for a symbol and none for unknown ones, or is of other features.
    """
    if before.features != after.features:
        raise DataError("the pairs are of another kind, or of another number of features, than the model")
    table = id_table(before, after)
    if table is None:
        return sequences
    if after.unknown is not None:
        table[table == NONE] = after.unknown
    values = table[sequences.values]
    if (values == NONE).any():
        symbol = before.write(sequences.values[values == NONE][:1])
        raise DataError(f"the pairs hold the symbol {symbol}, which the model's vocabulary does not")
    return Sequences(values, sequences.offsets)
