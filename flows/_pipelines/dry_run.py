"""A dry run: what the user's files hold as training would take them, and which steps would be made, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from flows._cli.command import Summary, put
from flows._cli.table import Justify, print_table
from flows._pipelines.steps import Planned, Step, plan_steps
from tasks.generate import held_out_sources
from tasks.runtime.progress import progress, report
from tasks.seq2seq.settings.data import FilesData
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.where import Where
from tasks.storage.ingest.look import look_at_files
from tasks.storage.ingest.reject_table import count_reasons, cut, reject_table
from tasks.storage.ingest.time_text import describe_time
from tasks.storage.readers.blocks import Reject
from tasks.storage.store.artifact_store import Store

_WIDTH = 50  # of a source, or a target, in a table
_SHOWN_FILES = 5  # of a series
_PAIR_COLUMNS: dict[str, Justify] = {"file": "left", "row": "right", "source": "left", "target": "left"}


def look_and_plan(steps: Sequence[Step], experiment: Experiment, store: Where, *, refresh: bool) -> Summary:
    """Reads the user's files, of a generated problem nothing, and looks for the steps; it makes nothing.

    Raises:
        DataError: the files would be refused.
    """
    data, found = experiment.data, None
    if isinstance(data, FilesData):
        with progress("dry run"):
            found = look_at_files(data, experiment.seed, held_out_sources(experiment, Store(store)), report)
    planned = plan_steps(steps, experiment, store, refresh=refresh)
    return {"data": found, "steps": [step._asdict() for step in planned]}


def show_dry_run(summary: Summary) -> None:
    """Prints it for a person."""
    if found := summary["data"]:
        _show_data(found)
    show_planned([Planned(**step) for step in summary["steps"]])


def show_planned(planned: Sequence[Planned]) -> None:
    """Prints the steps and what would be done."""
    print_table(
        {"step": "left", "": "left", "why, or where": "left"},
        [(step.name, "cached" if step.cached else "would be made", step.why) for step in planned],
    )
    n = sum(not step.cached for step in planned)
    again = "; one that comes out as before leaves those after it cached" if 0 < n < len(planned) else ""
    put(f"dry run: nothing was made; {n} of {len(planned)} steps would be{again}")


def _show_data(found: Summary) -> None:
    put("\n".join(_counts(found)))
    put(f"\n{'windows' if found['series'] else 'pairs'} as they are understood:")
    print_table(_PAIR_COLUMNS, [_pair(one) for one in found["pairs"]])
    put("")
    for side in ("source", "target"):
        put("\n".join(_side(side, found["encodings"][side], found[side])))
    if found["odd_rows"]:
        put("\nrows that are unlike the others:")
        columns: dict[str, Justify] = {"": "left", "steps": "right", **_PAIR_COLUMNS}
        print_table(columns, [_odd(one) for one in found["odd_rows"]])
    if found["series"]:
        _show_series(found["series"])
    put("")


def _counts(found: Summary) -> Iterator[str]:
    """How many rows were read, where they went, and the first that cannot be used."""
    first = found["first_rows"]
    extent = "all rows were read"
    if first is not None:
        extent = f"the files are large: all that follows is of the first {first:,} rows or so of each place"
    read = ", ".join(f"{name} {n:,}" for name, n in found["read"].items())
    yield f"{extent}: {read}"
    splits, kind = found["splits"], "windows" if found["series"] else "pairs"
    held_back = f", {found['held_back']:,} held back for the holdout" if found["held_back"] else ""
    yield (
        f"{splits['train']:,} {kind} to train, {splits['validation']:,} to validate, {splits['test']:,} to evaluate on"
        f"{held_back}"
    )
    if found.get("time"):
        yield describe_time(found["time"])
    yield from _repeats(found["repeats"])
    if n_rejected := sum(found["rejected"].values()):
        yield f"{n_rejected:,} rows are rejected: {count_reasons(found['reasons'])}"
        yield from reject_table([_reject(one, found["read"]) for one in found["rejects"]], n_rejected)


def _reject(one: dict[str, Any], read: dict[str, int]) -> Reject:
    """A rejected row; where files are given in several places, its file says by which setting."""
    file = f"{one['setting']}: {one['file']}" if len(read) > 1 else one["file"]
    return Reject(file, one["row"], one["reason"], one["content"])


def _repeats(repeats: dict[str, int]) -> Iterator[str]:
    there = [f"{name.replace('_', ' ')} {n:,}" for name, n in repeats.items() if n]
    if there:
        yield f"repeats: {', '.join(there)}"


def _pair(one: dict[str, Any]) -> tuple[str, str, str, str]:
    return one["file"], str(one["row"]), cut(one["source"], _WIDTH), cut(one["target"], _WIDTH)


def _odd(one: dict[str, Any]) -> tuple[str, ...]:
    return one["why"], f"{one['source_steps']:,}, {one['target_steps']:,}", *_pair(one)


def _side(side: str, encoding: str, found: dict[str, Any]) -> Iterator[str]:
    """What was learned of a side: its symbols, or the range of its features."""
    longest = f"{side}: {encoding}, at most {found['longest']:,} a sequence"
    if "symbols" not in found:
        yield longest
        features = zip(*(found[name] for name in ("mean", "deviation", "low", "high")), strict=True)
        for i, (mean, deviation, low, high) in enumerate(features, 1):
            name = f"  feature {i}" if found["features"] > 1 else " "
            yield f"{name} mean {mean:.4g}, deviation {deviation:.4g}, from {low:.4g} to {high:.4g}"
        return
    unknown = f", and {found['unknown']:,} others that are unknown" if found["unknown"] else ""
    yield f"{longest}; {found['symbols']:,} different ones{unknown}"
    shown = ("commonest", "rarest") if found["symbols"] > len(found["commonest"]) else ("commonest",)
    for name in shown:
        yield f"  {name}: " + ", ".join(f"{one['symbol']!r} ({one['count']:,})" for one in found[name])


def _show_series(series: list[dict[str, Any]]) -> None:
    is_timed = "series" in series[0] or any(isinstance(at, str) for at in series[0]["rows_by_split"]["train"] or [])
    put(f"\n{'times' if is_timed else 'rows'} of each split, and its windows:")
    splits = list(series[0]["rows_by_split"])
    name = "series" if "series" in series[0] else "file"
    columns: dict[str, Justify] = {name: "left", "rows": "right", "rejected": "right"}
    columns |= dict.fromkeys(splits, "left")
    print_table(columns, [_file(one, splits) for one in series[:_SHOWN_FILES]])
    if len(series) > _SHOWN_FILES:
        put(f"... and {len(series) - _SHOWN_FILES:,} more {name if name == 'series' else 'files'}")


def _file(one: dict[str, Any], splits: Sequence[str]) -> tuple[str, ...]:
    parts = []
    for split in splits:
        rows = one["rows_by_split"][split]
        borders = [row if isinstance(row, str) else f"{row:,}" for row in rows or ()]
        parts.append(f"{borders[0]} to {borders[1]}: {one['windows_by_split'][split]:,}" if rows else "none")
    return " / ".join(one.get("series", [one["file"]])), f"{one['read']:,}", f"{one['rejected']:,}", *parts
