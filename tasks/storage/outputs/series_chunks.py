"""The series of a file to predict: a forecast of each, from its last step or from each that has a history.

A series of which nothing can be forecast is counted with its reason; its rows are history only.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Rows, Sequences
from tasks.seq2seq.data.codecs import Codec
from tasks.seq2seq.data.windows import SeriesSteps, WindowPlan, cut_windows, find_lasts
from tasks.storage.artifacts.lists import list_type, to_lists
from tasks.storage.artifacts.shapes import ForecastFile
from tasks.storage.artifacts.shown_forecasts import n_shown, write_times
from tasks.storage.artifacts.stamps import TimeFacts, stamp_type, to_stamps
from tasks.storage.artifacts.stored_series import with_numbers
from tasks.storage.files.inputs import InputFile
from tasks.storage.ingest.categories import Categories
from tasks.storage.ingest.ordered_steps import OrderedSteps, Steps
from tasks.storage.ingest.rejects import Rejects
from tasks.storage.ingest.row_encoding import Reading
from tasks.storage.ingest.series_arrays import SeriesArrays, plan_of
from tasks.storage.ingest.series_names import SeriesNames
from tasks.storage.ingest.series_reading import SeriesReader, StepRows, new_clock
from tasks.storage.readers.blocks import Layout

# Forecasts of a file that its account holds for the page, the features that are drawn, and numbers of their history and
# horizon in all: an account is read whole each time a batch is planned.
MOST_SHOWN, MOST_SHOWN_FEATURES, MOST_SHOWN_VALUES = 3, 2, 1_000
TOO_SHORT, GAP, NOT_KNOWN = "history_too_short", "gap_in_history", "known_missing"


@dataclass
class SeriesRead:
    """What became of the series of a file: how many were forecast, and how many not, by their reason."""

    forecast: int = 0
    not_forecast: Counter[str] = field(default_factory=Counter)


class Forecasts(NamedTuple):
    """Some windows to forecast, `(n,)`: the numbers of their rows among those that are kept, and our columns."""

    rows: Rows
    columns: dict[str, pa.Array]


class SeriesOfFile:
    """Reads a file of series, and gives the windows of it that can be forecast.

    Args:
        file: which.
        layout: its columns.
        reading: how they are read.
        rejects: takes the rows that cannot be used.
    """

    def __init__(self, file: InputFile, layout: Layout, reading: Reading, rejects: Rejects) -> None:
        self._file, self._layout, self._reading, self._rejects = file, layout, reading, rejects
        data = reading.data
        self._data, self.plan = data, plan_of(data)
        self.series, self.read, self.known_ahead, self.n_usable = SeriesRead(), 0, 0, 0
        self._names = SeriesNames()

    def open(self, kept: pa.Schema) -> pa.Table:
        """Reads all rows; gives the columns of those that can be used.

        Raises:
            DataError: the file breaks off, is damaged, or changes while it is read.
        """
        data, clock = self._data, new_clock(self._data, self._reading.time)
        series = self._reading.series
        categories = Categories(data.columns_of("static_categories"), series.categories if series else {})
        reader = SeriesReader(data, self._layout, self._names, clock, self._rejects, categories)
        parts, tables = list[StepRows](), list[pa.Table]()
        for rows, table in reader.blocks("", self._file, kept):
            parts.append(rows)
            tables.append(table)
        if not parts:  # a file without rows, which may be asked for
            n_columns = len(StepRows._fields) - 1 + len(reader.values_at)
            parts.append(StepRows.of_columns([np.zeros(0, np.int64)] * n_columns))
            tables.append(kept.empty_table())
        rows = StepRows.concatenate(parts)
        self._rows = np.unique(rows.rows) if self._layout.made else rows.rows
        steps = Steps(data, self._layout, reader.values_at, clock, self._names, reader.files, self._rejects)
        steps.decide(self._reading.time)
        columns = tuple(self._layout.columns[i] for i in reader.values_at)
        self._arrays = SeriesArrays(data, columns, self._names, categories)
        self._arrays.step, self._arrays.time = steps.step, steps.time
        ordered = steps.order(rows)
        self.read = reader.read
        self._place(ordered)
        return pa.concat_tables(tables)

    def _place(self, ordered: OrderedSteps) -> None:
        there = ordered.take(ordered.is_there)
        self._placed = self._arrays.place(ordered, 0, self._names.counted("read"))
        self._there, self._every = there, ordered
        self._steps = self._as_known(self._arrays.make(there, self._placed))
        self._slots = self._placed.slots(ordered)
        ends = np.full(len(self._placed.numbers), -1, np.int64)
        series = self._steps.series_of(np.arange(len(self._steps)))
        np.maximum.at(ends, series, self._steps.slots)
        of_every = np.searchsorted(self._placed.numbers, ordered.series)
        is_ahead = ~ordered.is_there & (self._slots > ends[of_every])
        self.known_ahead = int(is_ahead.sum())
        self.n_usable = self.read - sum(self._rejects.reasons.values())

    def _as_known(self, steps: SeriesSteps) -> SeriesSteps:
        """The steps with what the model knows of their series: the number, and what they are measured by."""
        known = self._reading.series
        ids = [self._names.ids[number] for number in self._placed.numbers.tolist()]
        if self._reading.numbered:
            assert known is not None
            steps = with_numbers(steps, known.numbers_of(ids))
        if self.plan.scale != "series":
            return steps
        assert known is not None
        return SeriesSteps(**{**vars(steps), "levels": known.levels_of(ids, steps)})

    def lasts(self) -> Rows:
        """The last steps of the histories that are forecast from, by series and time."""
        steps, plan = self._steps, self.plan
        plain = WindowPlan(**{**vars(plan), "stride": 1})
        every = find_lasts(steps, plain, 0)
        if self._data.time is None:
            chosen = every if self._reading.all_origins else every[-1:]
            self._tell(Counter({TOO_SHORT: len(self._placed.numbers) - bool(len(chosen))}), bool(len(chosen)))
            return chosen
        known = self._is_known(every)
        is_last = np.isin(every, steps.firsts[1:] - 1)
        n, counts = len(self._placed.numbers), np.diff(steps.firsts)
        has_history, is_forecast = np.zeros((2, n), np.bool_)
        has_history[steps.series_of(every[is_last])] = True
        is_forecast[steps.series_of(every[is_last & known])] = True
        reasons = np.where(counts < plan.history, TOO_SHORT, np.where(has_history, NOT_KNOWN, GAP))
        self._tell(Counter(reasons[~is_forecast].tolist()), int(is_forecast.sum()))
        wanted = known if self._reading.all_origins else known & is_last
        if steps.filled is not None:
            wanted &= ~steps.filled[every]  # no row is there to say it beside
        return every[wanted]

    def _tell(self, reasons: Counter[str], n: int) -> None:
        self.series = SeriesRead(n, +reasons)

    def _is_known(self, lasts: Rows) -> NDArray[np.bool_]:
        """Windows of which all that must be known ahead is, `(n,)`."""
        if not self._data.known:
            return np.ones(len(lasts), np.bool_)
        wanted = self._steps.slots[lasts] + self.plan.horizon
        at = np.searchsorted(self._slots, wanted)
        from_row = np.searchsorted(self._slots, self._steps.slots[lasts])
        is_there = at < len(self._slots)
        is_there[is_there] &= self._slots[at[is_there]] == wanted[is_there]
        is_known: NDArray[np.bool_] = is_there & (at - from_row == self.plan.horizon)
        return is_known

    def windows(self, lasts: Rows, *, with_target: bool, source: Codec, target: Codec) -> Forecasts:
        """Some of the windows."""
        steps, plan = self._steps, self.plan
        pairs, frames = cut_windows(steps, lasts, plan, horizon=0)
        columns = {"source": _encoded(pairs.source, source)}
        if frames.target is not None:
            columns["origin"] = _vectors(frames.target.centre[:, None])
            columns["scale"] = _vectors(frames.target.scale[:, None])
        ahead = self._ahead(lasts)
        if ahead.shape[2]:
            columns["ahead"] = _vectors(ahead)
        columns["origin_row"] = pa.array(self._there.rows[lasts])
        time = self._arrays.time
        if time is not None:
            columns["prediction_times"] = _stamps(self._stamps(lasts), time)
        if with_target:
            columns |= self._targets(lasts, target)
        return Forecasts(np.searchsorted(self._rows, self._there.rows[lasts]), columns)

    def pasts(self, lasts: Rows) -> list[ForecastFile]:
        """What was there before the first few forecasts, for a page that shows them; none of symbols.

        As many are given as an account should hold.
        """
        steps, horizon = self._steps, self.plan.horizon
        if steps.target.ndim == 1:
            return []
        n = n_shown(self.plan.history, horizon)
        features = min(steps.target.shape[1], MOST_SHOWN_FEATURES)
        most = min(MOST_SHOWN, MOST_SHOWN_VALUES // ((n + horizon) * features))
        return [self._past(int(last), n, features) for last in lasts[:most]]

    def _past(self, last: int, n: int, features: int) -> ForecastFile:
        steps = self._steps
        back = np.arange(last + 1 - n, last + 1)
        values = steps.target[back, :features].astype(np.float64)
        if steps.filled is not None:
            values[steps.filled[back]] = np.nan
        number = self._placed.numbers[steps.series_of(np.array([last]))[0]]
        time, times = self._arrays.time, None
        if time is not None:
            stamps = self._stamps_at(np.array([last]), np.arange(1 - n, self.plan.horizon + 1))
            times = write_times(to_stamps(stamps.ravel(), time))
        return ForecastFile(
            which=" ".join(self._names.ids[number]),
            columns=[
                name if isinstance(name, str) else f"column {name}" for name in self._data.target_columns[:features]
            ],
            times=times,
            history=[None if np.isnan(step).any() else step.tolist() for step in values],
            expected=None,
            predicted=[],
            quantiles={},
            error=None,
        )

    def _stamps(self, lasts: Rows) -> NDArray[np.int64]:
        """The stamps of horizons, on the axis of the step, `(n, horizon)`."""
        return self._stamps_at(lasts, np.arange(1, self.plan.horizon + 1))

    def _stamps_at(self, lasts: Rows, onward: Rows) -> NDArray[np.int64]:
        """The stamps of steps so many after others, on the axis of the step, `(n, steps)`."""
        indices = self._there.indices[lasts][:, None] + onward
        phases = np.broadcast_to(self._there.phases[lasts][:, None], indices.shape)
        return self._arrays.step.stamps(indices.ravel(), phases.ravel()).reshape(indices.shape)

    def _ahead(self, lasts: Rows) -> NDArray[np.float64]:
        """What is known of the steps of horizons, `(n, horizon, features)`."""
        data, n, horizon = self._data, len(lasts), self.plan.horizon
        parts = []
        if data.known:
            at = np.searchsorted(self._slots, self._steps.slots[lasts])[:, None] + np.arange(1, horizon + 1)
            every = self._arrays.known(self._every.values)
            parts.append(every[at])
        if data.calendar:
            stamps = self._stamps(lasts)
            parts.append(self._arrays.calendar(stamps.ravel()).reshape(n, horizon, -1))
        return np.concatenate(parts, axis=2) if parts else np.zeros((n, horizon, 0))

    def _targets(self, lasts: Rows, target: Codec) -> dict[str, pa.Array]:
        steps, horizon = self._steps, self.plan.horizon
        onward = np.minimum(lasts[:, None] + np.arange(1, horizon + 1), len(steps) - 1)
        is_there = (lasts + horizon < len(steps)) & (steps.slots[onward[:, -1]] - steps.slots[lasts] == horizon)
        values = steps.target[onward]
        if values.dtype.kind == "f":
            is_there &= ~np.isnan(values).any(axis=(1, 2))
            values = np.nan_to_num(values)
        else:
            is_there &= self._there.is_whole[onward].all(axis=1)
        if steps.filled is not None:
            is_there &= ~steps.filled[onward].any(axis=1)
        return {"target": _encoded(Sequences.of_rows(values), target), "has_target": pa.array(is_there)}


def _encoded(steps: Sequences, codec: Codec) -> pa.Array:
    steps = Sequences(codec.encode(steps.values), steps.offsets)
    features = steps.values.shape[1] if steps.values.ndim > 1 else 0
    return to_lists(steps, list_type(pa.from_numpy_dtype(steps.values.dtype), features))


def _vectors(rows: NDArray[np.float64]) -> pa.Array:
    return to_lists(Sequences.of_rows(rows), list_type(pa.float64(), rows.shape[2]))


def _stamps(stamps: NDArray[np.int64], time: TimeFacts) -> pa.Array:
    offsets = pa.array(np.arange(len(stamps) + 1, dtype=np.int32) * stamps.shape[1], pa.int32())
    return pa.ListArray.from_arrays(offsets, to_stamps(stamps.ravel(), time), type=times_type(time))


def times_type(time: TimeFacts) -> pa.DataType:
    """The type of a column of the stamps of horizons."""
    return pa.list_(pa.field("item", stamp_type(time), nullable=False))
