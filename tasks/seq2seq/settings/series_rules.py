"""What the settings of series ask of one another; see `tasks.seq2seq.settings.rules`."""

from __future__ import annotations

import itertools
import zoneinfo
from collections.abc import Iterator

from tasks.seq2seq.data.time_axis import Step
from tasks.seq2seq.settings.data import FilesData
from tasks.seq2seq.settings.evaluation import BACKTEST, EvaluationSettings
from tasks.seq2seq.settings.model import ModelSettings
from tasks.seq2seq.settings.section import Sections
from tasks.seq2seq.settings.series import SeriesSettings, is_set

_OF_TIME = ("time_format", "time_zone", "step", "duplicates_at", "gaps", "calendar")
_OF_REALS = ("gaps", "scale", "relative_to_last", "known", "calendar", "static", "static_categories")
_COLUMNS = ("series", "known", "static", "static_categories")
_OF_NUMBERS = ("mean", "sum", "min", "max")


def series_fits(sections: Sections) -> Iterator[str]:
    """A series has a history and a horizon, and values that can be cut into windows."""
    data = sections.get("data")
    if not isinstance(data, FilesData):
        return
    if (data.history is None) is not (data.horizon is None):
        given, missing = ("history", "horizon") if data.horizon is None else ("horizon", "history")
        yield f"data.{given} is set and data.{missing} is not; a series needs both"
    model = sections.get("model")
    embeds = isinstance(model, ModelSettings) and bool(model.series_embedding)
    if not data.is_series:
        if embeds:
            yield "model.series_embedding is set, but the data are pairs; it is for series with data.series"
        yield from (
            f"data.{name} is {getattr(data, name)}; it is for a series with data.history and data.horizon"
            for name in SeriesSettings.model_fields
            if name not in ("history", "horizon") and is_set(data, name)
        )
        return
    yield from _value_faults(data)
    yield from _time_faults(data)
    yield from _column_faults(data)
    yield from _wide_faults(data)
    if embeds:
        if data.series is None:
            yield "model.series_embedding is set, but data.series is not; name the columns of the ids"
        if {data.source_encoding, data.target_encoding} != {"vectors"}:
            yield "model.series_embedding is set, but source and target are not both vectors"


def backtest_fits(sections: Sections) -> Iterator[str]:
    """Origins are of series, and lie where there are windows."""
    data, evaluation = sections.get("data"), sections.get("evaluation")
    if data is None or not isinstance(evaluation, EvaluationSettings):
        return
    if not isinstance(data, FilesData) or not data.is_series:
        yield from (
            f"evaluation.{name} is {value}; it is for a series with data.history and data.horizon"
            for name in BACKTEST
            if (value := getattr(evaluation, name)) is not None
        )
    elif evaluation.backtest_stride is not None and evaluation.backtest_stride % data.stride:
        yield (
            f"evaluation.backtest_stride is {evaluation.backtest_stride}, but windows lie data.stride = {data.stride} "
            f"time steps apart; give a multiple of it"
        )


def _value_faults(data: FilesData) -> Iterator[str]:
    if {data.source_encoding, data.target_encoding} != {"vectors"}:
        yield from (
            f"data.{name} is set, but source and target are not both vectors"
            for name in _OF_REALS
            if is_set(data, name)
        )
        if data.duplicates_at in _OF_NUMBERS:
            yield f'data.duplicates_at is "{data.duplicates_at}", but integers are symbols; take first, last or reject'
    for side, columns in (("source", data.source_columns), ("target", data.target_columns)):
        encoding = getattr(data, f"{side}_encoding")
        if encoding not in ("integers", "vectors"):
            yield f"data.{side}_encoding is {encoding!r}; the time steps of a series are integers or vectors"
        if encoding == "integers" and len(columns) > 1:
            yield f"data.{side} names {len(columns)} columns; a series of integers has one, vectors may have several"


def _time_faults(data: FilesData) -> Iterator[str]:
    if data.time is None:
        yield from (
            f"data.{name} is {getattr(data, name)!r}, but data.time is not set; name the column of time stamps"
            for name in _OF_TIME
            if is_set(data, name)
        )
    if data.time is None and data.series is not None:
        yield (
            f"data.series is {data.series!r}, but data.time is not set; the rows of several series in one file are "
            f"told apart and sorted by both"
        )
    if data.fill is not None and data.gaps != "fill":
        yield f'data.fill is "{data.fill}", but data.gaps is "{data.gaps}"; set data.gaps to "fill", or leave it out'
    if data.calendar and data.step is not None and Step.parse(data.step).unit == "number":
        yield f"data.calendar is set, but data.step is {data.step}, a plain number, which no calendar has; leave it out"
    if len(set(data.calendar)) < len(data.calendar):
        yield f"data.calendar names something twice: {list(data.calendar)}"
    if data.time_zone is not None and data.time_zone not in zoneinfo.available_timezones():
        yield f"data.time_zone is {data.time_zone!r}, which is not a time zone; expected Europe/Berlin, UTC or the like"


def _wide_faults(data: FilesData) -> Iterator[str]:
    """Of a wide table, time and values are no columns, and nothing else goes on with the steps."""
    if not data.wide:
        if data.start is not None:
            yield f"data.start is {data.start!r}, but data.wide is not set; it is for files of a row a series"
        return
    if data.time is None:
        yield "data.wide is set, but data.time is not; say what its stamps are to be called"
    if data.series is None:
        yield "data.wide is set, but data.series is not; name the columns of the ids"
    if not data.header:
        yield "data.wide is set, but data.header is false; the columns of a wide table are named"
    if len({*data.source_columns, *data.target_columns}) > 1:
        yield "data.wide is set, but data.source and data.target are several; a wide table holds one value a step"
    if data.known is not None:
        yield f"data.known is {data.known!r}, but no column of a wide table goes on with time; leave data.wide out"
    if data.start is not None:
        yield from _start_faults(data)


def _start_faults(data: FilesData) -> Iterator[str]:
    if data.step is None:
        yield "data.start is set, but data.step is not; say how far one column is from the next"
    if data.time_zone is not None:
        yield "data.start is set, and data.time_zone too; steps are counted from starts without a zone"


def _column_faults(data: FilesData) -> Iterator[str]:
    """Names of a column that has another part already; only the source and the target may share some."""
    named = {
        "source or data.target": (*data.source_columns, *data.target_columns),
        "time": () if data.time_column is None else (data.time_column,),
        "start": () if data.start is None else (data.start,),
        **{name: data.columns_of(name) for name in _COLUMNS},
    }
    for (one, columns), (other, others) in itertools.combinations(named.items(), 2):
        for column in sorted(set(columns) & set(others), key=str):
            yield f"data.{other} names the column {column!r}, which data.{one} names too; a column has one part"
    for name in _COLUMNS:
        columns = data.columns_of(name)
        if len(set(columns)) < len(columns):
            yield f"data.{name} names a column twice: {columns}"
    if not data.header:
        yield from (
            f"data.{name} is {columns}; with data.header = false give the column's position, counted from 0"
            for name, columns in list(named.items())[1:]
            if any(isinstance(column, str) for column in columns)
        )
