"""Rows of series in the order of time, each in its place on the axis: what is wrong in time is found here."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Rows
from tasks.seq2seq.data.time_axis import DifferenceCounts, Stamps, Step, commonest, infer_step, place
from tasks.seq2seq.data.timelines import aggregate, fill_missing, insert_steps, starts_of, time_order
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.data import FilesData
from tasks.storage.artifacts.stamps import TimeFacts, to_stamps
from tasks.storage.ingest.reasons import OFF_STEP, REASONS, REPEATED
from tasks.storage.ingest.rejects import Rejects
from tasks.storage.ingest.series_names import SeriesNames
from tasks.storage.ingest.series_reading import StepRows
from tasks.storage.ingest.time_column import Clock
from tasks.storage.readers.blocks import Layout, Reject

ROWS = Step(1, "number")  # of series without `data.time`: their rows


@dataclass
class TimeCounts:
    """What was found in time, over all series.

    late: rows that came after a later one of their series, and were sorted.
    merged: rows that became one step with another one of the same stamp.
    missing: rows without a value.
    gaps: places where steps are missing.
    gap_steps: how many of these steps there are.
    filled: steps that were filled.
    """

    late: int = 0
    merged: int = 0
    missing: int = 0
    gaps: int = 0
    gap_steps: int = 0
    filled: int = 0


class OrderedSteps(NamedTuple):
    """Steps of some series, series by series, in the order of time, `(n,)` each.

    series: numbers, ascending.
    indices, phases: places on the axis.
    files, rows: where each is from; 0 of one that is filled.
    values: of each column.
    is_whole: see `StepRows`.
    is_there: steps that have all values; others are known ahead only.
    is_filled: steps that no row is, or whose values are not its own.
    """

    series: Rows
    indices: Stamps
    phases: Stamps
    files: Rows
    rows: Rows
    values: tuple[NDArray[Any], ...]
    is_whole: NDArray[np.bool_]
    is_there: NDArray[np.bool_]
    is_filled: NDArray[np.bool_]

    def take(self, rows: NDArray[Any]) -> OrderedSteps:
        """Some of them, by numbers or a mask."""
        return OrderedSteps(
            self.series[rows],
            self.indices[rows],
            self.phases[rows],
            self.files[rows],
            self.rows[rows],
            tuple(column[rows] for column in self.values),
            self.is_whole[rows],
            self.is_there[rows],
            self.is_filled[rows],
        )


class Steps:
    """Puts rows in order.

    Args:
        data: the settings.
        layout: the columns of rows, see `series_layout`.
        values_at: those that hold values, in the order of `StepRows.values`.
        clock: what read the stamps.
        names: the series, for messages and counts.
        files: names of files, by number.
        rejects: takes the rows that have no place in time, by the setting that their series was found through.
    """

    def __init__(
        self,
        data: FilesData,
        layout: Layout,
        values_at: list[int],
        clock: Clock,
        names: SeriesNames,
        files: list[str],
        rejects: Rejects,
    ) -> None:
        self._data, self._clock, self._names, self._files = data, clock, names, files
        self._rejects = rejects
        self._columns = [layout.names[i] for i in values_at]
        # Those that may be missing in a row that is there.
        needed = {"source", "target"} - set(layout.optional)
        self._may_miss = [j for j, i in enumerate(values_at) if layout.sides[i] in needed]
        # Those that are the same for all steps of a series, whatever is done with others.
        self._constant = {j for j, i in enumerate(values_at) if layout.sides[i] in ("static", "category")}
        self.step = ROWS
        self.time: TimeFacts | None = None
        self.counts = TimeCounts()
        self._in_time, self._on_wall = DifferenceCounts(), DifferenceCounts()

    def look(self, rows: StepRows) -> None:
        """Counts the differences between neighbours in time, to infer the step from."""
        order = time_order(rows.series, rows.stamps).order
        series, stamps = rows.series[order], rows.stamps[order]
        starts = starts_of(series)
        self._in_time.add(stamps, starts)
        self._on_wall.add(self._clock.on_wall(stamps), starts)

    def decide(self, known: TimeFacts | None = None) -> None:
        """Settles the step: that which is set or known, or else the commonest.

        Raises:
            DataError: no series has two stamps, or the step does not fit what time is counted by.
        """
        if self._data.time is None:
            return
        self.step = known.axis if known else self._chosen()
        found = self._clock.facts(self.step)
        self.time = known or found
        if known and (known.kind == "number") is not (found.kind == "number"):
            holds = "plain numbers" if found.kind == "number" else "dates"
            raise DataError(
                f"column {self._clock.column!r} holds {holds}, and did not in training; predict what is like the "
                f"training data"
            )
        if known and {known.kind, found.kind} == {"stamp"} and known.zone != found.zone:
            raise DataError(
                f"the stamps of column {self._clock.column!r} are of the zone {found.zone}, and had "
                f"{f'the zone {known.zone}' if known.zone else 'none'} in training; predict what is like the training "
                f"data"
            )

    def _chosen(self) -> Step:
        is_number = self._clock.kind in (None, "number")
        if self._data.step is not None:
            step = Step.parse(self._data.step)
            if (step.unit == "number") is not is_number:
                holds = "plain numbers" if is_number else "dates or time stamps"
                raise DataError(
                    f"data.step is {self._data.step}, but column {self._clock.column!r} holds {holds}; set a step of "
                    f"that kind, or leave it out"
                )
            return step
        found = infer_step(self._on_wall.counts, is_number=is_number)
        if found is not None and not found.is_of_clock:
            found = Step(commonest(self._in_time.counts) or 1, found.unit)
        if found is None:
            raise DataError(
                f"{self._data.train}: no series has two rows of different times in column {self._clock.column!r}, so "
                f"that the step between them cannot be told; set data.step, or see whether data.series names the right "
                f"columns"
            )
        return found

    def describe(self) -> dict[str, Any] | None:
        """What was found in time, for the account; None where none is read."""
        if self.time is None:
            return None
        return {**self.time.model_dump(), **asdict(self.counts)}

    def order(self, rows: StepRows) -> OrderedSteps:
        """The steps of the rows of some series; rows that have no place among them are rejected."""
        if self._data.time is None:
            return self._as_they_came(rows)
        rows = self._once_each(self._sorted(rows))
        placed = place(self.step, rows.stamps, rows.series)
        kept = placed.is_on_step
        self._reject(rows, ~kept, OFF_STEP)
        return self._filled(rows.take(kept), placed.indices[kept], placed.phases[kept])

    def _as_they_came(self, rows: StepRows) -> OrderedSteps:
        order = time_order(rows.series, rows.stamps).order
        rows, n = rows.take(order), len(order)
        flags = rows.is_whole, np.ones(n, np.bool_), np.zeros(n, np.bool_)
        return OrderedSteps(rows.series, rows.rows, np.zeros(n, np.int64), rows.files, rows.rows, rows.values, *flags)

    def _sorted(self, rows: StepRows) -> StepRows:
        """By series and time; of an hour that the clock shows twice, rows that come again are of the second time."""
        order, n_late = time_order(rows.series, rows.stamps)
        self.counts.late += n_late
        rows = rows.take(order)
        again = ~starts_of(rows.series, rows.stamps) & (rows.later != rows.stamps)
        if again.any():
            rows = rows._replace(stamps=np.where(again, rows.later, rows.stamps))
            rows = rows.take(time_order(rows.series, rows.stamps).order)
        return rows._replace(stamps=self._clock.on_wall(rows.stamps)) if self.step.is_of_clock else rows

    def _once_each(self, rows: StepRows) -> StepRows:
        """The rows with one of each stamp: the first, or all of them made one."""
        starts, how = starts_of(rows.series, rows.stamps), self._data.duplicates_at
        if starts.all():
            return rows
        if how == "reject":
            self._reject(rows, ~starts, REPEATED)
            return rows.take(starts)
        self.counts.merged += int((~starts).sum())
        values = tuple(
            aggregate(column, starts, "first" if j in self._constant else how) for j, column in enumerate(rows.values)
        )
        return rows.take(starts)._replace(values=values)

    def _reject(self, rows: StepRows, which: NDArray[np.bool_], reason: int) -> None:
        if not which.any():
            return
        bad = rows.take(which)
        self._names.count("rejected", bad.series)
        keys = np.array(self._names.keys)[bad.series]
        for key in dict.fromkeys(keys.tolist()):
            self._rejects.add(self._rejects_of(bad.take(keys == key), reason), key)

    def _rejects_of(self, bad: StepRows, reason: int) -> list[Reject]:
        stamps = to_stamps(bad.stamps, self.time).to_pylist() if self.time else bad.stamps.tolist()
        return [
            Reject(
                self._files[bad.files[i]],
                int(bad.rows[i]),
                f"time_{REASONS[reason]}",
                json.dumps(
                    {
                        self._clock.column: stamps[i] if isinstance(stamps[i], int) else str(stamps[i]),
                        **({"series": self._names.title(int(bad.series[i]))} if self._names.ids[bad.series[i]] else {}),
                        **{name: _plain(column[i]) for name, column in zip(self._columns, bad.values, strict=True)},
                    },
                    ensure_ascii=False,
                ),
            )
            for i in range(len(bad.rows))
        ]

    def _filled(self, rows: StepRows, indices: Stamps, phases: Stamps) -> OrderedSteps:
        starts = starts_of(rows.series)
        is_missing = np.zeros(len(indices), np.bool_)
        for j in self._may_miss:
            is_missing |= np.isnan(rows.values[j]) if rows.values[j].dtype.kind == "f" else False
        self._count_gaps(indices[~is_missing], rows.series[~is_missing])
        self.counts.missing += int(is_missing.sum())
        n = len(indices)
        flags = (rows.is_whole, ~is_missing, np.zeros(n, np.bool_))
        steps = OrderedSteps(rows.series, indices, phases, rows.files, rows.rows, rows.values, *flags)
        how, longest = self._data.filling, self._data.history or 0
        if how is None or not n:
            return steps
        whole = insert_steps(indices, starts, longest)
        steps, inserted = steps.take(whole.rows), whole.is_filled
        starts = starts_of(steps.series)
        values, is_filled = [], inserted.copy()
        for j, column in enumerate(steps.values):
            empty = np.where(inserted, np.nan, column)
            by = "previous" if j in self._constant else how
            filled = fill_missing(empty, whole.indices, starts, by, longest)
            is_filled |= np.isnan(empty) & ~np.isnan(filled)
            values.append(filled)
        is_there = ~np.any([np.isnan(column) for column in values], axis=0)
        is_filled &= is_there
        self.counts.filled += int(is_filled.sum())
        nowhere = np.where(inserted, 0, steps.rows)
        done = steps._replace(
            indices=whole.indices, rows=nowhere, values=tuple(values), is_there=is_there, is_filled=is_filled
        )
        return done.take(is_there | ~inserted)

    def _count_gaps(self, indices: Stamps, series: Rows) -> None:
        missing = np.diff(indices)[np.diff(series) == 0] - 1
        self.counts.gaps += int((missing > 0).sum())
        self.counts.gap_steps += int(missing.sum())


def _plain(value: Any) -> Any:  # noqa: ANN401 - a number of any type
    number = value.item()
    return None if number != number else number  # noqa: PLR0124 - NaN, which JSON does not have
