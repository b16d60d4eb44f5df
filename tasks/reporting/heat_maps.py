"""A table of shares as a picture: a square each, the stronger its colour the larger the share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from tasks.reporting.svg import Picture, tag, text

MAX_LABELS = 60  # along a side; more steps are numbered
MAX_LABEL = 20  # characters
LEVELS = 20
_CELL, _SMALLEST, _MOST_PIXELS = 16.0, 4.0, 800.0
_CHARACTER = 7.0  # CSS pixels of one in a label


def heat_map(
    title: str, alt: str, shares: NDArray[np.floating[Any]], rows: Sequence[str], columns: Sequence[str], names: str
) -> Picture:
    """The picture.

    Args:
        title: the caption.
        alt: what is to be seen.
        shares: `(rows, columns)`, in [0, 1].
        rows: how each is written, from the top.
        columns: how each is written.
        names: what the rows and the columns are, in a line above.
    """
    labels, heads = (_labels(steps) for steps in (rows, columns))
    cell = max(_SMALLEST, min(_CELL, _MOST_PIXELS / max(len(rows), len(columns), 1)))
    left = 12 + _CHARACTER * max((len(label) for _, label in labels), default=0)
    top = 30 + _CHARACTER * max((len(head) for _, head in heads), default=0)
    width, height = left + cell * len(columns) + 8, top + cell * len(rows) + 8
    parts = [
        text(0, 14, names, "start"),
        tag("rect", x=left, y=top, width=cell * len(columns), height=cell * len(rows), fill="none",
            stroke="var(--line)"),
        *(text(left - 5, top + (i + 0.5) * cell + 4, label, "end", 11) for i, label in labels),
        *(_turned(left + (i + 0.5) * cell + 4, top - 5, head) for i, head in heads),
        *_squares(shares, left, top, cell),
    ]  # fmt: skip
    return Picture(title, alt, max(width, _CHARACTER * len(names)), height, parts)


def _labels(steps: Sequence[str]) -> list[tuple[int, str]]:
    """The steps that are labelled: all of them, or every tenth by its number."""
    if len(steps) > MAX_LABELS:
        return [(i, str(i + 1)) for i in range(9, len(steps), 10)]
    return [(i, step if len(step) <= MAX_LABEL else f"{step[: MAX_LABEL - 1]}…") for i, step in enumerate(steps)]


def _turned(x: float, y: float, label: str) -> Markup:
    return text(x, y, label, "start", 11, transform=f"rotate(-90 {x:.1f} {y:.1f})")


def _squares(shares: NDArray[np.floating[Any]], left: float, top: float, cell: float) -> Iterable[Markup]:
    """Those of like shares in one path, so that a page with large maps stays small."""
    levels = np.ceil(np.clip(np.nan_to_num(shares), 0, 1) * LEVELS - 0.25).astype(int)
    for level in range(1, LEVELS + 1):
        places = np.argwhere(levels == level)
        if len(places):
            moves = (
                f"M{left + x * cell:.5g} {top + y * cell:.5g}h{cell:.4g}v{cell:.4g}h-{cell:.4g}z" for y, x in places
            )
            yield tag("path", d="".join(moves), fill="var(--ink)", fill_opacity=level / LEVELS)
