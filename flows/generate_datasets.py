"""The dataset step as a flow of its own, with the same cached result as in the main job."""

from __future__ import annotations

from flows import _server

if __name__ == "__main__":
    _server.begin()  # it starts while the rest is imported

import sys
from pathlib import Path

from prefect import flow

from flows._command import Command, Summary, run_command
from flows._settings import ROOT, Options
from flows._summary import describe_dataset, describe_steps, show_dataset, show_steps
from tasks.caching import run_step
from tasks.generate import check_inputs, generate_dataset
from tasks.seq2seq.rules import check_experiment
from tasks.seq2seq.settings import Experiment


@flow(name="generate-datasets", flow_run_name="generate {experiment.promotion_name}", persist_result=False)
def generate_datasets(
    experiment: Experiment = Experiment(),  # noqa: B008 - frozen, and the default that Prefect's form shows
    store: Path = ROOT / "data" / "artifacts",
    refresh: bool = False,
) -> Summary:
    """Makes the experiment's dataset where it is not made yet."""
    experiment = check_experiment(experiment.model_dump())
    dataset = run_step(generate_dataset, experiment, store, refresh=refresh)
    return {"dataset": describe_dataset(dataset), "steps": describe_steps([dataset])}


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
                "Example: python -m flows.generate_datasets --data.problem sort --data.n_samples 1000000"
            ),
            options=Options,
            check=check_inputs,
            needs_tensorflow=lambda _experiment, _options: False,
            run=lambda experiment, options: generate_datasets(experiment, options.store, options.refresh),
            show=show,
        ),
        argv,
    )


if __name__ == "__main__":
    sys.exit(main())
