"""All experiments of a store side by side: as content for a table, as CSV, and as a page."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.reporting.pages import html_pages
from tasks.reporting.sweep_page import write_score, write_value
from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.rules import nearest
from tasks.seq2seq.sweep.leaderboard import differing, direction_of, flatten, leading_score
from tasks.seq2seq.sweep.trials import TRIALS, interval_of
from tasks.storage.store.experiments import StoredExperiment
from tasks.storage.store.manifest import short

Board = dict[str, Any]  # the experiments on one dataset


def make_boards(experiments: Sequence[StoredExperiment], problem: str | None) -> list[Board]:
    """A board for each dataset, since scores of different data do not compare.

    Args:
        experiments: of the store.
        problem: the name of an experiment, or of a generated problem; None for all.

    Raises:
        SettingsError: no experiment is of this problem.
    """
    chosen = [one for one in experiments if problem is None or problem in _names(one)]
    if problem is not None and not chosen:
        known = sorted({name for one in experiments for name in _names(one)})
        raise SettingsError(
            f"no experiment of the store is called {problem!r}{nearest(problem, known)}; there are: "
            f"{', '.join(known) or 'none'}"
        )
    by_dataset: dict[str, list[StoredExperiment]] = {}
    for one in chosen:
        by_dataset.setdefault(one.dataset, []).append(one)
    return [_board(dataset, group) for dataset, group in by_dataset.items()]


def _names(one: StoredExperiment) -> set[str]:
    data = one.experiment.get("data")
    made_up = data.get("problem") if isinstance(data, Mapping) else None
    return {name for name in (one.name, one.name.removesuffix(TRIALS), made_up, *one.promoted_as) if name}


def _board(dataset: str, group: Sequence[StoredExperiment]) -> Board:
    metric = leading_score([one.evaluation or one.validation for one in group])
    names = differing([one.experiment for one in group])
    rows, better = [_row(one, metric, names) for one in group], direction_of(metric)
    return {
        "dataset": dataset,
        "names": sorted({one.name for one in group}),
        "metric": metric,
        "direction": better,
        "differs": names,
        "experiments": sorted(rows, key=lambda row: _standing(row, better)),
    }


def _row(one: StoredExperiment, metric: str, names: Sequence[str]) -> dict[str, Any]:
    settings = dict(flatten(one.experiment))
    evaluation, validation = one.evaluation or {}, one.validation or {}
    return {
        "name": one.name,
        "bundle": one.bundle,
        "score": evaluation.get(metric),
        "interval": interval_of(metric, evaluation),
        "validation": validation.get(metric),
        "validation_interval": interval_of(metric, validation),
        "settings": {name: settings.get(name) for name in names},
        "seconds": None if one.seconds is None else round(one.seconds, 3),
        "parameters": one.parameters,
        "bytes": one.bytes,
        "promoted_as": one.promoted_as,
    }


def _standing(row: Mapping[str, Any], direction: str) -> tuple[float, float]:
    """By the score that proves a model; those without one behind the others, by the one that they were chosen by."""
    sign = -1 if direction == "maximize" else 1
    proven, chosen = (math.inf if row[name] is None else sign * row[name] for name in ("score", "validation"))
    return proven, chosen


def board_rows(board: Board) -> list[dict[str, str]]:
    """The experiments of a board as a person reads them, by the names of columns."""
    return [
        {
            "": str(rank),
            "name": row["name"],
            board["metric"]: write_score(row["score"], row["interval"]),
            "on validation": write_score(row["validation"], row["validation_interval"]),
            **{name: "" if value is None else write_value(value) for name, value in row["settings"].items()},
            "trained in": "" if row["seconds"] is None else f"{row['seconds']:.1f} s",
            "parameters": f"{row['parameters']:,}",
            "size": f"{row['bytes'] / 1e6:.2f} MB",
            "bundle": short(row["bundle"]),
            "serves as": ", ".join(row["promoted_as"]),
        }
        for rank, row in enumerate(board["experiments"], 1)
    ]


def as_csv(boards: Sequence[Board]) -> str:
    """All boards as one CSV; settings in which no experiment of a dataset differs are empty there."""
    settings = dict.fromkeys(name for board in boards for name in board["differs"])
    known = ("name", "score", "validation", "seconds", "parameters", "bytes", "bundle")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["dataset", "rank", "metric", *known, "low", "high", "promoted_as", *settings])
    for board in boards:
        for rank, row in enumerate(board["experiments"], 1):
            low, high = row["interval"] or (None, None)
            values = [row["settings"].get(name) for name in settings]
            names = " ".join(row["promoted_as"])
            first = [board["dataset"], rank, board["metric"], *(row[name] for name in known)]
            writer.writerow([*first, low, high, names, *values])
    return text.getvalue()


def as_page(boards: Sequence[Board], store: str) -> str:
    """All boards as a page of its own."""
    tables = [{**board, "rows": board_rows(board), "dataset": short(board["dataset"])} for board in boards]
    return html_pages().get_template("leaderboard.html.jinja").render(boards=tables, store=store)
