"""What the page of a model says of each series and of each origin of its evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tasks.reporting.wording import name_of_field, write_count, write_score
from tasks.storage.artifacts.shapes import BacktestFile, OfGroup

_COLUMNS = {"baseline_mae": "error of the best simple forecast", "relative_mae": "ratio of both"}


def backtest_tables(backtest: BacktestFile) -> Iterator[dict[str, Any]]:
    """The worst series and the last origins, each as a table with its title; none of a single one."""
    n_series, n_origins = backtest["n_series"], backtest["n_origins"]
    if n_series > 1:
        worst = backtest["worst_series"]
        yield _table(f"The worst of {write_count(n_series, 'series', 'series')}, the worst first", "series", worst)
    if n_origins > 1:
        shown = backtest["origins"]
        which = (
            f"The last {len(shown)} of {n_origins:,} origins" if len(shown) < n_origins else f"All {n_origins} origins"
        )
        apart = write_count(backtest["steps_between"], "step")
        yield _table(f"{which}, {apart} apart, the last first", "last step before the forecast", shown)


def _table(title: str, first: str, groups: Sequence[OfGroup]) -> dict[str, Any]:
    names = list(groups[0]["scores"]) if groups else []
    return {
        "title": title,
        "columns": [first, "windows", *(_COLUMNS.get(name, name_of_field(name)) for name in names)],
        "rows": [
            [of["name"], f"{of['windows']:,}", *(write_score(name, value) for name, value in of["scores"].items())]
            for of in groups
        ],
    }
