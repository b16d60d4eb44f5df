"""Batches of like lengths, so that little of a batch is padding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Pairs, Rows

BOTH_SIDES_BELOW = 20_000


@dataclass
class Padding:
    """Time steps that batches held, of both sides, and how many of them were padding."""

    steps: int = 0
    padded: int = 0

    def add(self, lengths: NDArray[np.int64]) -> None:
        """Counts a batch with sequences of these lengths, `(n,)`."""
        steps = len(lengths) * int(np.max(lengths))
        self.steps += steps
        self.padded += steps - int(lengths.sum())

    @property
    def share(self) -> float:
        """Padding among all steps, in [0, 1]."""
        return self.padded / self.steps if self.steps else 0.0


def plan_batches(lengths: NDArray[Any], batch_size: int, rng: np.random.Generator) -> list[Rows]:
    """Row numbers of each batch, all full but the last, in random order.

    Rows are cut in two again and again, each time by one side's length and where that saves most padding,
    until a part is a batch: a k-d tree over source and target length. Where all lengths are equal, this
    is a shuffle.

    Args:
        lengths: source and target lengths of each row, `(n, 2)`.
        batch_size: rows of a batch.
        rng: decides which of equally long rows meet, and the order of batches.
    """
    order = rng.permutation(len(lengths))
    whole = len(order) - len(order) % batch_size
    full, rest = order[:whole], order[whole:]
    batches = list(_cut(full, lengths, batch_size)) if whole else []
    batches = [batches[i] for i in rng.permutation(len(batches))]
    return [*batches, rest] if len(rest) else batches


def _cut(rows: Rows, lengths: NDArray[Any], batch_size: int) -> Iterator[Rows]:
    parts = [rows]
    while parts:
        part = parts.pop()
        of_part = lengths[part]
        wasted = of_part.max(axis=0) - of_part.mean(axis=0)  # padding a row, by side
        if len(part) == batch_size:
            yield part
        elif wasted.any():
            # Far from the leaves the better side is plain; near them both are tried.
            sides = (0, 1) if len(part) <= BOTH_SIDES_BELOW else (int(np.argmax(wasted)),)
            _, middle, order = max((_best_cut(of_part[:, side], batch_size) for side in sides), key=lambda cut: cut[0])
            parts += [part[order[middle:]], part[order[:middle]]]
        else:
            yield from part.reshape(-1, batch_size)


def _best_cut(lengths: NDArray[Any], batch_size: int) -> tuple[int, int, Rows]:
    """Steps of padding saved by the best cut of rows `(n,)`, how many go to the shorter part, and their order."""
    order = np.argsort(lengths, kind="stable")
    middles = np.arange(batch_size, len(order), batch_size)
    saved = middles * (lengths[order[-1]] - lengths[order[middles - 1]])
    best = int(saved.argmax())
    return int(saved[best]), int(middles[best]), order


def batches_of(
    blocks: Iterable[Pairs], batch_size: int, rng: np.random.Generator | None, padding: Padding | None = None
) -> Iterator[Pairs]:
    """The pairs of all blocks in batches of like lengths; all but the last hold `batch_size` pairs.

    Args:
        blocks: each is planned on its own; what does not fill a batch goes on to the next.
        batch_size: pairs of a batch.
        rng: shuffles; None plans the same batches each time.
        padding: counts how much of the batches is padding.
    """
    rng = rng or np.random.default_rng(0)
    rest: list[Pairs] = []
    for block in blocks:
        pairs = Pairs.concatenate([*rest, block]) if rest else block
        plan = plan_batches(np.stack([pairs.source.lengths, pairs.target.lengths], axis=1), batch_size, rng)
        rest = [pairs.take(plan.pop())] if plan and len(plan[-1]) < batch_size else []
        for rows in plan:
            yield _counted(pairs.take(rows), padding)
    for last in rest:
        yield _counted(last, padding)


def _counted(batch: Pairs, padding: Padding | None) -> Pairs:
    if padding:
        padding.add(batch.source.lengths)
        padding.add(batch.target.lengths)
    return batch
