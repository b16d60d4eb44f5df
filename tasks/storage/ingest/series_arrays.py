"""Ordered steps as the arrays that windows are cut from, in training and at prediction."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Rows
from tasks.seq2seq.data.calendar import calendar_features
from tasks.seq2seq.data.time_axis import Stamps, Step
from tasks.seq2seq.data.timelines import starts_of
from tasks.seq2seq.data.windows import BETWEEN, SeriesSteps, WindowPlan
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.data import FilesData
from tasks.storage.artifacts.stamps import TimeFacts, wall_clock
from tasks.storage.ingest.categories import Categories
from tasks.storage.ingest.ordered_steps import OrderedSteps
from tasks.storage.ingest.series_names import SeriesNames

Values = tuple[NDArray[Any], ...]
Reals = NDArray[np.float64]


def plan_of(data: FilesData) -> WindowPlan:
    """How the settings cut windows."""
    assert data.history is not None
    assert data.horizon is not None
    return WindowPlan(data.history, data.horizon, data.stride, data.relative_to_last, data.scale)


class PlacedSeries(NamedTuple):
    """Where some series are, `(series,)` each.

    numbers: theirs.
    firsts: the number of the first step of each, and behind them that of all steps.
    first_indices, phases: the place of that step in time.
    first_slots: the slot of the first step that a series may have.
    lengths: slots that it has.
    """

    numbers: Rows
    firsts: Rows
    first_indices: Rows
    phases: Rows
    first_slots: Rows
    lengths: Rows

    @property
    def end(self) -> int:
        """The slot that the next series may begin with."""
        return int(self.first_slots[-1] + self.lengths[-1] + BETWEEN) if len(self.lengths) else 0

    def slots(self, steps: OrderedSteps) -> Rows:
        """The slots of steps of these series, `(n,)`."""
        local = np.searchsorted(self.numbers, steps.series)
        return steps.indices - self.first_indices[local] + self.first_slots[local]


class SeriesArrays:
    """Makes arrays of ordered steps.

    Args:
        data: the settings.
        columns: the columns of the steps' values, in their order; those of the target may be missing.
        names: the series, for messages.
        categories: of the steps' values.
    """

    def __init__(
        self, data: FilesData, columns: tuple[str | int, ...], names: SeriesNames, categories: Categories
    ) -> None:
        self._data, self._names, self._categories = data, names, categories
        self._at = {name: i for i, name in enumerate(columns)}
        is_shared = data.source_columns == data.target_columns and data.source_encoding == data.target_encoding
        # Symbols of two vocabularies have two ids.
        self.is_one = is_shared and (data.source_encoding == "vectors" or data.shared_vocabulary)
        self.step: Step = Step(1, "number")
        self.time: TimeFacts | None = None

    def place(self, steps: OrderedSteps, slot: int, rows_read: Rows) -> PlacedSeries:
        """Where the series of some steps are.

        Args:
            steps: of these series, which come whole.
            slot: the first that is free.
            rows_read: rows of each series there is, which without `data.time` are its steps, `(series,)`.
        """
        firsts = np.flatnonzero(starts_of(steps.series)) if len(steps.series) else np.zeros(0, np.int64)
        borders = np.append(firsts, len(steps.series))
        numbers, ends = steps.series[firsts], borders[1:] - 1
        if self._data.time is None:
            first, lengths = np.ones_like(numbers), rows_read[numbers]
        else:
            first = steps.indices[firsts]
            lengths = steps.indices[ends] - first + 1
        taken = lengths + BETWEEN
        first_slots = slot + np.cumsum(taken) - taken
        return PlacedSeries(numbers, borders, first, steps.phases[firsts], first_slots, lengths)

    def make(self, steps: OrderedSteps, placed: PlacedSeries) -> SeriesSteps:
        """The arrays of steps that have all their values."""
        source = self.side(steps.values, "source")
        firsts = np.searchsorted(steps.series, placed.numbers)
        return SeriesSteps(
            source=source,
            target=source if self.is_one else self.side(steps.values, "target"),
            slots=placed.slots(steps),
            firsts=np.append(firsts, len(steps.series)),
            ahead=self.ahead(steps),
            filled=steps.is_filled if self._data.filling else None,
            static=self._static(steps, firsts),
        )

    def side(self, values: Values, side: str) -> NDArray[Any]:
        """The steps of a side: integers `(n,)`, or vectors `(n, features)`."""
        columns = tuple(name for name in getattr(self._data, f"{side}_columns") if name in self._at)
        if columns and getattr(self._data, f"{side}_encoding") == "integers":
            return values[self._at[columns[0]]].astype(np.int64)
        return self._stack(values, columns)

    def column(self, values: Values, name: str | int) -> NDArray[Any]:
        """The values of a column."""
        return values[self._at[name]]

    def ahead(self, steps: OrderedSteps) -> Reals:
        """What is known of steps beforehand, `(n, features)`: columns, and then the calendar.

        Raises:
            DataError: time is counted by plain numbers.
        """
        known = self.known(steps.values)
        if not self._data.calendar:
            return known
        return np.concatenate([known, self.calendar(self.step.stamps(steps.indices, steps.phases))], axis=1)

    def known(self, values: Values) -> Reals:
        """The columns that are known ahead, `(n, features)`."""
        return self._stack(values, self._data.columns_of("known"))

    def calendar(self, stamps: Stamps) -> Reals:
        """What the calendar says of stamps, `(n, features)`.

        Raises:
            DataError: time is counted by plain numbers.
        """
        assert self.time is not None
        if self.time.kind == "number":
            raise DataError(
                f"data.calendar is set, but column {self._data.time!r} holds plain numbers, which no calendar has; "
                f"leave data.calendar out"
            )
        return calendar_features(wall_clock(stamps, self.time), self._data.calendar)

    def _static(self, steps: OrderedSteps, firsts: Rows) -> Reals:
        kinds, numbers = (self._data.columns_of(name) for name in ("static_categories", "static"))
        every = self._stack(steps.values, (*numbers, *kinds))
        first = every[np.minimum(firsts, max(0, len(every) - 1))] if len(every) else np.zeros((0, every.shape[1]))
        counts = np.diff(np.append(firsts, len(every)))
        changes = (every != np.repeat(first, counts, axis=0)).any(axis=1)
        if changes.any():
            number = int(steps.series[np.flatnonzero(changes)[0]])
            raise DataError(
                f"the columns {[*numbers, *kinds]} of the series {self._names.title(number)!r} change with time; name "
                f"those that do in data.known, or mend them"
            )
        features = [
            self._categories.features(column, first[:, i].astype(np.int64))
            for i, column in enumerate(kinds, len(numbers))
        ]
        return np.concatenate([first[:, : len(numbers)], *features], axis=1)

    def _stack(self, values: Values, columns: tuple[str | int, ...]) -> Reals:
        found = [values[self._at[name]] for name in columns]
        return np.stack(found, axis=1).astype(np.float64) if found else np.zeros((len(values[0]), 0))
