"""The data of the proofs: drawn anew from fixed seeds, the same bytes wherever they are drawn.

A sequence is a list of integers, or a string of characters; each file has the columns `source` and `target`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

SYMBOLS = 50  # integers 0..49
DIGITS = 3

Side = Sequence[Any] | NDArray[np.integer]  # of a pair
Draw = Callable[[int, int], int]  # from the first to the one before the second


def write_reversal(folder: Path, train: int = 50_000, held_out: int = 1_000) -> None:
    """Integers reversed: `train` pairs of 1 to 25, then `held_out` to validate and to test on, of 1 to 30.

    They are the very numbers of JoeyNMT's task with its seed: numpy never changes what `RandomState` draws.

    Source: J. Kreutzer, J. Bastings, S. Riezler, "Joey NMT: a minimalist NMT toolkit for novices" (2019).
    """
    draw = np.random.RandomState(42).randint
    for name, rows, longest in (("train", train, 25), ("validation", held_out, 30), ("test", held_out, 30)):
        sources = [draw(0, SYMBOLS, draw(1, longest + 1)) for _ in range(rows)]
        write_pairs(folder / f"{name}.parquet", sources, [source[::-1] for source in sources])


def write_copy(folder: Path, train: int = 50_000, held_out: int = 1_000, longest: int = 100) -> None:
    """Integers repeated: `train` pairs of 1 to `longest`, and `held_out` each to validate and to test on."""
    draw = np.random.default_rng(0).integers
    for name, rows in (("train", train), ("validation", held_out), ("test", held_out)):
        sources = [draw(0, SYMBOLS, draw(1, longest + 1)) for _ in range(rows)]
        write_pairs(folder / f"{name}.parquet", sources, sources)


def write_first_40(folder: Path, train: int = 30_000, held_out: int = 1_000, longest: int = 400) -> None:
    """The first 40 integers reversed: held out are sequences of `longest`, and a tenth of the `train` ones is so long.

    The others have 10 or more, are as likely to have 10 to 20 integers as 100 to 200, and are reversed whole where they
    are of 40 or fewer: what short ones teach is soon found in long ones. From long ones alone nothing was learnt in
    some minutes; and where long ones were a twentieth, what short ones taught did not reach them.
    """
    rng = np.random.default_rng(0)
    lengths = np.exp(rng.uniform(np.log(10), np.log(longest), train)).astype(int)
    lengths[: train // 10] = longest
    for name, of in (("train", lengths), ("validation", [longest] * held_out), ("test", [longest] * held_out)):
        sources = [rng.integers(0, SYMBOLS, length) for length in of]
        write_pairs(folder / f"{name}.parquet", sources, [source[:40][::-1] for source in sources])


def write_addition(folder: Path, train: int = 45_000, test: int = 5_000) -> None:
    """Sums of two numbers of one to three digits, written as Keras' example of addition writes them.

    A question fills seven characters with spaces and is written backwards, an answer fills four. No two questions
    are of the same two numbers.

    Source: S. Suo and others, "Sequence to sequence learning for performing number addition", keras.io.
    """
    draw = np.random.default_rng(0).integers
    numbers = _distinct(train + test, draw)
    sources = [f"{left}+{right}".ljust(2 * DIGITS + 1)[::-1] for left, right in numbers]
    targets = [f"{left + right}".ljust(DIGITS + 1) for left, right in numbers]
    write_pairs(folder / "train.parquet", sources[:train], targets[:train])
    write_pairs(folder / "test.parquet", sources[train:], targets[train:])


def _distinct(rows: int, draw: Draw) -> list[tuple[int, int]]:
    """Pairs of numbers; a pair the other way round is the same pair."""
    pairs: dict[tuple[int, int], tuple[int, int]] = {}
    while len(pairs) < rows:
        left, right = (int(draw(0, 10 ** int(draw(1, DIGITS + 1)))) for _ in range(2))
        pairs.setdefault((min(left, right), max(left, right)), (left, right))
    return list(pairs.values())


def write_pairs(path: Path, sources: Iterable[Side], targets: Iterable[Side]) -> None:
    """Writes one file of pairs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"source": _column(sources), "target": _column(targets)}), path)


def _column(sequences: Iterable[Side]) -> pa.Array:
    sequences = list(sequences)
    return pa.array(sequences, pa.string() if isinstance(sequences[0], str) else pa.list_(pa.int32()))
