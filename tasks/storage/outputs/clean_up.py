"""A clean-up of the store and of folders of predictions, planned or done, and what it tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tasks.seq2seq.settings.pruning import PruneSettings
from tasks.seq2seq.settings.where import Where
from tasks.storage.files.atomic import remove_left_over
from tasks.storage.outputs.output_paths import left_in_outputs, remove_work, unfinished_work
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.prune import Item, Pruning, Rules, plan_pruning, prune, size_of

GIB = 2**30


def plan_clean_up(settings: PruneSettings, store: Where) -> Pruning:
    """Says what would go; nothing is changed.

    Raises:
        ArtifactError: a record of promotions cannot be read, so that nobody knows what serves.
    """
    plan = plan_pruning(Store(store), _rules(settings))
    plan.going += [item for output in settings.outputs for item in _of_outputs(output, settings.unfinished_days)]
    return plan


def clean_up(settings: PruneSettings, store: Where) -> Pruning:
    """Removes what may go, and gives what went.

    Raises:
        ArtifactError: as planning.
    """
    pruning = prune(Store(store), _rules(settings))
    for output in settings.outputs:
        for item in _of_outputs(output, settings.unfinished_days):
            pruning.going.append(item)
            if (remove_work if item.what == "chunks" else remove_left_over)(item.path):
                pruning.removed.append(item)
    return pruning


def _rules(settings: PruneSettings) -> Rules:
    return Rules(
        older_than=settings.older_than,
        max_bytes=None if settings.max_gib is None else int(settings.max_gib * GIB),
        keep_models=settings.keep_models,
        replaced=settings.replaced,
        keep_origins=settings.keep_origins,
        unfinished_days=settings.unfinished_days,
    )


def _of_outputs(output: Path, days: float) -> list[Item]:
    reason = f"no run went on with it for {days:g} days"
    chunks = [Item("chunks", path, size_of(path), reason) for path in unfinished_work(output, days)]
    ended = "a process that has ended was writing it"
    return [*chunks, *(Item("left over", path, size_of(path), ended) for path in left_in_outputs(output))]


def describe_pruning(pruning: Pruning, *, is_plan: bool) -> dict[str, Any]:
    """What goes and stays, for people and scripts."""
    return {
        "dry_run": is_plan,
        "bytes_before": pruning.bytes_before,
        "going": [_describe(item) for item in pruning.going],
        "going_bytes": sum(item.bytes for item in pruning.going),
        "staying": [
            {"kind": one.kind, "name": one.name, "digest": one.digest, "bytes": one.bytes, "reason": reason}
            for one, reason in pruning.staying
        ],
        "removed": [str(item.path) for item in pruning.removed],
        "removed_bytes": sum(item.bytes for item in pruning.removed),
    }


def _describe(item: Item) -> dict[str, Any]:
    stored = item.stored
    return {
        "what": item.what,
        "kind": stored and stored.kind,
        "name": stored and stored.name,
        "digest": stored and stored.digest,
        "path": str(item.path),
        "bytes": item.bytes,
        "reason": item.reason,
    }
