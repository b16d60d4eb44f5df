"""Batch prediction: folders of files through a promoted model, every row accounted for."""

from __future__ import annotations

from flows._cli import start as _start

if __name__ == "__main__":
    _start.begin()  # the server starts while the rest is imported

import sys
from pathlib import Path

from prefect import flow
from pydantic import Field

from flows._cli.batch_summary import show_batch, show_plan
from flows._cli.command import EXIT_FAILED, EXIT_SUCCESS, Command, Summary, run_command
from flows._cli.notify import tell, tell_of_failure
from flows._cli.settings import BATCH, ROOT, Options, from_checkout
from flows._cli.summary import show_cost
from flows._pipelines.batch import has_failed, predict_batch
from tasks.batch_report import describe_shifts
from tasks.prediction.jobs import check_batch, needs_model, plan
from tasks.seq2seq.settings.batch import BatchSettings, check_batch_settings
from tasks.storage.store.artifact_store import Store


class BatchPredictOptions(Options):
    """The command's own options."""

    plan: bool = Field(False, description="say what would be done with each file, and why, and do nothing")


@flow(
    name="batch-predict",
    flow_run_name="predict {settings.title}",
    persist_result=False,
    on_failure=[tell_of_failure],
    on_crashed=[tell_of_failure],
)
def batch_predict(
    settings: BatchSettings,
    store: Path = ROOT / "data" / "artifacts",
    refresh: bool = False,
    notify: str | None = None,
) -> Summary:
    """Predicts what is not predicted yet, and describes the output folder as it then is.

    Args:
        settings: inputs, output and model, and how predictions are written
        store: folder of the artifact store
        refresh: make everything again, whatever is cached
        notify: notification block that hears of a failed run, and of rows that shifted, such as slack-webhook/team
    """
    settings, store = check_batch_settings(from_checkout(settings)), ROOT / store
    batch = predict_batch(settings, store, refresh=refresh)
    if batch["shifted"]:
        tell(notify, describe_shifts(batch), report=batch["report"])
    return batch


def show_what_would_be_done(settings: BatchSettings, options: BatchPredictOptions) -> int | None:
    """`--plan` or `--dry-run`: prints each file, what would be done with it, and why; 1 where one would fail."""
    if not (options.plan or options.dry_run):
        return None
    jobs = plan(settings, Store(options.store), refresh=options.refresh)
    show_plan(jobs)
    return EXIT_FAILED if any(job.action == "fail" for job in jobs) else EXIT_SUCCESS


def verdict(summary: Summary, settings: BatchSettings, _options: BatchPredictOptions) -> int:
    """1 while a file fails, or one has more rejects, or the day more drift, than is allowed."""
    return EXIT_FAILED if has_failed(summary, settings) else EXIT_SUCCESS


def show(summary: Summary) -> None:
    """Prints the accounts for a person."""
    show_batch(summary)
    show_cost(summary)


def main(argv: list[str] | None = None) -> int:
    """`python -m flows.batch_predict`; gives the exit code."""
    return run_command(
        Command(
            name="batch_predict",
            description=(
                "Predict files with a trained model: every row ends in the predictions or in the rejects. "
                "Example: python -m flows.batch_predict inbox --output predictions --model reverse_first"
            ),
            tree=BATCH,
            options=BatchPredictOptions,
            check=lambda settings, options: check_batch(settings, Store(options.store)),
            needs_tensorflow=lambda settings, options: options.refresh or needs_model(settings, Store(options.store)),
            run=lambda settings, options: batch_predict(settings, options.store, options.refresh, options.notify),
            show=show,
            verdict=verdict,
            plan=show_what_would_be_done,
        ),
        argv,
    )


if __name__ == "__main__":
    sys.exit(main())
