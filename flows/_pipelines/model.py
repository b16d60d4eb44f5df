"""A model from data to its decision and report: the steps that the main job and the nightly run share."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from flows._cli.summary import (
    Summary,
    describe_dataset,
    describe_evaluation,
    describe_promotion,
    describe_steps,
    seconds_since_start,
)
from tasks.check import check_dataset
from tasks.compare import compare_models
from tasks.evaluate import evaluate_model, evaluation_recipe
from tasks.export import bundle_recipe, export_model
from tasks.export_onnx import export_onnx, onnx_recipe
from tasks.generate import dataset_recipe, generate_dataset
from tasks.initial_weights import find_start
from tasks.promote import Promotion, promote_model
from tasks.report import publish_report, write_report
from tasks.runtime.caching import run_step
from tasks.seq2seq.settings.experiment import Experiment
from tasks.storage.artifacts.export import ONNX_FILE
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.manifest import Handle
from tasks.train import train_model, training_recipe


class ModelRun(NamedTuple):
    """What came of it."""

    dataset: Handle
    checks: Handle
    training: Handle
    bundle: Handle
    evaluation: Handle
    promotion: Promotion
    report: Handle
    onnx: Handle | None


def make_model(experiment: Experiment, store: Path, *, refresh: bool) -> ModelRun:
    """Makes what is not made yet, in the order of the steps; call it inside a flow."""
    dataset = run_step(generate_dataset, experiment, store, refresh=refresh)
    checks = run_step(check_dataset, experiment, dataset, store, refresh=refresh)
    training = run_step(train_model, experiment, dataset, store, refresh=refresh)
    bundle = run_step(export_model, experiment, dataset, training, store, refresh=refresh)
    evaluation = run_step(evaluate_model, experiment, dataset, bundle, store, refresh=refresh)
    standing = run_step(compare_models, experiment, bundle, evaluation, store)
    promotion = run_step(promote_model, experiment, dataset, bundle, evaluation, standing, store)
    decision = {"passed": promotion.passed, "reason": promotion.reason}
    inputs = [dataset, checks, training, bundle, evaluation]
    report = run_step(write_report, experiment, inputs, decision, store, refresh=refresh)
    run_step(publish_report, experiment, report)
    # Last: a model that does not convert is proven and promoted all the same.
    onnx = (
        run_step(export_onnx, experiment, dataset, bundle, store, refresh=refresh) if experiment.export.onnx else None
    )
    return ModelRun(dataset, checks, training, bundle, evaluation, promotion, report, onnx)


def describe_model(run: ModelRun) -> Summary:
    """The result as a summary holds it."""
    training = run.training
    return {
        **describe_promotion(run.promotion),
        **describe_evaluation(run.evaluation),
        "model": {"digest": run.bundle.digest, "path": str(run.bundle.path)},
        "dataset": describe_dataset(run.dataset),
        "checks": run.checks.facts["findings"],
        "report": str(run.report.path / run.report.facts["page"]),
        "train_sequences_per_s": training.facts["sequences_per_s"],
        "train_sequences_per_s_with_tracing": training.facts["sequences_per_s_with_tracing"],
        "seconds_to_first_step": seconds_since_start(None if training.cached else training.facts["first_steps_at"]),
        "vectors": training.facts["vectors"],
        "onnx": run.onnx and str(run.onnx.path / ONNX_FILE),
        "steps": describe_steps(
            [run.dataset, training, run.bundle, run.evaluation, run.report, *([run.onnx] if run.onnx else [])]
        ),
    }


def needs_tensorflow(experiment: Experiment, store: Store) -> bool:
    """Whether a step that trains, exports or evaluates is not in the store's index."""
    dataset = store.peek(dataset_recipe(experiment, store))
    if dataset is None:
        return True
    training = store.peek(training_recipe(experiment, dataset, find_start(experiment, dataset, store)))
    bundle = training and store.peek(bundle_recipe(experiment, dataset, training))
    if not (bundle and store.peek(evaluation_recipe(experiment, dataset, bundle))):
        return True
    return experiment.export.onnx and store.peek(onnx_recipe(experiment, dataset, bundle)) is None
