"""What a time stamp says of the calendar, as sine and cosine, so that 23 and 0 o'clock are neighbours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.data.time_axis import DAY, HOUR, MINUTE, Stamps


@dataclass(frozen=True)
class CalendarFeature:
    """A place in a cycle.

    Attributes:
        period: how many places there are.
        place: that of each stamp on the wall's clock, from 0, `(n,)`.
        description: what it is, for people.
    """

    period: float
    place: Callable[[Stamps], NDArray[np.int64]]
    description: str


def _since(stamps: Stamps, unit: str, whole: str) -> NDArray[np.int64]:
    """How many units have passed since the whole began."""
    times = stamps.view("M8[us]")
    begun = times.astype(f"M8[{whole}]").astype(f"M8[{unit}]")
    passed: NDArray[np.int64] = (times.astype(f"M8[{unit}]") - begun).astype(np.int64)
    return passed


CALENDAR: dict[str, CalendarFeature] = {
    "minute": CalendarFeature(60, lambda stamps: stamps // MINUTE % 60, "of the hour"),
    "hour": CalendarFeature(24, lambda stamps: stamps // HOUR % 24, "of the day"),
    # The first of January 1970 was a Thursday.
    "weekday": CalendarFeature(7, lambda stamps: (stamps // DAY + 3) % 7, "of the week, Monday the first"),
    "day": CalendarFeature(31, lambda stamps: _since(stamps, "D", "M"), "of the month"),
    "yearday": CalendarFeature(365.25, lambda stamps: _since(stamps, "D", "Y"), "of the year"),
    "month": CalendarFeature(12, lambda stamps: _since(stamps, "M", "Y"), "of the year"),
    "quarter": CalendarFeature(4, lambda stamps: _since(stamps, "M", "Y") // 3, "of the year"),
}


def calendar_features(stamps: Stamps, names: Sequence[str]) -> NDArray[np.float64]:
    """Sine and cosine of each feature, side by side, `(n, 2 * features)`.

    Args:
        stamps: microseconds on the wall's clock, `(n,)`.
        names: of `CALENDAR`.
    """
    columns = []
    for name in names:
        feature = CALENDAR[name]
        angle = feature.place(stamps) * (2 * np.pi / feature.period)
        columns += [np.sin(angle), np.cos(angle)]
    return np.stack(columns, axis=1) if columns else np.zeros((len(stamps), 0))
