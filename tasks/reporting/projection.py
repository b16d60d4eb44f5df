"""Many numbers a row seen in two: rows taken evenly, their principal components, and colours that tell them apart."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAX_CATEGORIES = 10  # colours that can be told apart
OTHERS, NOTHING = "others", "none"


class EvenSample:
    """Every row at first, then every second, fourth and so on of those that pass by, so that at most `most` stay.

    Which rows stay depends on their number alone, not on the blocks in which they come.
    """

    def __init__(self, most: int) -> None:
        """Takes how many rows may stay; at least half as many do, once there were more."""
        self.most, self.step, self.seen, self.kept = most, 1, 0, 0

    def add(self, n: int) -> NDArray[np.int64]:
        """Which of the next n rows stay for now, `(stay,) int64`."""
        rows = np.arange(self.seen, self.seen + n, dtype=np.int64)
        self.seen += n
        stay = np.flatnonzero(rows % self.step == 0)
        self.kept += len(stay)
        return stay

    def thin(self) -> bool:
        """Whether there are too many, so that of those that stayed every second one goes."""
        if self.kept <= self.most:
            return False
        self.step *= 2
        self.kept = -(-self.kept // 2)
        return True


class Projection(NamedTuple):
    """Rows in the plane of their two first principal components.

    points: `(n, 2) float64`.
    shares: of the variance that each component explains, in [0, 1].
    """

    points: Floats
    shares: tuple[float, float]


def principal_components(rows: NDArray[Any]) -> Projection:
    """The rows `(n, width)` by the two directions in which they differ most; 0 where there are none.

    A component points to where its largest weight is positive: its sign means nothing, and must not vary.

    Source: the singular value decomposition of the centred rows; I. T. Jolliffe, "Principal component analysis" (2002).
    """
    points, shares = np.zeros((len(rows), 2)), np.zeros(2)
    if len(rows) > 1 and rows.shape[1]:
        centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
        _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
        n = min(2, len(sizes))
        directions = directions[:n]
        directions *= np.sign(directions[np.arange(n), np.abs(directions).argmax(axis=1)])[:, None]
        points[:, :n] = centred @ directions.T
        total = float(np.square(sizes).sum())
        shares[:n] = np.square(sizes[:n]) / total if total else 0.0
    return Projection(points, (float(shares[0]), float(shares[1])))


class Colours(NamedTuple):
    """What tells points apart: a number each, or a category each.

    numbers: `(n,) float64`, NaN where there is none; None of categories.
    categories: the name of each point's category.
    names: the categories in the order in which they are listed; empty of numbers.
    """

    numbers: Floats | None
    categories: list[str]
    names: list[str]


def find_colours(values: Sequence[Any]) -> Colours:
    """The colours of values: categories while they are few, numbers where all are, else the commonest and the others.

    Numbers that are written as text are numbers: a CSV has no others. Lists are written with spaces between.
    """
    written = [_written(value) for value in values]
    counts = Counter(written)
    names = [name for name, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])) if name != NOTHING]
    numbers = {name: _number(name) for name in names}
    are_numbers = bool(names) and all(number is not None for number in numbers.values())
    if are_numbers and len(names) > MAX_CATEGORIES:
        found = [math.nan if name == NOTHING else numbers[name] for name in written]
        return Colours(np.array(found, np.float64), [], [])
    shown = names if len(names) <= MAX_CATEGORIES else names[: MAX_CATEGORIES - 1]
    shown = sorted(shown, key=lambda name: (numbers[name] or 0.0, name) if are_numbers else (0.0, name))
    known = {*shown, NOTHING}
    categories = [name if name in known else OTHERS for name in written]
    last = [name for name in (OTHERS, NOTHING) if name in categories]
    return Colours(None, categories, [*shown, *last])


def _written(value: Any) -> str:  # noqa: ANN401 - a cell of any column
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return NOTHING
    return " ".join(map(_written, value)) if isinstance(value, list) else str(value)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
