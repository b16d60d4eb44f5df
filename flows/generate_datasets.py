"""The dataset step as a flow of its own, with the same cached result as in the main job."""

from __future__ import annotations

from flows._cli import start as _start

if __name__ == "__main__":
    _start.begin()  # the server starts while the rest is imported

import sys
from pathlib import Path

from prefect import flow
from pydantic import Field

from flows._cli.command import EXIT_SUCCESS, Command, Summary, run_command
from flows._cli.notify import tell_of_failure
from flows._cli.settings import EXPERIMENT, ROOT, Options, from_checkout
from flows._cli.summary import describe_dataset, describe_steps, show_dataset, show_steps
from flows._pipelines.dry_run import show_planned
from flows._pipelines.model import DATASET_STEP
from flows._pipelines.steps import check_steps, plan_steps, run_steps
from tasks.generate import check_output, copy_pairs
from tasks.runtime.caching import run_step
from tasks.seq2seq.settings.experiment import Experiment
from tasks.storage.store.artifact_store import Store


class GenerateDatasetsOptions(Options):
    """The command's own options."""

    output: Path | None = Field(
        None, description="Parquet file to write the training pairs of a synthetic problem to as well"
    )


@flow(
    name="generate-datasets",
    flow_run_name="generate {experiment.promotion_name}",
    persist_result=False,
    on_failure=[tell_of_failure],
    on_crashed=[tell_of_failure],
)
def generate_datasets(
    experiment: Experiment = Experiment(),  # noqa: B008 - frozen, and the default that Prefect's form shows
    store: Path = ROOT / "data" / "artifacts",
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
    experiment, store = EXPERIMENT.check(from_checkout(experiment)), ROOT / store
    dataset = run_steps([DATASET_STEP], experiment, store, refresh=refresh)[DATASET_STEP.name]
    if output:
        run_step(copy_pairs, dataset, output)
    return {"dataset": describe_dataset(dataset), "steps": describe_steps([dataset])}


def check(experiment: Experiment, options: GenerateDatasetsOptions) -> None:
    """Refuses input files that cannot be read and an output that cannot be written."""
    check_steps([DATASET_STEP], experiment, Store(options.store))
    check_output(experiment, options.output)


def show_what_would_be_made(experiment: Experiment, options: GenerateDatasetsOptions) -> int | None:
    """`--dry-run`: prints whether the dataset is cached, and why not."""
    if not options.dry_run:
        return None
    show_planned(plan_steps([DATASET_STEP], experiment, options.store, refresh=options.refresh))
    return EXIT_SUCCESS


def show(summary: Summary) -> None:
    """Prints the result for a person."""
    show_dataset(summary)
    show_steps(summary)


def main(argv: list[str] | None = None) -> int:
    """`python -m flows.generate_datasets`; gives the exit code."""
    return run_command(
        Command(
            name="generate_datasets",
            description=(
                "Make a dataset: pairs of a synthetic problem, or the user's own files checked, split and encoded. "
                "Example: python -m flows.generate_datasets --data.problem sort --data.n-samples 1000000"
            ),
            tree=EXPERIMENT,
            options=GenerateDatasetsOptions,
            check=check,
            needs_tensorflow=lambda _experiment, _options: False,
            run=lambda experiment, options: generate_datasets(
                experiment, options.store, options.refresh, options.output, options.notify
            ),
            show=show,
            plan=show_what_would_be_made,
        ),
        argv,
    )


if __name__ == "__main__":
    sys.exit(main())
