"""The report of a sweep: a page with the ranked trials and the history, and the same in short for Prefect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import task
from prefect.artifacts import create_link_artifact, create_markdown_artifact

from tasks.reporting.sweep_page import PAGE, SUMMARY, write_page
from tasks.runtime.artifact_keys import artifact_key
from tasks.runtime.caching import TASK_OPTIONS, finished, make_once, step_inputs
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.where import Where
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.kinds import SWEEP
from tasks.storage.store.making import Made
from tasks.storage.store.manifest import Handle


@task(name="write sweep", task_run_name="report of the sweep of {experiment.promotion_name}", **TASK_OPTIONS)
def write_sweep(experiment: Experiment, sweep: dict[str, Any], bundle: str, store: Where) -> Handle:
    """Writes `sweep.html`, self-contained, with the same as `sweep.json` beside it.

    Args:
        experiment: the winner's.
        sweep: what was tried and what came of it, as the summary holds it.
        bundle: digest of the winner's model.
        store: folder of the artifact store.
    """
    step = step_inputs(
        SWEEP,
        experiment,
        settings=sweep,
        made_from={"bundle": bundle},
        code=__name__,
        libraries=("jinja2",),
    )

    def write(folder: Path) -> Made:
        write_page(experiment.promotion_name, sweep, folder)
        return Made({"page": PAGE})

    return finished(make_once(step, Store(store), write))


@task(name="publish sweep", task_run_name="publish the sweep of {name}", **TASK_OPTIONS)
def publish_sweep(name: str, report: Handle) -> None:
    """Shows the sweep in Prefect's UI, and where the whole page lies, as artifacts of the run."""
    create_markdown_artifact(
        (report.path / SUMMARY).read_text(encoding="utf-8"),
        key=artifact_key("sweep", name),
        description=f"The sweep of {name}",
    )
    create_link_artifact(
        (report.path / report.fact("page", str)).absolute().as_uri(),
        link_text=PAGE,
        key=artifact_key("sweep-page", name),
        description=f"The whole report of the sweep of {name}, a page on disk: `{report.path / PAGE}`",
    )
