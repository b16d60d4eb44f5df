"""What a batch prediction did: the accounts, the scores, and how the day's rows differ from the training data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from prefect import task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from tasks.prediction.batch_model import BatchModel, find_model, training_baseline
from tasks.prediction.jobs import Job, describe_jobs
from tasks.reporting.batch_page import PAGE, RUN, Batch, as_markdown, as_table, draw_forecasts, render_page
from tasks.reporting.pages import cell
from tasks.runtime.caching import TASK_OPTIONS
from tasks.seq2seq.metrics.table import rates
from tasks.seq2seq.monitoring.drift import DayProfile, Shift, compare
from tasks.seq2seq.monitoring.tally import Scored, add_scored
from tasks.seq2seq.settings.batch import BatchSettings
from tasks.seq2seq.settings.where import Where, link_to, name_of
from tasks.seq2seq.shown import shown
from tasks.storage.outputs.accounts import Account
from tasks.storage.outputs.output_paths import find_batch_files, names_of_outputs, write_about_run
from tasks.storage.store.artifact_store import Store


@task(name="write batch report", task_run_name="report {settings.title}", **TASK_OPTIONS)
def write_batch(
    jobs: list[Job], settings: BatchSettings, store: Where, checks: Sequence[Mapping[str, str]] = ()
) -> Batch:
    """Writes `_run.json` and `_report.html` into the output folder; gives what the former holds, and where they are."""
    batch = {**describe(jobs, settings, Store(store)), "checks": list(checks)}
    write_about_run(settings, RUN, json.dumps(batch, indent=1))
    page = render_page(batch, draw_forecasts([job.account for job in jobs if job.account]))
    return {**batch, "report": write_about_run(settings, PAGE, page)}


@task(name="publish batch report", task_run_name="publish predictions of {batch[model][name]}", **TASK_OPTIONS)
def publish_batch(batch: Batch) -> None:
    """Shows the run, the account of each file, and where all of it lies, as artifacts of the run in Prefect's UI."""
    where = f"Predictions in `{cell(batch['output'])}`"
    create_markdown_artifact(as_markdown(batch), key="batch-predict", description=where)
    create_table_artifact(as_table(batch), key="batch-predict-accounts", description=f"Account of each file. {where}")
    for key, where in (("batch-predict-page", batch["report"]), ("batch-predict-output", batch["output"])):
        create_link_artifact(
            link_to(where), link_text=shown(name_of(where)), key=key, description=f"It lies in `{cell(where)}`"
        )


def describe(jobs: list[Job], settings: BatchSettings, store: Store) -> Batch:
    """The output folder as it now is, and what the run did. It holds no times, so that runs can be compared."""
    model = find_model(settings, store)
    accounts = {job.name: job.account for job in jobs if job.account}
    new = [job.account for job in jobs if job.account and job.action == "predict"]
    shifts = find_shifts(new, model, settings, store)
    names = {job.name for job in jobs}
    limit, found = settings.max_reject_rate, find_batch_files(settings)
    return {
        "model": {"name": model.name, "digest": model.bundle.digest},
        "dataset": model.dataset,
        "decoding": model.decoding.model_dump(mode="json"),
        "output": str(settings.output),
        "files": describe_jobs(jobs),
        **{name: sum(job.action == action for job in jobs) for name, action in _STATES.items()},
        **{name: sum(getattr(account, name) for account in accounts.values()) for name in _COUNTED},
        "above_reject_rate": [
            name for name, account in accounts.items() if limit is not None and account.rejected > limit * account.read
        ],
        "scored": _scored(accounts.values()),
        "scored_now": _scored(new),
        "drift": [shift._asdict() for shift in shifts],
        "shifted": any(shift.verdict == "shifted" for shift in shifts),
        "outputs_without_input": sorted(names_of_outputs(settings) - names),
        "files_of_other_formats": found.others,
        "files_already_given": found.again,
    }


_STATES = {"predicted_files": "predict", "kept_files": "keep", "waiting_files": "wait", "failed": "fail"}
_COUNTED = ("read", "predicted", "history_only", "rejected")


def _scored(accounts: Any) -> dict[str, Any] | None:  # noqa: ANN401 - any accounts
    total: Scored = None
    for account in accounts:
        total = add_scored(total, account.tally.scored)
    return rates(total) if total else None


def find_shifts(accounts: list[Account], model: BatchModel, settings: BatchSettings, store: Store) -> list[Shift]:
    """How the rows that were predicted now differ from the training data."""
    if not accounts:
        return []
    day = DayProfile()
    for account in accounts:
        day += account.tally.day
    read, rejected = (sum(getattr(account, name) for account in accounts) for name in ("read", "rejected"))
    return compare(training_baseline(model, store), day.with_rows(read, rejected), threshold=settings.drift_threshold)
