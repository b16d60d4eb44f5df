"""The result of a run, for scripts and for people."""

from __future__ import annotations

from collections.abc import Iterable

import psutil

from flows._cli.command import Summary, put
from flows._cli.table import print_table
from tasks.seq2seq.metrics.table import score_lines
from tasks.seq2seq.models.pretrained_embeddings import Coverage
from tasks.storage.store.manifest import Handle
from tasks.storage.store.promotions import Promotion


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
        "files_waiting": dataset.this_run.get("files_waiting", []),
        "shapes": {
            name: [facts["train_rows"], *_step_shape(facts[side])]
            for name, side in (("source", "source"), ("decoder_input", "target"), ("target", "target"))
        },
    }


def _step_shape(side: Summary) -> list[int]:
    return [side["length"], *([side["features"]] if side["features"] else [])]


def describe_evaluation(evaluation: Handle) -> Summary:
    """The scores and the examples."""
    return {**evaluation.fact("scores", dict[str, object]), "examples": evaluation.fact("examples", list[object])}


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


def show_dataset(summary: Summary) -> None:
    """Prints the shapes of the prepared dataset."""
    dataset = summary["dataset"]
    shapes = "  ".join(f"{name} {tuple(shape)}" for name, shape in dataset["shapes"].items())
    put(f"dataset: {shapes}")
    put(
        f"  {dataset['rows']} training, {dataset['validation_rows']} validation, {dataset['evaluation_rows']} "
        f"held-out pairs, {dataset['rejected_rows']} rows rejected"
    )
    if waiting := dataset["files_waiting"]:
        put(f"  left for the next run, as they may be half written: {len(waiting)} file(s), {', '.join(waiting)}")


def show_vectors(summary: Summary) -> None:
    """Prints how much the pre-trained vectors cover."""
    for side, found in summary["vectors"].items():
        put(f"{side} vectors: {Coverage(**found).message}")


def show_evaluation(summary: Summary) -> None:
    """Prints the scores and the examples."""
    for example in summary["examples"]:
        text = example["text"]
        mark = "   wrong" if example["correct"] is False else ""
        put(f"source {text['source']}  expected {text['expected']}  predicted {text['predicted']}{mark}")
    put("\n".join(score_lines(summary)))


def show_checks(summary: Summary) -> None:
    """Prints the data checks that were not kept."""
    for found in summary["checks"]:
        if found["level"] != "fine":
            put(f"check {found['rule']}: {found['level']}: {found['message']}")


def show_steps(summary: Summary) -> None:
    """Prints a table of the steps: time, cached or made, and where the result lies."""
    print_table(
        {"step": "left", "seconds": "right", "": "left", "where": "left"},
        [
            (step["name"], f"{step['seconds']:.2f}", "cached" if step["cached"] else "made", step["path"])
            for step in summary["steps"]
        ],
    )
    show_cost(summary)


def show_cost(summary: Summary) -> None:
    """Prints the time and the memory of the whole command."""
    put(
        f"whole command {summary['total_seconds']:.1f} s, peak memory {summary['peak_rss_mib']:.0f} MiB "
        f"(of that the Prefect server {summary['peak_rss_server_mib']:.0f})"
    )


def show_promotion(summary: Summary) -> None:
    """Prints the gate's answer."""
    state = "promoted" if summary["promoted"] else "not promoted"
    when = "" if summary["promotion_decided_now"] else " (this run made no new model; decided before)"
    put(f"{state} as {summary['name']!r}: {summary['promotion_reason']}{when}")
