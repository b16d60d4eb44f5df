"""Batch prediction: folders of files through a promoted model, every row accounted for."""

from __future__ import annotations

from flows import _start

if __name__ == "__main__":
    _start.begin()  # the server starts while the rest is imported

import sys
from pathlib import Path

from prefect import flow
from pydantic import Field

from flows._batch import has_failed, predict_batch
from flows._batch_summary import show_batch, show_plan
from flows._command import EXIT_FAILED, EXIT_SUCCESS, Command, Summary, run_command
from flows._settings import BATCH, ROOT, Options
from flows._summary import show_cost
from tasks.planning import check_batch, needs_model, plan
from tasks.seq2seq.batch_settings import BatchSettings, check_batch_settings
from tasks.storage.store import Store


class BatchPredictOptions(Options):
    """The command's own options."""

    plan: bool = Field(False, description="say what would be done with each file, and why, and do nothing")


@flow(name="batch-predict", flow_run_name="predict into {settings.output}", persist_result=False)
def batch_predict(
    settings: BatchSettings,
    store: Path = ROOT / "data" / "artifacts",
    refresh: bool = False,
) -> Summary:
    """Predicts what is not predicted yet, and describes the output folder as it then is."""
    settings = check_batch_settings(settings.model_dump(exclude_unset=True))
    return predict_batch(settings, store, refresh=refresh)


def show_what_would_be_done(settings: BatchSettings, options: BatchPredictOptions) -> int | None:
    """`--plan`: prints each file, what would be done with it, and why; 1 where one cannot be read."""
    if not options.plan:
        return None
    jobs = plan(settings, Store(options.store), refresh=options.refresh)
    show_plan(jobs)
    return EXIT_FAILED if any(job.action == "fail" for job in jobs) else EXIT_SUCCESS


def verdict(summary: Summary, settings: BatchSettings, _options: BatchPredictOptions) -> int:
    """1 while a file cannot be read, or one has more rejects, or the day more drift, than is allowed."""
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
            run=lambda settings, options: batch_predict(settings, options.store, options.refresh),
            show=show,
            verdict=verdict,
            plan=show_what_would_be_done,
        ),
        argv,
    )


if __name__ == "__main__":
    sys.exit(main())
