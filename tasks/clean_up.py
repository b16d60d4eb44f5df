"""The clean-up: what may go is taken out of the store and of output folders, while others work on them."""

from __future__ import annotations

from typing import Any

from prefect import task

from tasks.runtime.caching import TASK_OPTIONS
from tasks.runtime.log import logger
from tasks.seq2seq.settings.pruning import PruneSettings
from tasks.seq2seq.settings.where import Where
from tasks.storage.outputs.clean_up import clean_up, describe_pruning


@task(name="clean up", task_run_name="clean up {store}", **TASK_OPTIONS)
def clean_up_store(settings: PruneSettings, store: Where) -> dict[str, Any]:
    """Removes what may go; gives what went, and why."""
    summary = describe_pruning(clean_up(settings, store), is_plan=False)
    logger().info(
        "Removed %d of %d: %d bytes", len(summary["removed"]), len(summary["going"]), summary["removed_bytes"]
    )
    return summary
