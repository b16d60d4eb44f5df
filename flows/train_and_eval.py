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
from flows._notify import tell_of_failure
from flows._settings import EXPERIMENT, ROOT, Options, from_checkout
from flows._summary import (
    describe_dataset,
    describe_evaluation,
    describe_promotion,
    describe_steps,
    seconds_since_start,
    show_dataset,
    show_evaluation,
    show_promotion,
    show_steps,
)
from tasks.caching import run_step
from tasks.evaluate import evaluate_model, evaluation_recipe
from tasks.export import bundle_recipe, export_model
from tasks.generate import check_inputs, dataset_recipe, generate_dataset
from tasks.promote import promote_model
from tasks.report import publish_report, write_report
from tasks.seq2seq.rules import check_experiment
from tasks.seq2seq.settings import Experiment
from tasks.storage.store import Store
from tasks.train import train_model, training_recipe


class TrainAndEvalOptions(Options):
    """The command's own options."""

    require_promotion: bool = Field(False, description="exit 1 where the run's model is not the promoted one")


@flow(
    name="train-and-eval",
    flow_run_name="train and eval {experiment.promotion_name}",
    persist_result=False,
    on_failure=[tell_of_failure],
    on_crashed=[tell_of_failure],
)
def train_and_eval(
    experiment: Experiment = Experiment(),  # noqa: B008 - frozen, and the default that Prefect's form shows
    store: Path = ROOT / "data" / "artifacts",
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
    experiment, store = check_experiment(from_checkout(experiment)), ROOT / store
    dataset = run_step(generate_dataset, experiment, store, refresh=refresh)
    training = run_step(train_model, experiment, dataset, store, refresh=refresh)
    bundle = run_step(export_model, experiment, dataset, training, store, refresh=refresh)
    evaluation = run_step(evaluate_model, experiment, dataset, bundle, store, refresh=refresh)
    promotion = run_step(promote_model, experiment, bundle, evaluation, store)
    report = run_step(write_report, experiment, dataset, training, bundle, evaluation, store, refresh=refresh)
    run_step(publish_report, experiment, report)
    return {
        **describe_promotion(promotion),
        **describe_evaluation(evaluation),
        "model": {"digest": bundle.digest, "path": str(bundle.path)},
        "dataset": describe_dataset(dataset),
        "report": str(report.path / report.facts["page"]),
        "train_sequences_per_s": training.facts["sequences_per_s"],
        "train_sequences_per_s_with_tracing": training.facts["sequences_per_s_with_tracing"],
        "seconds_to_first_step": seconds_since_start(None if training.cached else training.facts["first_steps_at"]),
        "steps": describe_steps([dataset, training, bundle, evaluation, report]),
    }


def needs_tensorflow(experiment: Experiment, options: TrainAndEvalOptions) -> bool:
    """Whether a step that trains, exports or evaluates is not in the store's index."""
    store = Store(options.store)
    dataset = store.peek(dataset_recipe(experiment))
    training = dataset and store.peek(training_recipe(experiment, dataset))
    bundle = dataset and training and store.peek(bundle_recipe(experiment, dataset, training))
    evaluation = dataset and bundle and store.peek(evaluation_recipe(experiment, dataset, bundle))
    return options.refresh or not evaluation


def show(summary: Summary) -> None:
    """Prints the result for a person."""
    show_dataset(summary)
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
            check=lambda experiment, _options: check_inputs(experiment),
            needs_tensorflow=needs_tensorflow,
            run=lambda experiment, options: train_and_eval(experiment, options.store, options.refresh, options.notify),
            show=show,
            verdict=lambda summary, _experiment, options: (
                EXIT_FAILED if options.require_promotion and not summary["promoted"] else EXIT_SUCCESS
            ),
        ),
        argv,
    )


if __name__ == "__main__":
    sys.exit(main())
