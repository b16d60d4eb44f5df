"""The main job: a dataset, a model trained on it, exported, proven on held-out pairs, and promoted."""

from __future__ import annotations

from flows import _start

if __name__ == "__main__":
    _start.begin()  # the server starts while the rest is imported

import sys
from pathlib import Path

from prefect import flow
from pydantic import Field

from flows._command import EXIT_FAILED, EXIT_SUCCESS, Command, Summary, run_command
from flows._model import describe_model, make_model, needs_tensorflow
from flows._settings import EXPERIMENT, ROOT, Options
from flows._summary import show_checks, show_dataset, show_evaluation, show_promotion, show_steps
from tasks.generate import check_inputs
from tasks.seq2seq.rules import check_experiment
from tasks.seq2seq.settings import Experiment
from tasks.storage.store import Store
from tasks.train import check_start


class TrainAndEvalOptions(Options):
    """The command's own options."""

    require_promotion: bool = Field(False, description="exit 1 where the run's model is not the promoted one")


@flow(name="train-and-eval", flow_run_name="train and eval {experiment.promotion_name}", persist_result=False)
def train_and_eval(
    experiment: Experiment = Experiment(),  # noqa: B008 - frozen, and the default that Prefect's form shows
    store: Path = ROOT / "data" / "artifacts",
    refresh: bool = False,
) -> Summary:
    """Makes what is not made yet, in the order of the steps, and gives the summary of the result."""
    experiment = check_experiment(experiment.model_dump())
    return describe_model(make_model(experiment, store, refresh=refresh))


def check(experiment: Experiment, options: TrainAndEvalOptions) -> None:
    """Refuses input files that cannot be read, and a start that training cannot go on from."""
    check_inputs(experiment)
    check_start(experiment, Store(options.store))


def show(summary: Summary) -> None:
    """Prints the result for a person."""
    show_dataset(summary)
    show_checks(summary)
    show_evaluation(summary)
    show_promotion(summary)
    print(f"report: {summary['report']}")
    show_steps(summary)


def main(argv: list[str] | None = None) -> int:
    """`python -m flows.train_and_eval`; gives the exit code."""
    return run_command(
        Command(
            name="train_and_eval",
            description=(
                "Train an encoder-decoder LSTM, prove it on held-out pairs, and promote it. Without settings: the "
                "tutorial's problem, 100,000 pairs. Example: python -m flows.train_and_eval --data.n_in 8 --seed 1"
            ),
            tree=EXPERIMENT,
            options=TrainAndEvalOptions,
            check=check,
            needs_tensorflow=lambda experiment, options: (
                options.refresh or needs_tensorflow(experiment, Store(options.store))
            ),
            run=lambda experiment, options: train_and_eval(experiment, options.store, options.refresh),
            show=show,
            verdict=lambda summary, _experiment, options: (
                EXIT_FAILED if options.require_promotion and not summary["promoted"] else EXIT_SUCCESS
            ),
        ),
        argv,
    )


if __name__ == "__main__":
    sys.exit(main())
