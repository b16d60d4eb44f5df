"""Spans of a large file: ranges of it that are read by themselves, whoever reads the others.

What they count depends on the format: rows (Parquet), record batches (Arrow), bytes (JSON lines). They depend on the
file only, and on how many rows are wanted in each: whoever divides it again finds the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

MOST_SPANS = 10_000  # of a file
MOST_CUTS = 4  # of rows that can only be read from their first on: what is before a cut is read once more


class Span(NamedTuple):
    """From the first on, up to the end, which is not in it."""

    first: int
    end: int


def even_spans(n: int, size: int) -> list[Span]:
    """The range of n in spans of this size, the last one shorter; of a size that makes them too many, larger ones."""
    size = max(1, size, -(-n // MOST_SPANS))
    return [Span(first, min(first + size, n)) for first in range(0, n, size)]


def spans_of_groups(sizes: Iterable[int], wanted: int) -> list[Span]:
    """Rows that lie in groups, in spans of `wanted` rows or more.

    A span begins with a group where it can. A group of many times as many rows is cut, into a few.
    """
    sizes = list(sizes)
    wanted = max(1, wanted, -(-sum(sizes) // MOST_SPANS))
    spans: list[Span] = []
    first = at = 0
    for size in sizes:
        at += size
        if at - first >= wanted:
            spans += _cut(Span(first, at), wanted)
            first = at
    return [*spans, Span(first, at)] if at > first else spans


def _cut(span: Span, wanted: int) -> list[Span]:
    n = span.end - span.first
    cuts = min(MOST_CUTS, n // wanted)
    return [Span(span.first + one.first, span.first + one.end) for one in even_spans(n, -(-n // cuts))]
