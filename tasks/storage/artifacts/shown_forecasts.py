"""Forecasts that are worth a picture, with the history before them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.seq2seq.data.quantiles import PREFIX
from tasks.storage.artifacts.shapes import ForecastFile
from tasks.storage.artifacts.stamps import TimeFacts, to_stamps
from tasks.storage.artifacts.stored_series import StoredSeries

LEAST_STEPS = 24  # of a history that are shown, or three times the horizon; what is before makes the horizon small


class Chosen(NamedTuple):
    """A forecast to show: which it is in words, its window, its row among the predictions, and its error."""

    which: str
    last: int
    row: int
    error: float


def n_shown(history: int, horizon: int) -> int:
    """Time steps of a history that are shown before its horizon."""
    return min(history, max(LEAST_STEPS, 3 * horizon))


def describe_forecasts(
    stored: StoredSeries, predictions: Path, columns: Sequence[str], chosen: Sequence[Chosen]
) -> list[ForecastFile]:
    """What was there, what was forecast and what came, in original units.

    Args:
        stored: the series.
        predictions: the Parquet file of an evaluation.
        columns: what the features of the target are called.
        chosen: the forecasts.
    """
    rows = _rows(predictions, [one.row for one in chosen])
    return [_describe(stored, list(columns), one, row) for one, row in zip(chosen, rows, strict=True)]


def _describe(stored: StoredSeries, columns: list[str], one: Chosen, row: dict[str, Any]) -> ForecastFile:
    n, steps = n_shown(stored.plan.history, stored.plan.horizon), stored.steps
    back = np.arange(one.last + 1 - n, one.last + 1)
    history: list[list[float] | None] = np.asarray(steps.target[back]).tolist()
    if steps.filled is not None:
        history = [None if filled else step for step, filled in zip(history, steps.filled[back], strict=True)]
    return ForecastFile(
        which=one.which,
        columns=columns,
        times=written_times(stored, one.last, n),
        history=history,
        expected=row["target"],
        predicted=row["prediction"],
        quantiles={name.removeprefix(PREFIX): values for name, values in row.items() if name.startswith(PREFIX)},
        error=one.error,
    )


def written_times(stored: StoredSeries, last: int, n: int) -> list[str] | None:
    """The stamps of the last steps of a history and of its horizon, written; None without any."""
    time = stored.described.get("time")
    if time is None:
        return None
    ahead = np.arange(1 - n, stored.plan.horizon + 1)
    stamps = stored.stamps(np.full(len(ahead), last), ahead)
    return write_times(to_stamps(stamps, TimeFacts.model_validate(time)))


def forecast_columns(names: Sequence[str]) -> list[str]:
    """The columns that hold what was forecast."""
    return [name for name in names if name == "prediction" or name.startswith(PREFIX)]


def with_forecasts(pasts: Sequence[ForecastFile], rows: Sequence[Mapping[str, Any]]) -> list[ForecastFile]:
    """What was there before some forecasts, with the forecasts, of the features that are shown."""
    return [_with_forecast(past, row) for past, row in zip(pasts, rows, strict=False)]


def _with_forecast(past: ForecastFile, row: Mapping[str, Any]) -> ForecastFile:
    shown = {name: [step[: len(past["columns"])] for step in steps] for name, steps in row.items()}
    quantiles = {name.removeprefix(PREFIX): steps for name, steps in shown.items() if name.startswith(PREFIX)}
    return ForecastFile(**{**past, "predicted": shown["prediction"], "quantiles": quantiles})


def write_times(stamps: pa.Array) -> list[str]:
    """Dates, times and numbers as text."""
    return [str(stamp) for stamp in stamps.to_pylist()]


def _rows(path: Path, wanted: Sequence[int]) -> list[dict[str, Any]]:
    """Some rows of an evaluation's predictions, of which no more is read than the row groups that hold them."""
    found, first = dict[int, dict[str, Any]](), 0
    with pq.ParquetFile(path) as file:
        names = ["target", *forecast_columns(file.schema_arrow.names)]
        for group in range(file.num_row_groups):
            n = file.metadata.row_group(group).num_rows
            inside = [row for row in wanted if first <= row < first + n]
            if inside:
                table = file.read_row_group(group, columns=names)
                found |= {row: table.slice(row - first, 1).to_pylist()[0] for row in inside}
            first += n
    return [found[row] for row in wanted]
