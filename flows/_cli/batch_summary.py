"""The result of a batch prediction, for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from flows._cli.command import Summary, put
from flows._cli.summary import seconds_since_start
from tasks.prediction.jobs import Job
from tasks.reporting.batch_page import OUTCOMES, UNSCORED, score_rows
from tasks.seq2seq.shown import shown
from tasks.storage.ingest.reject_table import reject_table
from tasks.storage.ingest.rejects import read_first_rejects
from tasks.storage.outputs.accounts import REJECTS
from tasks.storage.readers.blocks import Reject


def describe_speed(first_at: float | None, rows_per_s: float | None) -> Summary:
    """When the first row was written, in seconds since the process began, and the rate once all workers were warm."""
    return {"seconds_to_first_row": seconds_since_start(first_at), "rows_per_s": rows_per_s}


def show_plan(jobs: Iterable[Job]) -> None:
    """Prints what would be done with each file, and why."""
    table = _file_table("")
    for job in jobs:
        table.add_row(
            shown(job.name), _PLANNED[job.action], "" if job.action in ("wait", "fail") else shown(job.reason)
        )
    _print_table(table)
    for job in jobs:
        if job.action in ("wait", "fail"):
            put(f"{_PLANNED[job.action]}: {job.reason}")


_PLANNED = {"predict": "predict", "keep": "keep", "wait": "wait", "fail": "FAIL"}
MOST_LINES = 60


def show_batch(summary: Summary) -> None:
    """Prints the account of each file, those that were not touched in a line if they are many."""
    files = summary["files"]
    if len(files) > MOST_LINES:
        files = [file for file in files if file["state"] != "keep"]
    table = _file_table("read", "predicted", "rejected", "")
    for file in files[:MOST_LINES]:
        numbers = [f"{file[name]:,}" if name in file else "" for name in ("read", "predicted", "rejected")]
        table.add_row(shown(file["name"]), OUTCOMES[file["state"]], *numbers, _why(file))
    _print_table(table)
    if hidden := len(summary["files"]) - len(files[:MOST_LINES]):
        put(f"  ... and {hidden} more files, all of them in _run.json")
    put("\n".join(_batch_lines(summary)))


def _batch_lines(summary: Summary) -> Iterator[str]:
    for file in summary["files"]:
        if file["state"] in ("wait", "fail"):
            yield f"{OUTCOMES[file['state']]}: {file['reason']}"
            yield from _first_rejects(file, Path(summary["output"]))
    history = f" + {summary['history_only']:,} history only" if summary["history_only"] else ""
    yield (
        f"{summary['read']:,} rows read = {summary['predicted']:,} predicted + {summary['rejected']:,} rejected"
        f"{history}; {summary['predicted_files']} files predicted, {summary['kept_files']} unchanged, "
        f"{summary['waiting_files']} waiting, {summary['failed']} failed"
    )
    if summary["scored"]:
        yield "scored: " + (", ".join(f"{name} {value}" for name, value in score_rows(summary)) or UNSCORED)
    yield from _advice_lines(summary)
    for name in summary["above_reject_rate"]:
        yield f"more rejected rows than --max-reject-rate allows: {name}"
    for found in summary["checks"]:
        if found["level"] != "fine":
            yield f"check {found['rule']} of the first rows: {found['level']}: {found['message']}"
    for shift in summary["drift"]:
        if shift["verdict"] in ("moderate", "shifted"):
            yield (
                f"drift: {shift['name'].replace('_', ' ')} {shift['verdict']} (PSI {shift['psi']:.3f}): "
                f"{shift['before']} in training, {shift['now']} now"
            )
    yield from _left_out_lines(summary)
    if rate := summary["rows_per_s"]:
        yield f"{rate:,.0f} rows/s, the first written {summary['seconds_to_first_row']:.1f} s after the start"
    yield f"report: {summary['report']}"


def _advice_lines(summary: Summary) -> Iterator[str]:
    for file in summary["files"]:
        if file["state"] != "fail":  # of those it is part of the reason
            yield from (f"{file['name']}: {line}" for line in file.get("advice", []))


def _first_rejects(file: Summary, output: Path) -> list[str]:
    """A table of the first rows of a file of which none can be used."""
    path = output / f"{file['name']}{REJECTS}"
    if not file.get("read") or file["read"] != file["rejected"] or not path.exists():
        return []
    return reject_table([Reject(**row) for row in read_first_rejects(path)], file["rejected"])


def _left_out_lines(summary: Summary) -> Iterator[str]:
    yield from (f"no input any more: {name}" for name in summary["outputs_without_input"])
    yield from (f"left out, of an unknown format: {name}" for name in summary["files_of_other_formats"])
    if again := summary["files_already_given"]:
        yield f"left out, as the same file is given by another name: {len(again):,} path(s), such as {again[0]}"


def _why(file: Summary) -> str:
    reasons = ", ".join(f"{reason} {n:,}" for reason, n in file.get("reasons", {}).items())
    resumed = f"{file['resumed_chunks']} chunks of an ended run taken over" if file.get("resumed_chunks") else ""
    return "; ".join(part for part in (reasons, resumed) if part)


def _file_table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("file", no_wrap=True, overflow="ignore")
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right" if column else "left", no_wrap=True, overflow="ignore")
    return table


def _print_table(table: Table) -> None:
    Console(width=10_000, markup=False, highlight=False).print(table)
