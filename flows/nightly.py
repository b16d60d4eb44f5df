"""A night: new data, a model, its decision, and predictions for all new files with whatever model then serves."""

from __future__ import annotations

import sys

if __name__ == "__main__" and not __package__:  # a script cannot import what is ours
    print("refused: in the folder of the checkout, type: python -m flows.nightly", file=sys.stderr)
    sys.exit(2)

from flows._cli.start import start

if __name__ == "__main__":
    sys.exit(start("nightly", needs_server=True))  # what follows is imported once the settings are accepted


from prefect import flow
from prefect.logging import get_run_logger

from flows._cli.batch_summary import show_batch, show_plan
from flows._cli.checkout import ROOT, from_root
from flows._cli.command import EXIT_FAILED, EXIT_SUCCESS, Summary, put, run_command
from flows._cli.commands.nightly import COMMAND, NightlyOptions
from flows._cli.flow_work import FlowWork
from flows._cli.notify import tell, tell_of_failure
from flows._cli.settings import NIGHTLY, from_checkout
from flows._cli.summary import show_checks, show_dataset, show_evaluation, show_promotion, show_steps, show_vectors
from flows._pipelines.batch import has_failed, predict_batch
from flows._pipelines.dry_run import show_planned
from flows._pipelines.model import MODEL_STEPS, describe_model, make_model
from flows._pipelines.steps import needs_tensorflow, plan_steps
from tasks.night_report import publish_night
from tasks.prediction.jobs import plan
from tasks.reporting.batch_page import describe_shifts
from tasks.runtime.caching import run_step
from tasks.seq2seq.errors import DataError, SettingsError
from tasks.seq2seq.settings.nightly import NightlySettings
from tasks.seq2seq.settings.where import Where
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.promotions import read_promotions


@flow(
    name="nightly",
    flow_run_name="night of {settings.promotion_name}",
    persist_result=False,
    on_failure=[tell_of_failure],
    on_crashed=[tell_of_failure],
)
def nightly(
    settings: NightlySettings,
    store: Where = ROOT / "data" / "artifacts",
    refresh: bool = False,
    notify: str | None = None,
) -> Summary:
    """Makes and judges a model where data or settings are new, then predicts every new file with the promoted one.

    A model that cannot be made does not keep the files waiting: the promoted one predicts them, and the run fails
    at its end.

    Args:
        settings: an experiment, and the files that its model predicts
        store: folder of the artifact store
        refresh: make everything again, whatever is cached
        notify: notification block that hears of a failed run, a refused model and rows that shifted, such as
            slack-webhook/team
    """
    settings, store = NIGHTLY.check(from_checkout(settings)), from_root(store)
    failure: Exception | None = None
    model: Summary = {}
    try:
        model = describe_model(make_model(settings.experiment, store, refresh=refresh))
    except Exception as error:
        failure, model = error, {"failure": f"{type(error).__name__}: {error}"}
        if not _serves(settings, store):
            raise
        get_run_logger().error("No new model: %s. The promoted one predicts.", error)
    if not _serves(settings, store):
        raise SettingsError(
            f"no model is promoted as {settings.promotion_name!r}, so nothing was predicted: "
            f"{model['promotion_reason']}"
        )
    try:
        predictions = predict_batch(settings.batch, store, refresh=refresh)
    except Exception as error:
        if failure:
            error.add_note(f"before that, no new model could be made: {failure}")
        raise
    run_step(publish_night, settings.promotion_name, model, predictions)
    _tell(notify, settings.promotion_name, model, predictions)
    if failure:
        raise failure
    return {**model, "predictions": predictions}


def _tell(notify: str | None, name: str, model: Summary, predictions: Summary) -> None:
    """Sends what a person should know of a night that came to its end; of a failure the flow's hook tells."""
    if model.get("promotion_decided_now") and not model["promoted"]:
        tell(notify, f"the new model of {name} was refused: {model['promotion_reason']}", report=model["report"])
    if predictions["shifted"]:
        tell(notify, describe_shifts(predictions), report=predictions["report"])


def _serves(settings: NightlySettings, store: Where) -> bool:
    return read_promotions(Store(store), settings.promotion_name).promoted is not None


def show_what_would_be_done(settings: NightlySettings, options: NightlyOptions) -> int:
    """`--dry-run`: the steps that are cached or would be made, and the files that the promoted model would predict."""
    show_planned(plan_steps(MODEL_STEPS, settings.experiment, options.store, refresh=options.refresh))
    if not _serves(settings, options.store):
        put(f"no model is promoted as {settings.promotion_name!r} yet: every file would be predicted once one is")
        return EXIT_SUCCESS
    jobs = plan(settings.batch, Store(options.store), refresh=options.refresh)
    show_plan(jobs)
    return EXIT_FAILED if any(job.action == "fail" for job in jobs) else EXIT_SUCCESS


def show(summary: Summary) -> None:
    """Prints the result for a person."""
    show_dataset(summary)
    show_checks(summary)
    show_vectors(summary)
    show_evaluation({**summary, "examples": []})
    show_promotion(summary)
    put(f"report: {summary['report']}")
    show_steps(summary)
    show_batch(summary["predictions"])


def verdict(summary: Summary, settings: NightlySettings, options: NightlyOptions) -> int:
    """1 where the predictions failed as those of a batch do, or a promotion was required and refused."""
    refused = options.require_promotion and not summary["promoted"]
    return EXIT_FAILED if refused or has_failed(summary["predictions"], settings.batch) else EXIT_SUCCESS


def _needs_tensorflow(settings: NightlySettings, options: NightlyOptions) -> bool:
    try:
        return options.refresh or needs_tensorflow(MODEL_STEPS, settings.experiment, Store(options.store))
    except DataError:  # the night says why there is no model, once it has predicted
        return False


work = FlowWork(
    COMMAND,
    needs_tensorflow=_needs_tensorflow,
    run=lambda settings, options: nightly(settings, options.store, options.refresh, options.notify),
    show=show,
    plan=show_what_would_be_done,
    verdict=verdict,
)


def main(argv: list[str] | None = None) -> int:
    """`python -m flows.nightly`; gives the exit code."""
    return run_command(COMMAND, argv)
