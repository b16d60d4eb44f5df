"""Sequences and symbols as a look at the user's files shows them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.data.codecs import Codec
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.data.written import write_steps
from tasks.storage.ingest.reject_table import cut

_SHOWN_SYMBOLS = 5  # the commonest, and the rarest
_SHOWN_CHARACTERS = 200  # of a sequence


def understood(codec: Codec, steps: NDArray[Any]) -> str:
    """A sequence, as the dataset holds it, as the model is to understand it; cut where it is long."""
    if not codec.is_tokens:
        return cut(codec.write(steps), _SHOWN_CHARACTERS)
    return cut(write_steps(codec.kind, codec.label_steps(steps[:_SHOWN_CHARACTERS])), _SHOWN_CHARACTERS)


def describe_side(codec: Codec, counts: NDArray[np.int64] | None, longest: int) -> dict[str, Any]:
    """What was learned of one side.

    Args:
        codec: what stands between the user's values and the model's.
        counts: how often each id occurs in training, `(size,)`; None of vectors.
        longest: time steps of the longest sequence.
    """
    if isinstance(codec, Scaling):
        moments = {name: list(getattr(codec, name)) for name in ("mean", "deviation", "low", "high")}
        return {"longest": longest, "features": codec.features, **moments}
    assert isinstance(codec, Vocabulary)
    assert counts is not None
    order = rarest_last(codec, counts)
    return {
        "longest": longest,
        "symbols": len(codec.symbols),
        "commonest": [_symbol(codec, counts, i) for i in order[:_SHOWN_SYMBOLS]],
        "rarest": [_symbol(codec, counts, i) for i in order[::-1][:_SHOWN_SYMBOLS]],
        "unknown": 0 if codec.unknown is None else int(counts[codec.unknown]),
    }


def rarest_last(codec: Vocabulary, counts: NDArray[np.int64]) -> list[int]:
    """The ids of symbols that occur, the commonest first."""
    ids = np.argsort(-counts[codec.reserved :], kind="stable") + codec.reserved
    there: list[int] = ids[counts[ids] > 0].tolist()
    return there


def _symbol(codec: Vocabulary, counts: NDArray[np.int64], i: int) -> dict[str, Any]:
    symbol = codec.symbols[i - codec.reserved]
    shown = symbol if isinstance(symbol, int) else cut(symbol, _SHOWN_CHARACTERS) if symbol.strip() else symbol
    return {"symbol": shown, "count": int(counts[i])}
