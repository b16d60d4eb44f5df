"""Files of series: a row a time step, checked, given the number of its series and its stamp."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Rows
from tasks.seq2seq.data.time_axis import Stamps, Step
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.data import FilesData
from tasks.storage.artifacts.stamps import TimeFacts
from tasks.storage.files.inputs import InputFile
from tasks.storage.ingest.categories import Categories
from tasks.storage.ingest.reasons import EXTREME, FINE, Reasons, first_faults
from tasks.storage.ingest.rejects import Rejects
from tasks.storage.ingest.row_rules import describe_extreme, read_measurements, read_time_steps
from tasks.storage.ingest.series_names import SeriesNames
from tasks.storage.ingest.time_column import Clock
from tasks.storage.ingest.wide_rows import read_wide_blocks
from tasks.storage.readers.blocks import Kind, Layout, RowBlock
from tasks.storage.readers.user_files import read_blocks


class StepRows(NamedTuple):
    """Rows of series that can be used, `(n,)` each.

    series: the number of each row's series.
    stamps, later: see `TimeRead`; without `data.time` the number of the row.
    files: the number of its file.
    rows: its number in the file, from 1.
    is_whole: whether each of its columns can be used; only those that may be missing at prediction are there without.
    values: of each column that holds values, in the order of the layout; where time is read, NaN is a missing one.
    """

    series: Rows
    stamps: Stamps
    later: Stamps
    files: Rows
    rows: Rows
    is_whole: NDArray[np.bool_]
    values: tuple[NDArray[Any], ...]

    def take(self, rows: NDArray[Any]) -> StepRows:
        """Some of them, by numbers or a mask."""
        return self.of_columns([column[rows] for column in self.columns])

    @property
    def columns(self) -> list[NDArray[Any]]:
        """All of them, those of values last."""
        one_by_one = [self.series, self.stamps, self.later, self.files, self.rows, self.is_whole]
        return [*one_by_one, *self.values]

    @classmethod
    def of_columns(cls, columns: Sequence[NDArray[Any]]) -> StepRows:
        """The rows of what `columns` gives."""
        series, stamps, later, files, rows, is_whole, *values = columns
        return cls(series, stamps, later, files, rows, is_whole, tuple(values))

    @classmethod
    def concatenate(cls, parts: Sequence[StepRows]) -> StepRows:
        """All rows of all parts, in order; at least one part."""
        if len(parts) == 1:
            return parts[0]
        return cls.of_columns([np.concatenate(of) for of in zip(*(part.columns for part in parts), strict=True)])


def new_clock(data: FilesData, known: TimeFacts | None = None) -> Clock:
    """What reads the stamps of files; those without a zone are of the place that is set, or that training had."""
    place = data.time_zone or (known.zone if known else None)
    return Clock(data.time_format, place, str(data.time_column))


def series_layout(data: FilesData) -> Layout:
    """The columns of series, each named once: sources, targets, what is known ahead, what is static, ids, time."""
    sides = {**dict.fromkeys(data.target_columns, "target"), **dict.fromkeys(data.source_columns, "source")}
    columns = tuple(dict.fromkeys((*data.source_columns, *data.target_columns)))
    return with_beside(data, Layout(columns, (), sides=tuple(sides[column] for column in columns)))


def value_columns(data: FilesData) -> tuple[str | int, ...]:
    """The columns that hold values, in the order of the layout."""
    values = dict.fromkeys((*data.source_columns, *data.target_columns))
    beside = (column for name in ("known", "static", "static_categories") for column in data.columns_of(name))
    return (*values, *beside)


def with_beside(data: FilesData, values: Layout) -> Layout:
    """The layout of the columns of values with those that a series has beside them."""
    kinds: list[Kind] = [getattr(data, f"{side}_encoding") for side in values.sides]
    beside: list[tuple[str | int, Kind, str]] = [
        *((column, "number", name) for name in ("known", "static") for column in data.columns_of(name)),
        *((column, "id", "category") for column in data.columns_of("static_categories")),
        *((column, "id", "series") for column in data.columns_of("series")),
        *(() if data.start is None else ((data.start, "time", "start"),)),
        *(() if data.time_column is None else ((data.time_column, "time", "time"),)),
    ]
    return Layout(
        columns=(*values.columns, *(column for column, _, _ in beside)),
        kinds=(*kinds, *(kind for _, kind, _ in beside)),
        dialect=data.dialect,
        sides=(*values.sides, *(side for _, _, side in beside)),
        prefix=values.prefix,
        optional=values.optional,
        made=(*values.columns, data.time) if data.wide and data.time is not None else (),
    )


class SeriesReader:
    """Reads files of series, one after the other.

    Args:
        data: the settings.
        layout: their columns, see `series_layout`.
        names: numbers the series.
        clock: reads their stamps.
        rejects: takes the rows that cannot be used.
        categories: numbers the values of `data.static_categories`.
    """

    def __init__(
        self,
        data: FilesData,
        layout: Layout,
        names: SeriesNames,
        clock: Clock,
        rejects: Rejects,
        categories: Categories,
    ) -> None:
        self._data, self._layout, self._names, self._clock, self._rejects = data, layout, names, clock, rejects
        self._categories = categories
        self._at = {side: [i for i, one in enumerate(layout.sides) if one == side] for side in set(layout.sides)}
        self.values_at = [i for i, side in enumerate(layout.sides) if side not in ("series", "start", "time")]
        self.files: list[str] = []
        self.read = 0

    def blocks(
        self, key: str, file: InputFile, kept: pa.Schema | None = None
    ) -> Iterator[tuple[StepRows, pa.Table | None]]:
        """Streams the rows of a file that can be used, and the columns of it that are kept.

        Raises:
            DataError: the file breaks off, is damaged, or changes while it is read.
        """
        of_file = None if self._at.get("series") else self._names.number_of_file(key, file.name)
        self.files.append(file.name)
        for block, beside in self._blocks(file, kept):
            n = len(block.rows) + len(block.rejects)
            self.read += n
            rows, reasons = self._read(block, key, file, of_file)
            self._names.count("read", rows.series)
            self._names.count("rejected", rows.series[reasons != FINE])
            if of_file is not None and block.rejects:
                lost = np.full(len(block.rejects), of_file)
                self._names.count("read", lost)
                self._names.count("rejected", lost)
            is_fine = reasons == FINE
            if is_fine.all():
                yield rows, beside
                continue
            is_kept = np.isin(np.unique(rows.rows), rows.rows[is_fine]) if self._layout.made else is_fine
            yield rows.take(is_fine), None if beside is None else beside.filter(pa.array(is_kept))

    def _blocks(self, file: InputFile, kept: pa.Schema | None) -> Iterator[tuple[RowBlock, pa.Table | None]]:
        """The blocks of a file, and the columns that are kept of its rows, which in a wide table are fewer."""
        if self._layout.made:
            yield from read_wide_blocks(file, self._layout, kept)
            return
        for block in read_blocks(file, self._layout, kept):
            yield block, block.kept

    def _read(self, block: RowBlock, key: str, file: InputFile, of_file: int | None) -> tuple[StepRows, Reasons]:
        n, found = len(block.rows), dict[int, Reasons]()
        values = []
        for i in self.values_at:
            steps, found[i] = self._values(block, i, key, file)
            values.append(steps)
        series = np.full(n, -1 if of_file is None else of_file, np.int64)
        if of_file is None:
            at = self._at["series"]
            series, found[at[0]] = self._names.numbers(key, file.name, [block.table.column(i) for i in at])
        stamps = later = block.rows
        for i in self._at.get("start", self._at.get("time", ())):
            stamps, later, found[i] = self._clock.read(block.table.column(i), file.path)
        if "start" in self._at:
            onward = block.table.column(self._at["time"][0]).to_numpy()
            stamps = later = self._since(stamps, onward, file.path)
        reasons = self._reject(block, file, found)
        is_whole = first_faults(list(found.values()))[0] == FINE
        files = np.full(n, len(self.files) - 1, np.int64)
        return StepRows(series, stamps, later, files, block.rows, is_whole, tuple(values)), reasons

    def _since(self, starts: Stamps, onward: Stamps, path: str) -> Stamps:
        """The stamps so many steps after others.

        Raises:
            DataError: the step is of another kind than the stamps, or they have a zone whose days may differ in length.
        """
        assert self._data.step is not None
        step, clock = Step.parse(self._data.step), self._clock
        is_number = step.unit == "number"
        if is_number is not (clock.kind in (None, "number")) or (step.is_of_clock and clock.zone):
            found = clock.kind if clock.zone is None else f"stamp of the zone {clock.zone}"
            raise DataError(
                f"{path}: column {self._data.start!r} holds a {found}, from which steps of {step} cannot be counted; "
                f"write starts as {'plain numbers' if is_number else 'dates or stamps without a zone'}"
            )
        phases = step.phases(starts)
        return step.stamps(step.indices(starts, phases) + onward, phases)

    def _values(self, block: RowBlock, i: int, key: str, file: InputFile) -> tuple[NDArray[Any], Reasons]:
        """The values of a column; those of time steps may be missing where time says what is."""
        column, kind, side = block.table.column(i), self._layout.kinds[i], self._layout.sides[i]
        if side == "category":
            return self._categories.codes(self._layout.columns[i], column, file.path, learn=key == "train")
        if kind == "integers":
            return read_time_steps(column, kind, block.dialect)
        if side in ("source", "target") and self._data.time is not None:
            return read_measurements(column, block.dialect)
        steps, reasons = read_time_steps(column, "vectors", block.dialect)
        return np.where(reasons == FINE, steps, np.nan), reasons

    def _reject(self, block: RowBlock, file: InputFile, found: dict[int, Reasons]) -> Reasons:
        sides, rejects = self._layout.sides, self._rejects
        needed = [i for i in sorted(found) if sides[i] not in self._layout.optional]
        reasons, blamed = first_faults([found[i] for i in needed])
        extreme = np.flatnonzero(reasons == EXTREME)
        if extreme.size and not rejects.has_remark:
            row, column = int(extreme[0]), needed[blamed[extreme[0]]]
            value = block.table.column(column)[row]
            where = f"row {block.rows[row]} of {file.path}"
            rejects.remark(describe_extreme(where, block.table.column_names[column], value))
        rejects.add_block(file.name, block, reasons, lambda i: sides[needed[blamed[i]]])
        return reasons
