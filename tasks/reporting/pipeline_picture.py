"""The steps that led to a model, as a drawing: when each was made, and which were found and not made again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tasks.reporting.svg import Picture, tag, text

WIDTH, HEIGHT, GAP, BORDER = 128, 66, 26, 2


@dataclass(frozen=True)
class Box:
    """A step's artifact.

    Args:
        name: of the step.
        digest: as people are shown it.
        made: when.
        is_cached: whether the model that it is drawn for found it.
    """

    name: str
    digest: str
    made: str
    is_cached: bool


def draw_pipeline(boxes: Sequence[Box]) -> Picture:
    """The boxes from left to right, those that were found with a dashed outline."""
    parts = [part for i, box in enumerate(boxes) for part in _box(box, BORDER + i * (WIDTH + GAP))]
    parts += [_arrow(BORDER + i * (WIDTH + GAP)) for i in range(1, len(boxes))]
    told = "; ".join(f"{box.name}, {_state(box)}, of {box.made}" for box in boxes)
    width = len(boxes) * (WIDTH + GAP) - GAP + 2 * BORDER
    return Picture("What it was made from", f"Steps from left to right: {told}.", width, HEIGHT + 2 * BORDER, parts)


def _state(box: Box) -> str:
    return "found" if box.is_cached else "made"


def _box(box: Box, x: float) -> list[Markup]:
    middle = x + WIDTH / 2
    outline = tag(
        "rect", x=x, y=BORDER, width=WIDTH, height=HEIGHT, rx=6, fill="none",
        stroke="var(--soft)" if box.is_cached else "var(--ink)", stroke_width=1.5,
        stroke_dasharray="5 4" if box.is_cached else "",
    )  # fmt: skip
    return [
        outline,
        text(middle, BORDER + 20, f"{box.name}: {_state(box)}", fill="var(--text)"),
        text(middle, BORDER + 38, box.digest, size=11),
        text(middle, BORDER + 55, box.made, size=11),
    ]


def _arrow(x: float) -> Markup:
    y = BORDER + HEIGHT / 2
    return tag("path", d=f"M{x - GAP + 3} {y}H{x - 4}m-6 -4l6 4l-6 4", fill="none", stroke="var(--soft)")
