"""A look at a dataset of pairs that was just made: some as understood, and the rows that are unlike the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Pairs, Sequences
from tasks.seq2seq.data.codecs import Codec, Codecs
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.splits import SPLITS
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.storage.artifacts.dataset import PairBlock, read_codecs, read_with_beside
from tasks.storage.files.json_files import read_json
from tasks.storage.ingest.look_values import describe_side, rarest_last, understood

_SHOWN_PAIRS = 5
_RARE_SYMBOLS = 2  # of each side, whose rows are looked for
_RARER = 10  # times than the mean symbol, unless it occurs once

Measure = Callable[[Pairs], NDArray[Any]]  # how odd each pair is, `(n,)`


class _Oddity(NamedTuple):
    """What makes a row worth a look, and how much of it a row has; `usual` is what a row has that is like any other."""

    why: str
    measure: Measure
    usual: float = 0.0


def look_at_pairs(folder: Path) -> dict[str, Any]:
    """What `ingest_pairs` wrote into a folder, its rows traced, as a look tells it."""
    codecs, account = read_codecs(folder), read_json(folder / "account.json", dict[str, Any])
    profile = read_json(folder / "profile.json", dict[str, Any])
    counts = {side: _counts(profile, side) for side in ("source", "target")}
    oddest: dict[str, tuple[float, dict[str, Any]]] = {}
    pairs: list[dict[str, Any]] = []
    longest = [0, 0]
    oddities = list(_oddities(codecs, counts, profile))
    for split, block in _blocks(folder):
        if split == "train":
            n = min(_SHOWN_PAIRS - len(pairs), len(block.pairs))
            pairs += [_row(codecs, block, i) for i in range(n)]
        _keep_oddest(oddest, oddities, codecs, block)
        longest = [max(longest[0], block.pairs.source.longest), max(longest[1], block.pairs.target.longest)]
    return {
        **{name: account[name] for name in ("read", "rejected", "reasons", "splits", "held_back", "repeats")},
        "source": describe_side(codecs.source, counts["source"], longest[0]),
        "target": describe_side(codecs.target, counts["target"], longest[1]),
        "pairs": pairs,
        "odd_rows": [{"why": one.why, **oddest[one.why][1]} for one in oddities if one.why in oddest],
        "series": [],
    }


def _counts(profile: dict[str, Any], side: str) -> NDArray[np.int64] | None:
    counts = profile[side].get("id_counts")
    return None if counts is None else np.array(counts, np.int64)


def _blocks(folder: Path) -> Iterator[tuple[str, PairBlock]]:
    for split in SPLITS:
        path = folder / f"{split}.parquet"
        if path.exists():
            for block in read_with_beside(path):
                yield split, block


def _oddities(
    codecs: Codecs, counts: dict[str, NDArray[np.int64] | None], profile: dict[str, Any]
) -> Iterator[_Oddity]:
    """What is looked for; of equally odd rows the first is shown."""
    shortest = {side: min(map(int, profile[side]["lengths"])) for side in ("source", "target")}
    yield _Oddity("the longest source", lambda pairs: pairs.source.lengths, shortest["source"])
    yield _Oddity("the longest target", lambda pairs: pairs.target.lengths, shortest["target"])
    yield _Oddity("the longest target for its source", lambda pairs: _ratio(pairs.target, pairs.source), 1.0)
    yield _Oddity("the longest source for its target", lambda pairs: _ratio(pairs.source, pairs.target), 1.0)
    for side, codec in (("source", codecs.source), ("target", codecs.target)):
        if isinstance(codec, Scaling):
            yield _far_out(side, codec)
        else:
            yield from _rare(side, codec, counts[side])


def _ratio(one: Sequences, other: Sequences) -> NDArray[np.float64]:
    return np.where(other.lengths > 0, one.lengths / np.maximum(other.lengths, 1), 0.0)


def _far_out(side: str, codec: Scaling) -> _Oddity:
    def distance(pairs: Pairs) -> NDArray[np.float64]:
        steps = getattr(pairs, side)
        far = np.abs(codec.standardise(steps.values)).max(axis=1, initial=0.0)
        rows = np.repeat(np.arange(len(steps)), steps.lengths)
        result = np.zeros(len(steps))
        np.maximum.at(result, rows, far)
        return result

    return _Oddity(f"the {side} value furthest from the mean", distance)


def _rare(side: str, codec: Codec, counts: NDArray[np.int64] | None) -> Iterator[_Oddity]:
    assert isinstance(codec, Vocabulary)
    assert counts is not None
    there = rarest_last(codec, counts)
    usual = counts[there].mean() if there else 0.0
    for i in there[::-1][:_RARE_SYMBOLS]:
        if counts[i] > 1 and counts[i] * _RARER >= usual:
            continue

        def holds(pairs: Pairs, token: int = i) -> NDArray[Any]:
            sequences: Sequences = getattr(pairs, side)
            return np.minimum(sequences.count(token), 1)

        times = "once" if counts[i] == 1 else f"{counts[i]:,} times"
        yield _Oddity(f"the {side} symbol {codec.symbols[i - codec.reserved]!r}, {times} in training", holds)


def _keep_oddest(
    oddest: dict[str, tuple[float, dict[str, Any]]], oddities: list[_Oddity], codecs: Codecs, block: PairBlock
) -> None:
    if not len(block.pairs):
        return
    for one in oddities:
        odd = one.measure(block.pairs)
        i = int(np.argmax(odd))
        if odd[i] > oddest.get(one.why, (one.usual, {}))[0]:
            oddest[one.why] = (float(odd[i]), _row(codecs, block, i))


def _row(codecs: Codecs, block: PairBlock, i: int) -> dict[str, Any]:
    source, target = block.pairs.source[i], block.pairs.target[i]
    return {
        "file": block.beside["file"][i].as_py(),
        "row": block.beside["row"][i].as_py(),
        "source_steps": len(source),
        "target_steps": len(target),
        "source": understood(codecs.source, source),
        "target": understood(codecs.target, target),
    }
