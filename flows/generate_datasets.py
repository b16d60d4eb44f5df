"""The dataset step as a flow of its own, with the same cached result as in the main job."""

from __future__ import annotations

import sys

if __name__ == "__main__" and not __package__:  # a script cannot import what is ours
    print("refused: in the folder of the checkout, type: python -m flows.generate_datasets", file=sys.stderr)
    sys.exit(2)

from flows._cli.start import start

if __name__ == "__main__":
    sys.exit(start("generate_datasets", needs_server=True))  # what follows is imported once the settings are accepted

from pathlib import Path

from prefect import flow

from flows._cli.checkout import ROOT, from_root
from flows._cli.command import EXIT_SUCCESS, Summary, run_command, write_summary
from flows._cli.commands.generate_datasets import COMMAND, GenerateDatasetsOptions
from flows._cli.flow_work import FlowWork
from flows._cli.notify import tell_of_failure
from flows._cli.settings import EXPERIMENT, from_checkout
from flows._cli.summary import describe_dataset, describe_steps, show_dataset, show_steps
from flows._pipelines.dry_run import look_and_plan, show_dry_run
from flows._pipelines.model import DATASET_STEP
from flows._pipelines.steps import run_steps
from tasks.generate import copy_pairs
from tasks.runtime.caching import run_step
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.where import Where


@flow(
    name="generate-datasets",
    flow_run_name="generate {experiment.promotion_name}",
    persist_result=False,
    on_failure=[tell_of_failure],
    on_crashed=[tell_of_failure],
)
def generate_datasets(
    experiment: Experiment = Experiment(),  # noqa: B008 - frozen, and the default that Prefect's form shows
    store: Where = ROOT / "data" / "artifacts",
    refresh: bool = False,
    output: Path | None = None,
    notify: str | None = None,  # noqa: ARG001 - the hooks read it
) -> Summary:
    """Makes the experiment's dataset where it is not made yet.

    Args:
        experiment: of which the data, the seed and the number of fresh samples matter
        store: folder of the artifact store
        refresh: make everything again, whatever is cached
        output: Parquet file to write the training pairs of a synthetic problem to as well
        notify: notification block that hears of a failed run, such as slack-webhook/team
    """
    experiment, store = EXPERIMENT.check(from_checkout(experiment)), from_root(store)
    dataset = run_steps([DATASET_STEP], experiment, store, refresh=refresh)[DATASET_STEP.name]
    if output:
        run_step(copy_pairs, dataset, output)
    return {"dataset": describe_dataset(dataset), "steps": describe_steps([dataset])}


def show_what_would_be_made(experiment: Experiment, options: GenerateDatasetsOptions) -> int:
    """`--dry-run`: prints what the user's files hold, whether the dataset is cached, and why not."""
    summary = look_and_plan([DATASET_STEP], experiment, options.store, refresh=options.refresh)
    write_summary(options.summary, summary)
    show_dry_run(summary)
    return EXIT_SUCCESS


def show(summary: Summary) -> None:
    """Prints the result for a person."""
    show_dataset(summary)
    show_steps(summary)


work = FlowWork(
    COMMAND,
    run=lambda experiment, options: generate_datasets(
        experiment, options.store, options.refresh, options.output, options.notify
    ),
    show=show,
    plan=show_what_would_be_made,
)


def main(argv: list[str] | None = None) -> int:
    """`python -m flows.generate_datasets`; gives the exit code."""
    return run_command(COMMAND, argv)
