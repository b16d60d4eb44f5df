"""What an evaluation of series found of each series and of each origin.

by_series.parquet   a row a series: what tells which it is, its windows, their score, and for forecasts the error of the
                    best simple forecast and the ratio of both
by_origin.parquet   a row an origin, the last one first, likewise
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Rows
from tasks.seq2seq.data.backtest import Backtest
from tasks.seq2seq.metrics.groups import GroupMeans, GroupScores
from tasks.storage.artifacts.shapes import BacktestFile, ForecastFile, OfGroup
from tasks.storage.artifacts.shown_forecasts import Chosen, describe_forecasts
from tasks.storage.artifacts.stamps import TimeFacts, to_stamps
from tasks.storage.artifacts.stored_series import StoredSeries

MOST_POINTS = 200  # of the errors of series in ascending order
BY_SERIES, BY_ORIGIN = "by_series.parquet", "by_origin.parquet"
MOST_SERIES, MOST_ORIGINS = 10, 24  # that `evaluation.json` tells of; the tables have all of them
LEAST_SERIES = 3  # to tell a best, a median and a worst one
Reals = NDArray[np.float64]


class BacktestScores:
    """Adds up scores of the windows of a dataset, which come in their order."""

    def __init__(self, dataset: Path, backtest: Backtest) -> None:
        """Takes the folder of the dataset, and which of its test windows come."""
        self._stored = StoredSeries(dataset)
        self._origins = self._stored.origins_of("test", backtest)
        self._steps_between = backtest.steps_between(self._stored.plan)
        self._by_series, self._by_origin = GroupScores(), GroupScores()
        self._metric, self._done = "", 0
        self._values: list[Reals] = []

    def add(self, metric: str, values: Reals, baselines: Mapping[str, Reals]) -> None:
        """Counts a block: the metric that models are compared by, of each window, and errors of simple forecasts."""
        found = {metric: values, **baselines}
        part = slice(self._done, self._done + len(values))
        self._by_series.add(self._origins.series[part], found)
        self._by_origin.add(self._origins.numbers[part], found)
        self._metric, self._done = metric, self._done + len(values)
        self._values.append(values)

    def write(self, folder: Path, baseline: str | None) -> BacktestFile:
        """Writes both tables into `folder`, and gives what `evaluation.json` says of them.

        `baseline` names the simple forecast that errors are held against; None without one.
        """
        by_series, by_origin = (self._columns(of.means(), baseline) for of in (self._by_series, self._by_origin))
        series, origins = by_series.pop("number"), by_origin.pop("number")
        table = pa.table({**self._names(series), **by_series})
        pq.write_table(table, folder / BY_SERIES)
        steps_back = {"steps_before_last": pa.array(origins * self._steps_between)}
        pq.write_table(pa.table({**steps_back, **self._times(origins), **by_origin}), folder / BY_ORIGIN)
        ranked = self._worst_first(by_series)
        worst = ranked[:MOST_SERIES]
        ids = self._ids(series[worst])
        self._ranked = series[ranked]
        ratios = by_series.get("relative_mae", by_series[self._metric])[ranked][::-1]
        spread = np.unique(np.linspace(0, len(ratios) - 1, min(len(ratios), MOST_POINTS)).astype(np.int64))
        return BacktestFile(
            metric=self._metric,
            n_series=len(series),
            n_origins=len(origins),
            steps_between=self._steps_between,
            worst_series=[_row(" ".join(ids[i]), by_series, at) for i, at in enumerate(worst.tolist())],
            errors=ratios[spread].tolist(),
            origins=[_row(self._written(origins[i]), by_origin, i) for i in range(min(len(origins), MOST_ORIGINS))],
        )

    def forecasts(self, predictions: Path, columns: Sequence[str]) -> list[ForecastFile]:
        """The best, a median and the worst forecast, once the tables are written; none of symbols.

        They are the last ones of such series, and of fewer than three series such windows.

        Args:
            predictions: the Parquet file of all forecasts, in their order.
            columns: what the features of the target are called.
        """
        if self._metric != "mae":
            return []
        return describe_forecasts(self._stored, predictions, columns, list(self._chosen()))

    def _chosen(self) -> Iterator[Chosen]:
        values = np.concatenate(self._values)
        by_series = len(self._ranked) >= LEAST_SERIES
        if by_series:
            rows = np.searchsorted(self._origins.series, self._ranked, side="right") - 1
        else:
            rows = np.argsort(-values, kind="stable")
        lasts = self._stored.lasts("test")
        places = {"best": -1, "median": len(rows) // 2, "worst": 0} if len(rows) >= LEAST_SERIES else {"last": -1}
        for which, place in places.items():
            row = int(rows[place])
            (name,) = self._ids(self._origins.series[row : row + 1])
            what = f"The {which} {'series' if by_series else 'forecast'}, {' '.join(name)}"
            yield Chosen(what, int(lasts[self._origins.at[row]]), row, float(values[row]))

    def _columns(self, means: GroupMeans, baseline: str | None) -> dict[str, NDArray[Any]]:
        found = {"number": means.numbers, "windows": means.counts, self._metric: means.means[self._metric]}
        if baseline is not None:
            error = means.means[baseline]
            found["baseline_mae"] = error
            found["relative_mae"] = np.divide(
                found[self._metric], error, out=np.full(len(error), np.nan), where=error > 0
            )
        return found

    def _worst_first(self, columns: Mapping[str, NDArray[Any]]) -> Rows:
        """Series by their errors over those of the best simple forecast, where there are any; none of NaN."""
        order = columns.get("relative_mae", columns[self._metric])
        is_error = self._metric == "mae"
        found = np.argsort(-order if is_error else order, kind="stable")
        result: Rows = found[~np.isnan(order[found])]
        return result

    def _ids(self, series: Rows) -> list[tuple[str, ...]]:
        """What series are called: by their ids, or by their file."""
        return list(zip(*(column.to_pylist() for column in self._names(series).values()), strict=True))

    def _names(self, series: Rows) -> dict[str, pa.Array]:
        table, names = self._stored.table, self._stored.described["ids"]
        columns = {f"series_{name}": f"id.{i}" for i, name in enumerate(names)} or {"file": "first_file"}
        return {name: table[column].combine_chunks().take(pa.array(series)) for name, column in columns.items()}

    def _times(self, origins: Rows) -> dict[str, pa.Array]:
        """The first and the last stamp of each origin, over its series; none without stamps."""
        time = self._stored.described.get("time")
        if time is None:
            return {}
        lasts = np.asarray(self._stored.lasts("test"))[self._origins.at]
        stamps, numbers = self._stored.stamps(lasts), self._origins.numbers
        first, last = np.full(numbers.max() + 1, stamps.max()), np.full(numbers.max() + 1, stamps.min())
        np.minimum.at(first, numbers, stamps)
        np.maximum.at(last, numbers, stamps)
        facts = TimeFacts.model_validate(time)
        return {name: to_stamps(of[origins], facts) for name, of in (("first_time", first), ("last_time", last))}

    def _written(self, number: int) -> str:
        """What an origin is called in a table for people."""
        times = [column[0].as_py() for column in self._times(np.array([number])).values()]
        if not times:
            back = int(number) * self._steps_between
            return f"{back} step(s) before the last" if back else "the last"
        return str(times[0]) if times[0] == times[1] else f"{times[0]} to {times[1]}"


def _row(name: str, columns: Mapping[str, NDArray[Any]], i: int) -> OfGroup:
    scores = {key: float(column[i]) for key, column in columns.items() if key != "windows"}
    return OfGroup(
        name=name,
        windows=int(columns["windows"][i]),
        scores={key: None if np.isnan(value) else value for key, value in scores.items()},
    )
