"""The result of a run, for scripts and for people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table

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
            "source": [facts["train_rows"], facts["source_length"]],
            "decoder_input": [facts["train_rows"], facts["target_length"]],
            "target": [facts["train_rows"], facts["target_length"]],
        },
    }


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
    """Prints the accuracy with its interval, and the examples."""
    low, high = summary["sequence_accuracy_interval"]
    for example in summary["examples"]:
        text = example["text"]
        mark = "" if example["correct"] else "   wrong"
        print(f"source {text['source']}  expected {text['expected']}  predicted {text['predicted']}{mark}")
    print(
        f"accuracy: {100 * summary['sequence_accuracy']:.2f} %, {summary['n_correct']} of {summary['n_evaluated']} "
        f"held-out sequences right (95 % interval {100 * low:.2f} to {100 * high:.2f} %)"
    )


def show_steps(summary: Summary) -> None:
    """Prints a table of the steps: time, cached or made, and where the result lies."""
    table = Table(box=None, pad_edge=False)
    for column, justify in (("step", "left"), ("seconds", "right"), ("", "left"), ("where", "left")):
        table.add_column(column, justify=justify, no_wrap=True, overflow="ignore")  # type: ignore[arg-type]
    for step in summary["steps"]:
        table.add_row(step["name"], f"{step['seconds']:.2f}", "cached" if step["cached"] else "made", step["path"])
    Console(width=10_000).print(table)
    print(
        f"whole command {summary['total_seconds']:.1f} s, peak memory {summary['peak_rss_mib']:.0f} MiB "
        f"(of that the Prefect server {summary['peak_rss_server_mib']:.0f})"
    )


def show_promotion(summary: Summary) -> None:
    """Prints the gate's answer."""
    state = "promoted" if summary["promoted"] else "not promoted"
    when = "" if summary["promotion_decided_now"] else " (this run made no new model; decided before)"
    print(f"{state} as {summary['name']!r}: {summary['promotion_reason']}{when}")
