"""The rows of a file to predict, checked and encoded: what a chunk of them holds, and where the others went.

A chunk is an Arrow table of all columns of the file as they are, and beside them, under names that no
file has, what the model takes:

    source       the encoded source sequences
    target       the encoded target sequences, where the file has them
    has_target   whether a row's target can be scored
    origin, scale      what the forecast of a window is added to, once it is multiplied by the scale
    ahead              what is known of the steps of a horizon beforehand
    origin_row         of series, the number of the row that a forecast is made from
    prediction_times   of series with a time, the stamps of the horizon
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.monitoring.tally import Tally
from tasks.storage.artifacts.lists import list_type, steps_type, to_lists
from tasks.storage.artifacts.shapes import ForecastFile
from tasks.storage.files.inputs import InputFile
from tasks.storage.ingest.reasons import FINE, UNKNOWN, mark
from tasks.storage.ingest.rejects import Rejects
from tasks.storage.ingest.row_encoding import Reading, SideEncoder
from tasks.storage.outputs.accounts import SeriesForecast
from tasks.storage.outputs.partitions import Partitions
from tasks.storage.outputs.series_chunks import SeriesOfFile, SeriesRead, times_type
from tasks.storage.readers.blocks import Layout, RowBlock
from tasks.storage.readers.spans import Span
from tasks.storage.readers.user_files import count_rows, read_blocks

MARK = "\0"  # before the names of our own columns
SOURCE, TARGET, HAS_TARGET, ORIGIN, SCALE, AHEAD, ORIGIN_ROW, TIMES = (
    f"{MARK}{name}"
    for name in ("source", "target", "has_target", "origin", "scale", "ahead", "origin_row", "prediction_times")
)
_ROW_BYTES = 50  # of a file whose rows nobody has counted; it only moves a progress bar
BLOCK_STEPS = 2_621_440  # time steps of windows that are cut at once


@dataclass
class RowsRead:
    """How many rows were read, how many of them only served as history, and how many only say what is known ahead.

    The rejects are counted by `Rejects`. `series`: what became of the series, where there are any. `pasts`: what came
    before the first forecasts.
    """

    read: int = 0
    history_only: int = 0
    known_ahead: int = 0
    series: SeriesRead | None = None
    pasts: list[ForecastFile] = field(default_factory=list)


def forecast_series(rows: RowsRead) -> SeriesForecast | None:
    """What became of the series of a file, as its account says it; None of pairs."""
    found = rows.series
    if found is None:
        return None
    return SeriesForecast(forecast=found.forecast, not_forecast=dict(sorted(found.not_forecast.items())))


@dataclass(frozen=True)
class FileToRead:
    """A file to predict.

    Attributes:
        file: which.
        kept: the columns that are read, those for the model among them.
        layout: the columns that are read for the model.
        reading: how these are read.
        left_out: names of the columns that outputs do not have.
        partitions: columns that outputs have beside those of the file, each of one value.
        span: the part of it that is read, whose rows are numbered as if the file began with them; None: all of it.
        rows: what was read so far.
    """

    file: InputFile
    kept: pa.Schema
    layout: Layout
    reading: Reading
    left_out: list[str]
    partitions: Partitions = field(default_factory=dict, compare=False)
    span: Span | None = None
    rows: RowsRead = field(default_factory=RowsRead, compare=False)

    def chunks(self, rows: int, rejects: Rejects) -> Iterator[pa.Table]:
        """Streams the usable rows in chunks of exactly `rows`, the last one shorter; others go to `rejects`.

        Raises:
            DataError: the file breaks off, is damaged, or changes while it is read.
        """
        tables = self._windows(rejects) if self.reading.data.is_series else self._pairs(rejects)
        return in_chunks(tables, rows)

    @property
    def names(self) -> list[str]:
        """The columns that outputs have of the file and of the folders above it."""
        return [*(name for name in self.kept.names if name not in self.layout.drop), *self.partitions]

    def estimate_rows(self) -> int:
        """How many rows the file has, about."""
        return count_rows(self.file) or self.file.size // _ROW_BYTES

    def empty(self) -> pa.Table:
        """A chunk without rows."""
        reading, no_flags = self.reading, pa.array([], pa.bool_())
        beside = {SOURCE: _no_rows(reading.source)}
        if reading.data.is_series:
            data = reading.data
            if data.relative_to_last or data.scale != "global":
                beside |= {ORIGIN: _no_rows(reading.target), SCALE: _no_rows(reading.target)}
            if reading.ahead is not None:
                beside[AHEAD] = pa.array([], steps_type(reading.ahead.features))
            beside[ORIGIN_ROW] = pa.array([], pa.int64())
            if reading.time is not None:
                beside[TIMES] = pa.array([], times_type(reading.time))
        if self.has_targets:
            beside |= {TARGET: _no_rows(reading.target), HAS_TARGET: no_flags}
        return _beside(self._written(self.kept.empty_table()), beside)

    @property
    def has_targets(self) -> bool:
        """Whether predictions are held against targets of the file."""
        data = self.reading.data
        is_wanted = self.reading.all_origins or not data.is_series
        return is_wanted and set(data.target_columns) <= set(self.layout.columns)

    def _written(self, kept: pa.Table) -> pa.Table:
        """The columns that outputs have: without those that are read for the model only, with those of the folders."""
        n = len(kept)
        kept = kept.select([name for name in kept.column_names if name not in self.layout.drop])
        for name, found in self.partitions.items():
            kept = kept.append_column(pa.field(name, found.scalar.type), pa.repeat(found.scalar, n))
        return kept

    def _pairs(self, rejects: Rejects) -> Iterator[pa.Table]:
        for block in read_blocks(self.file, self.layout, self.kept, self.span):
            self.rows.read += len(block.rows) + len(block.rejects)
            table = self._encode(block, rejects)
            if len(table):
                yield table

    def _encode(self, block: RowBlock, rejects: Rejects) -> pa.Table:
        reading = self.reading
        source, reasons = reading.source.encode(block.table.column(0), block.dialect)
        if reading.reject_unknown:
            mark(reasons, source.count(reading.source.codec.unknown) > 0, UNKNOWN)
        rejects.add_block(self.file.name, block, reasons, lambda _row: "source")
        beside = {SOURCE: to_lists(source, _type_of(source))}
        if self.has_targets:
            # A row without a usable target is predicted, and not scored.
            target, faults = reading.target.encode(block.table.column(1), block.dialect)
            beside |= {TARGET: to_lists(target, _type_of(target)), HAS_TARGET: pa.array(faults == FINE)}
        assert block.kept is not None
        table = _beside(self._written(block.kept), beside)
        fine = reasons == FINE
        return table if fine.all() else table.filter(pa.array(fine))

    def _windows(self, rejects: Rejects) -> Iterator[pa.Table]:
        reading = self.reading
        found = SeriesOfFile(self.file, self.layout, reading, rejects)
        kept = self._written(found.open(self.kept))
        lasts = found.lasts()
        self.rows.read += found.read
        self.rows.known_ahead += found.known_ahead
        self.rows.history_only += found.n_usable - found.known_ahead - len(lasts)
        self.rows.series = found.series
        self.rows.pasts = found.pasts(lasts)
        size = max(1, BLOCK_STEPS // found.plan.history)
        for first in range(0, len(lasts), size):
            rows, columns = found.windows(
                lasts[first : first + size],
                with_target=self.has_targets,
                source=reading.source.codec,
                target=reading.target.codec,
            )
            yield _beside(kept.take(rows), {f"{MARK}{name}": column for name, column in columns.items()})


def _no_rows(side: SideEncoder) -> pa.Array:
    return pa.array([], steps_type(side.codec.features))


def _type_of(steps: Sequences) -> pa.DataType:
    features = steps.values.shape[1] if steps.values.ndim > 1 else 0
    return list_type(pa.from_numpy_dtype(steps.values.dtype), features)


def _beside(kept: pa.Table, columns: dict[str, pa.Array]) -> pa.Table:
    for name, column in columns.items():
        kept = kept.append_column(pa.field(name, column.type, nullable=False), column)
    return kept


def in_chunks(tables: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The same rows in tables of exactly `rows`, the last one shorter."""
    waiting: list[pa.Table] = []
    n = 0
    for table in tables:
        waiting.append(table)
        n += len(table)
        while n >= rows:
            joined = pa.concat_tables(waiting)
            yield joined.slice(0, rows)
            n -= rows
            waiting = [joined.slice(rows)] if n else []  # an empty one would bring its dictionaries
    if n:
        yield pa.concat_tables(waiting)


_TALLY = b"tally"


def with_tally(chunk: pa.Table, tally: Tally) -> pa.Table:
    """A predicted chunk that carries what was counted of it."""
    return chunk.replace_schema_metadata({_TALLY: tally.model_dump_json()})


def tally_of(chunk: pa.Table) -> Tally:
    """What was counted of a predicted chunk."""
    return Tally.model_validate_json(chunk.schema.metadata[_TALLY])


def take_columns(chunk: pa.Table) -> tuple[pa.Table, dict[str, pa.ChunkedArray]]:
    """The file's own columns of a chunk, and ours by name."""
    ours = [name for name in chunk.column_names if name.startswith(MARK)]
    return chunk.drop_columns(ours), {name: chunk[name] for name in ours}
