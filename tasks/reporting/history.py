"""A picture of scores that came one after the other: the trials of a sweep, the models of a name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tasks.reporting.svg import Axes, Picture, nice_ticks

MARGIN = 0.08  # of the height, above the highest score and below the lowest


def draw_history(
    scores: Sequence[float | None], leading: Sequence[float | None], metric: str, names: tuple[str, str]
) -> Picture:
    """Each score as a dot, and the one that leads from then on as steps.

    Args:
        scores: in their order; None where something has none.
        leading: the best so far, or that of the model which serves; None as long as there is none.
        metric: what they are.
        names: of one that has a score, and of the one that leads.
    """
    known = [score for score in (*scores, *leading) if score is not None] or [0.0]
    low, high = min(known), max(known)
    space = MARGIN * (high - low or 1.0)
    axes = Axes((0, max(len(scores) - 1, 1)), (low - space, high + space), (f"{names[0]} number", metric))
    axes.add_line(_steps(leading), names[1], 1)
    axes.add_points([(i, score) for i, score in enumerate(scores) if score is not None], names[0], 0)
    alt = (
        f"Chart of the {metric} of {len(scores)} in their order, from {low:.4g} to {high:.4g}; "
        f"{names[1]}, at the end: {'none' if leading[-1] is None else f'{leading[-1]:.4g}'}."
    )
    ticks = [tick for tick in nice_ticks(0, max(len(scores) - 1, 1)) if tick.is_integer()]
    return axes.picture(f"{metric[:1].upper()}{metric[1:]} over time", alt, ticks, nice_ticks(low, high))


def _steps(values: Sequence[float | None]) -> Iterator[tuple[float, float]]:
    before = None
    for i, value in enumerate(values):
        if before is not None:
            yield i, before
        if value is not None:
            yield i, value
        before = value
