"""The predictions that are held against PyTorch, a model and a way to decode each; both sides read them here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from architectures import SHAPES, TOKENS, UNITS, Shape


@dataclass(frozen=True)
class Case:
    """Some sources of one length, decoded in batches of one size on one thread.

    n_in, n_out: time steps. rows: sources of a measurement. batches: sizes, of which the best counts; ours chooses its own
    for more than one row. beam: hypotheses; PyTorch has no such search of its own.
    """

    n_in: int = 6
    n_out: int = 3
    tokens: int = TOKENS
    units: int = UNITS
    shape: Shape = field(default_factory=Shape)
    rows: int = 10_000
    batches: tuple[int, ...] = (256, 512, 1024, 4096)
    beam: int | None = None


CASES = {
    "greedy": Case(),
    "one": Case(rows=1, batches=(1,)),
    "beam": Case(beam=5, rows=4_000),
    "long": Case(400, 40, rows=500, batches=(64, 256, 500)),
    "words": Case(tokens=50_000, rows=500, batches=(16, 64, 256)),
    "words_beam": Case(tokens=50_000, rows=200, beam=5),
    "wide": Case(units=512, rows=2_000),
    "attention": Case(10, 8, shape=SHAPES["attention"], rows=4_000),
}
SECONDS = 2.0  # that a measurement takes, about


def cost(predict: Callable[[], object], rows: int) -> dict[str, Any]:
    """CPU microseconds a row and rows/s of `predict`, the best of three measurements, after a first call."""
    predict()
    began = time.perf_counter()
    predict()
    calls = max(1, round(SECONDS / 3 / (time.perf_counter() - began)))
    found = []
    for _ in range(3):
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(calls):
            predict()
        found.append((time.process_time() - cpu, time.perf_counter() - wall))
    cpu, wall = (min(one) / calls for one in zip(*found, strict=True))
    return {"cpu_us_per_row": round(cpu / rows * 1e6, 3), "rows_per_s": round(rows / wall, 1)}
