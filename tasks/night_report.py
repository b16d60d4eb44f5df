"""The report of a night: shown in Prefect's UI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefect import task
from prefect.artifacts import create_markdown_artifact

from tasks.reporting.night_page import as_markdown
from tasks.runtime.artifact_keys import artifact_key
from tasks.runtime.caching import TASK_OPTIONS


@task(name="publish night", task_run_name="publish night of {name}", **TASK_OPTIONS)
def publish_night(name: str, model: Mapping[str, Any], predictions: Mapping[str, Any]) -> None:
    """Shows the night as a markdown artifact of the run."""
    text = "\n".join(as_markdown(name, model, predictions))
    create_markdown_artifact(text, key=artifact_key("nightly", name), description=f"The night of {name}")
