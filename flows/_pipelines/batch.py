"""Files through a model: the steps that batch prediction and the nightly run share."""

from __future__ import annotations

from flows._cli.batch_summary import describe_speed
from flows._cli.command import Summary
from tasks.batch_report import publish_batch, write_batch
from tasks.check import check_rows
from tasks.predict_batch import open_workers, plan_batch, predict_files
from tasks.runtime.caching import run_step
from tasks.seq2seq.settings.batch import BatchSettings
from tasks.seq2seq.settings.where import Where
from tasks.storage.outputs.output_paths import only_run


def predict_batch(settings: BatchSettings, store: Where, *, refresh: bool) -> Summary:
    """Predicts what is not predicted yet, and describes the output folder as it then is; call it inside a flow."""
    with only_run(settings), open_workers(settings):
        jobs = run_step(plan_batch, settings, store, refresh=refresh)
        checked = run_step(check_rows, jobs, settings, store)
        done = predict_files(checked.jobs, settings, store)
        batch = run_step(write_batch, done.jobs, settings, store, checked.findings)
        run_step(publish_batch, batch)
    return {**batch, **describe_speed(done.first_at, done.rows_per_s)}


def has_failed(summary: Summary, settings: BatchSettings) -> bool:
    """Whether a file failed, or one has more rejects, or the day more drift, than is allowed."""
    return bool(summary["failed"] or summary["above_reject_rate"] or (settings.fail_on_drift and summary["shifted"]))
