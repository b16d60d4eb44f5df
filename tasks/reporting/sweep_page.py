"""The page about a sweep, and the same in short for Prefect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tasks.reporting.history import draw_history
from tasks.reporting.pages import cell, html_pages
from tasks.seq2seq.sweep.ranking import Finalist, best_so_far, rank
from tasks.seq2seq.sweep.trials import Result
from tasks.storage.files.json_files import write_json
from tasks.storage.store.manifest import short

PAGE, SUMMARY, CONTENT = "sweep.html", "sweep.md", "sweep.json"


def write_page(name: str, sweep: Mapping[str, Any], folder: Path) -> None:
    """Fills `folder` with the page, its short form, and what both are of."""
    write_json(folder / CONTENT, dict(sweep))
    context = _context(name, sweep)
    (folder / PAGE).write_text(html_pages().get_template("sweep_report.html.jinja").render(context), encoding="utf-8")
    (folder / SUMMARY).write_text("\n".join(_markdown(context)), encoding="utf-8")


def _context(name: str, sweep: Mapping[str, Any]) -> dict[str, Any]:
    results = [Result(**trial) for trial in sweep["trials"]]
    best = best_so_far(results, sweep["direction"])
    metric = sweep["metric"].replace("_", " ")
    return {
        "name": name,
        "sweep": sweep,
        "settings": list(sweep["winner"]),
        "rows": [trial_row(result) for result in rank(results, sweep["direction"])],
        "finalists": [_finalist_row(Finalist(**one)) for one in sweep["finalists"]],
        "history": draw_history([result.score for result in results], best, metric, ("trial", "best so far")),
    }


def trial_row(result: Result) -> dict[str, Any]:
    """A trial as a person reads it."""
    return {
        "number": result.number,
        "settings": {name: write_value(value) for name, value in result.settings.items()},
        "score": write_score(result.score, result.interval),
        "why": result.reason or "",
        "seconds": "" if result.seconds is None else f"{result.seconds:.1f} s",
        "parameters": "" if result.parameters is None else f"{result.parameters:,}",
        "size": "" if result.bytes is None else f"{result.bytes / 1e6:.2f} MB",
        "bundle": short(result.bundle or ""),
    }


def _finalist_row(one: Finalist) -> dict[str, Any]:
    return {
        "number": one.number,
        "settings": {name: write_value(value) for name, value in one.settings.items()},
        "scores": {seed: "none" if score is None else f"{score:.4g}" for seed, score in one.scores.items()},
        "mean": f"{one.mean:.4g} ({one.low:.4g} to {one.high:.4g})",
    }


def write_value(value: object) -> str:
    """The value of a setting."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def write_score(score: float | None, interval: tuple[float, float] | None) -> str:
    """A score, and its interval where it has one."""
    if score is None:
        return ""
    return f"{score:.4g} ({interval[0]:.4g} to {interval[1]:.4g})" if interval else f"{score:.4g}"


def write_settings(settings: Mapping[str, object]) -> str:
    """Settings in a line."""
    return ", ".join(f"{name} {write_value(value)}" for name, value in settings.items())


def _markdown(context: Mapping[str, Any]) -> Iterator[str]:
    sweep, settings = context["sweep"], context["settings"]
    yield f"# Sweep of {context['name']}"
    best = cell(write_settings(sweep["winner"]))
    yield f"Best by {sweep['metric']}, {sweep['direction']}d on {sweep['ranked_on']}: {best}. {sweep['message']}"
    yield from ("", f"![best so far]({context['history'].data_uri()})", "")
    yield f"| trial | {' | '.join(settings)} | {sweep['metric']} | trained in | parameters | |"
    yield "|" + "---|" * (len(settings) + 5)
    for row in context["rows"]:
        values = " | ".join(cell(row["settings"][name]) for name in settings)
        known = " | ".join(row[name] for name in ("score", "seconds", "parameters"))
        yield f"| {row['number']} | {values} | {known} | {cell(row['why'])} |"
    yield from ("", "| best, by several seeds | scores | mean (lowest to highest) |", "|---|---|---|")
    for one in context["finalists"]:
        scores = ", ".join(one["scores"].values())
        yield f"| trial {one['number']}: {cell(write_settings(one['settings']))} | {scores} | {one['mean']} |"
