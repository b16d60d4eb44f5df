"""The main job: a dataset, a model trained on it, exported, proven on held-out pairs, and promoted."""

from __future__ import annotations

import sys

if __name__ == "__main__" and not __package__:  # a script cannot import what is ours
    print("refused: in the folder of the checkout, type: python -m flows.train_and_eval", file=sys.stderr)
    sys.exit(2)

from flows._cli.start import start

if __name__ == "__main__":
    sys.exit(start("train_and_eval", needs_server=True))  # what follows is imported once the settings are accepted


from prefect import flow

from flows._cli.checkout import ROOT, from_root
from flows._cli.command import EXIT_FAILED, EXIT_SUCCESS, Summary, put, run_command, write_summary
from flows._cli.commands.train_and_eval import COMMAND, TrainAndEvalOptions
from flows._cli.flow_work import FlowWork
from flows._cli.notify import tell_of_failure
from flows._cli.settings import EXPERIMENT, from_checkout
from flows._cli.summary import show_checks, show_dataset, show_evaluation, show_promotion, show_steps, show_vectors
from flows._pipelines.dry_run import look_and_plan, show_dry_run
from flows._pipelines.model import MODEL_STEPS, describe_model, make_model
from flows._pipelines.steps import needs_tensorflow
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.where import Where
from tasks.storage.store.artifact_store import Store


@flow(
    name="train-and-eval",
    flow_run_name="train and eval {experiment.promotion_name}",
    persist_result=False,
    on_failure=[tell_of_failure],
    on_crashed=[tell_of_failure],
)
def train_and_eval(
    experiment: Experiment = Experiment(),  # noqa: B008 - frozen, and the default that Prefect's form shows
    store: Where = ROOT / "data" / "artifacts",
    refresh: bool = False,
    notify: str | None = None,  # noqa: ARG001 - the hooks read it
) -> Summary:
    """Makes what is not made yet, in the order of the steps, and gives the summary of the result.

    Args:
        experiment: data, model, training, proof and seed; what is not set has its default
        store: folder of the artifact store
        refresh: make everything again, whatever is cached
        notify: notification block that hears of a failed run, such as slack-webhook/team
    """
    experiment, store = EXPERIMENT.check(from_checkout(experiment)), from_root(store)
    return describe_model(make_model(experiment, store, refresh=refresh))


def show_what_would_be_made(experiment: Experiment, options: TrainAndEvalOptions) -> int:
    """`--dry-run`: prints what the user's files hold, and of each step whether it is cached, and why not."""
    summary = look_and_plan(MODEL_STEPS, experiment, options.store, refresh=options.refresh)
    write_summary(options.summary, summary)
    show_dry_run(summary)
    return EXIT_SUCCESS


def show(summary: Summary) -> None:
    """Prints the result for a person."""
    show_dataset(summary)
    show_checks(summary)
    show_vectors(summary)
    show_evaluation(summary)
    show_promotion(summary)
    put(f"report: {summary['report']}")
    show_steps(summary)


work = FlowWork(
    COMMAND,
    needs_tensorflow=lambda experiment, options: (
        options.refresh or needs_tensorflow(MODEL_STEPS, experiment, Store(options.store))
    ),
    run=lambda experiment, options: train_and_eval(experiment, options.store, options.refresh, options.notify),
    show=show,
    plan=show_what_would_be_made,
    verdict=lambda summary, _experiment, options: (
        EXIT_FAILED if options.require_promotion and not summary["promoted"] else EXIT_SUCCESS
    ),
)


def main(argv: list[str] | None = None) -> int:
    """`python -m flows.train_and_eval`; gives the exit code."""
    return run_command(COMMAND, argv)
