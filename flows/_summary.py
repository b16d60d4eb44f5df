"""The result of a run, for scripts and for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from tasks.planning import Job
from tasks.promote import Promotion
from tasks.storage.manifest import Handle

Summary = dict[str, Any]


def describe_steps(handles: Iterable[Handle]) -> list[Summary]:
    """One entry a step: seconds in this run, whether it was cached, and how long it took to make."""
    return [
        {
            "name": handle.kind,
            "seconds": round(handle.seconds, 4),
            "cached": handle.cached,
            "made_in_seconds": round(handle.made_in_seconds, 4),
            "digest": handle.digest,
            "path": str(handle.path),
        }
        for handle in handles
    ]


def describe_dataset(dataset: Handle) -> Summary:
    """Where the dataset lies and what is in it."""
    facts = dataset.facts
    return {
        "digest": dataset.digest,
        "path": str(dataset.path),
        "rows": facts["train_rows"],
        **{name: facts[name] for name in ("validation_rows", "evaluation_rows", "rejected_rows")},
        "shapes": {
            name: [facts["train_rows"], *_step_shape(facts[side])]
            for name, side in (("source", "source"), ("decoder_input", "target"), ("target", "target"))
        },
    }


def _step_shape(side: Summary) -> list[int]:
    return [side["length"], *([side["features"]] if side["features"] else [])]


def describe_evaluation(evaluation: Handle) -> Summary:
    """The scores and the examples."""
    return {**evaluation.facts["scores"], "examples": evaluation.facts["examples"]}


def describe_promotion(promotion: Promotion) -> Summary:
    """Whether the run's model serves, and why or why not."""
    return {
        "name": promotion.name,
        "promoted": promotion.promoted,
        "promotion_reason": promotion.reason,
        "promotion_decided_now": promotion.decided_now,
    }


def seconds_since_start(at: float | None) -> float | None:
    """How long after the start of this process `at` was, which is in seconds since the epoch."""
    return None if at is None else round(at - psutil.Process().create_time(), 3)


def describe_speed(first_at: float | None, rows_per_s: float | None) -> Summary:
    """When the first row was written, in seconds since the process began, and the rate once all workers were warm."""
    return {"seconds_to_first_row": seconds_since_start(first_at), "rows_per_s": rows_per_s}


def show_dataset(summary: Summary) -> None:
    """Prints the shapes of the prepared dataset."""
    dataset = summary["dataset"]
    shapes = "  ".join(f"{name} {tuple(shape)}" for name, shape in dataset["shapes"].items())
    print(f"dataset: {shapes}")
    print(
        f"  {dataset['rows']} training, {dataset['validation_rows']} validation, {dataset['evaluation_rows']} "
        f"held-out pairs, {dataset['rejected_rows']} rows rejected"
    )


def show_evaluation(summary: Summary) -> None:
    """Prints the scores and the examples."""
    for example in summary["examples"]:
        text = example["text"]
        mark = "   wrong" if example["correct"] is False else ""
        print(f"source {text['source']}  expected {text['expected']}  predicted {text['predicted']}{mark}")
    print("\n".join(_scored_vectors(summary) if "mae" in summary else _scored_tokens(summary)))


def _scored_tokens(summary: Summary) -> Iterator[str]:
    low, high = summary["sequence_accuracy_interval"]
    yield (
        f"accuracy: {100 * summary['sequence_accuracy']:.2f} %, {summary['n_correct']} of {summary['n_evaluated']} "
        f"held-out sequences right (95 % interval {100 * low:.2f} to {100 * high:.2f} %)"
    )
    rate, forced = summary["token_error_rate"], summary["teacher_forced_token_accuracy"]
    yield (
        f"  tokens: error rate {_number(rate)}, accuracy {_number(summary['token_accuracy'])} "
        f"(teacher-forced {_number(forced)}); {summary['distinct_predictions']} distinct predictions of "
        f"{summary['distinct_references']}, always the commonest target: {_number(summary['majority_baseline'])}"
    )
    for name in ("bleu", "chrf"):
        if name in summary:
            yield f"  {name}: {summary[name]:.2f}"


def _scored_vectors(summary: Summary) -> Iterator[str]:
    yield (
        f"mean absolute error {_number(summary['mae'])} over {summary['n_evaluated']} held-out sequences, RMSE "
        f"{_number(summary['rmse'])}, sMAPE {_number(summary['smape'])} %, MASE {_number(summary['mase'])}"
    )
    baselines = {"naive": "naive", "seasonal_naive": "seasonal naive", "mean": "mean"}
    ratios = [f"{said} {_number(summary[f'relative_mae_{name}'])}" for name, said in baselines.items()]
    yield f"  error over that of a forecast by: {', '.join(ratios)}"
    if "nearest_neighbour_accuracy" in summary:
        yield (
            f"  nearest neighbour right: {_number(summary['nearest_neighbour_accuracy'])}, cosine similarity "
            f"{_number(summary['mean_cosine_similarity'])}"
        )


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


def show_steps(summary: Summary) -> None:
    """Prints a table of the steps: time, cached or made, and where the result lies."""
    table = Table(box=None, pad_edge=False)
    for column, justify in (("step", "left"), ("seconds", "right"), ("", "left"), ("where", "left")):
        table.add_column(column, justify=justify, no_wrap=True, overflow="ignore")  # type: ignore[arg-type]
    for step in summary["steps"]:
        table.add_row(step["name"], f"{step['seconds']:.2f}", "cached" if step["cached"] else "made", step["path"])
    Console(width=10_000).print(table)
    show_cost(summary)


def show_cost(summary: Summary) -> None:
    """Prints the time and the memory of the whole command."""
    print(
        f"whole command {summary['total_seconds']:.1f} s, peak memory {summary['peak_rss_mib']:.0f} MiB "
        f"(of that the Prefect server {summary['peak_rss_server_mib']:.0f})"
    )


def show_promotion(summary: Summary) -> None:
    """Prints the gate's answer."""
    state = "promoted" if summary["promoted"] else "not promoted"
    when = "" if summary["promotion_decided_now"] else " (this run made no new model; decided before)"
    print(f"{state} as {summary['name']!r}: {summary['promotion_reason']}{when}")


def show_plan(jobs: Iterable[Job]) -> None:
    """Prints what would be done with each file, and why."""
    table = _file_table("")
    for job in jobs:
        table.add_row(job.name, _PLANNED[job.action], "" if job.action in ("wait", "fail") else job.reason)
    _print_table(table)
    for job in jobs:
        if job.action in ("wait", "fail"):
            print(f"{_PLANNED[job.action]}: {job.reason}")


_PLANNED = {"predict": "predict", "keep": "keep", "wait": "wait", "fail": "FAIL"}
_DONE = {"predict": "predicted", "keep": "unchanged", "wait": "waiting", "fail": "FAILED"}
MOST_LINES = 60


def show_batch(summary: Summary) -> None:
    """Prints the account of each file, those that were not touched in a line if they are many."""
    files = summary["files"]
    if len(files) > MOST_LINES:
        files = [file for file in files if file["state"] != "keep"]
    table = _file_table("read", "predicted", "rejected", "")
    for file in files[:MOST_LINES]:
        numbers = [f"{file[name]:,}" if name in file else "" for name in ("read", "predicted", "rejected")]
        table.add_row(file["name"], _DONE[file["state"]], *numbers, _why(file))
    _print_table(table)
    if hidden := len(summary["files"]) - len(files[:MOST_LINES]):
        print(f"  ... and {hidden} more files, all of them in _run.json")
    print("\n".join(_batch_lines(summary)))


def _batch_lines(summary: Summary) -> Iterator[str]:
    for file in summary["files"]:
        if file["state"] in ("wait", "fail"):
            yield f"{_DONE[file['state']]}: {file['reason']}"
    history = f" + {summary['history_only']:,} history only" if summary["history_only"] else ""
    yield (
        f"{summary['read']:,} rows read = {summary['predicted']:,} predicted + {summary['rejected']:,} rejected"
        f"{history}; {summary['predicted_files']} files predicted, {summary['kept_files']} unchanged, "
        f"{summary['waiting_files']} waiting, {summary['failed']} failed"
    )
    if summary["scored"]:
        yield "scored: " + ", ".join(f"{name.replace('_', ' ')} {_score(v)}" for name, v in summary["scored"].items())
    for name in summary["above_reject_rate"]:
        yield f"more rejected rows than --max-reject-rate allows: {name}"
    for shift in summary["drift"]:
        if shift["verdict"] in ("moderate", "shifted"):
            yield (
                f"drift: {shift['name'].replace('_', ' ')} {shift['verdict']} (PSI {shift['psi']:.3f}): "
                f"{shift['before']} in training, {shift['now']} now"
            )
    yield from (f"no input any more: {name}" for name in summary["outputs_without_input"])
    yield from (f"left out, of an unknown format: {name}" for name in summary["files_of_other_formats"])
    if rate := summary["rows_per_s"]:
        yield f"{rate:,.0f} rows/s, the first written {summary['seconds_to_first_row']:.1f} s after the start"
    yield f"report: {summary['report']}"


def _why(file: Summary) -> str:
    reasons = ", ".join(f"{reason} {n:,}" for reason, n in file.get("reasons", {}).items())
    resumed = f"{file['resumed_chunks']} chunks of an ended run taken over" if file.get("resumed_chunks") else ""
    return "; ".join(part for part in (reasons, resumed) if part)


def _score(value: object) -> str:
    if isinstance(value, float):
        return _number(value)
    return f"{value[0]:.4g} to {value[1]:.4g}" if isinstance(value, list | tuple) else str(value)


def _file_table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("file", no_wrap=True, overflow="ignore")
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right" if column else "left", no_wrap=True, overflow="ignore")
    return table


def _print_table(table: Table) -> None:
    Console(width=10_000, markup=False, highlight=False).print(table)
