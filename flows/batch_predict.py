"""Batch prediction: folders of files through a promoted model, every row accounted for."""

from __future__ import annotations

import sys

if __name__ == "__main__" and not __package__:  # a script cannot import what is ours
    print("refused: in the folder of the checkout, type: python -m flows.batch_predict", file=sys.stderr)
    sys.exit(2)

from flows._cli.start import start

if __name__ == "__main__":
    sys.exit(start("batch_predict", needs_server=True))  # what follows is imported once the settings are accepted


from prefect import flow

from flows._cli.batch_summary import show_batch, show_plan
from flows._cli.checkout import ROOT, from_root
from flows._cli.command import EXIT_FAILED, EXIT_SUCCESS, Summary, run_command
from flows._cli.commands.batch_predict import COMMAND
from flows._cli.flow_work import FlowWork
from flows._cli.notify import tell, tell_of_failure
from flows._cli.settings import FlowOptions, from_checkout
from flows._cli.summary import show_cost
from flows._pipelines.batch import has_failed, predict_batch
from tasks.predict_batch import open_workers, plan_files
from tasks.reporting.batch_page import describe_shifts
from tasks.seq2seq.settings.batch import BatchSettings, check_batch_settings
from tasks.seq2seq.settings.where import Where


@flow(
    name="batch-predict",
    flow_run_name="predict {settings.title}",
    persist_result=False,
    on_failure=[tell_of_failure],
    on_crashed=[tell_of_failure],
)
def batch_predict(
    settings: BatchSettings,
    store: Where = ROOT / "data" / "artifacts",
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
    settings, store = check_batch_settings(from_checkout(settings)), from_root(store)
    batch = predict_batch(settings, store, refresh=refresh)
    if batch["shifted"]:
        tell(notify, describe_shifts(batch), report=batch["report"])
    return batch


def show_what_would_be_done(settings: BatchSettings, options: FlowOptions) -> int:
    """`--dry-run`: prints each file, what would be done with it, and why; 1 where one would fail."""
    with open_workers(settings):
        jobs = plan_files(settings, options.store, refresh=options.refresh)
    show_plan(jobs)
    return EXIT_FAILED if any(job.action == "fail" for job in jobs) else EXIT_SUCCESS


def verdict(summary: Summary, settings: BatchSettings, _options: FlowOptions) -> int:
    """1 while a file fails, or one has more rejects, or the day more drift, than is allowed."""
    return EXIT_FAILED if has_failed(summary, settings) else EXIT_SUCCESS


def show(summary: Summary) -> None:
    """Prints the accounts for a person."""
    show_batch(summary)
    show_cost(summary)


work = FlowWork(
    COMMAND,
    run=lambda settings, options: batch_predict(settings, options.store, options.refresh, options.notify),
    show=show,
    plan=show_what_would_be_done,
    verdict=verdict,
)


def main(argv: list[str] | None = None) -> int:
    """`python -m flows.batch_predict`; gives the exit code."""
    return run_command(COMMAND, argv)
