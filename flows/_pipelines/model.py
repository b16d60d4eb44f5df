"""A model from data to its decision and report: the steps that the main job and the nightly run share."""

from __future__ import annotations

from flows._cli.command import Summary
from flows._cli.summary import (
    describe_dataset,
    describe_evaluation,
    describe_promotion,
    describe_steps,
    seconds_since_start,
)
from flows._pipelines.outcomes import bundle_line, dataset_line, evaluation_line, promotion_line, training_line
from flows._pipelines.steps import Results, Step, run_steps, shown
from tasks.check import check_dataset, checks_inputs
from tasks.compare import compare_models
from tasks.evaluate import evaluate_model, evaluation_inputs
from tasks.export import bundle_inputs, export_model
from tasks.export_onnx import export_onnx, onnx_inputs
from tasks.export_saved_model import export_saved_model, saved_model_inputs
from tasks.generate import dataset_inputs, generate_dataset
from tasks.promote import find_decision, promote_model
from tasks.report import publish_report, report_inputs, write_report
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.where import Where
from tasks.storage.artifacts.export import ONNX_FILE, SAVED_MODEL
from tasks.train import train_model, training_inputs

DATASET_STEP = Step("dataset", generate_dataset, key=dataset_inputs, outcome=dataset_line)
MODEL_STEPS = (
    DATASET_STEP,
    Step("checks", check_dataset, ("dataset",), key=checks_inputs, is_shown=False),
    Step("training", train_model, ("dataset",), key=training_inputs, loads_tensorflow=True, outcome=training_line),
    Step(
        "bundle", export_model, ("dataset", "training"), key=bundle_inputs, loads_tensorflow=True, outcome=bundle_line
    ),
    Step("evaluation", evaluate_model, ("dataset", "bundle"), key=evaluation_inputs, outcome=evaluation_line),
    Step("standing", compare_models, ("bundle", "evaluation")),
    Step(
        "promotion",
        promote_model,
        ("dataset", "bundle", "evaluation", "standing"),
        find=find_decision,
        outcome=promotion_line,
    ),
    Step(
        "report",
        write_report,
        ("dataset", "checks", "training", "bundle", "evaluation", "promotion"),
        key=report_inputs,
    ),
    Step("page", publish_report, ("report",)),
    # Last: a model that does not convert is proven and promoted all the same.
    Step(
        "onnx",
        export_onnx,
        ("dataset", "bundle"),
        key=onnx_inputs,
        loads_tensorflow=True,
        is_wanted=lambda experiment: experiment.export.onnx,
    ),
    Step(
        "saved_model",
        export_saved_model,
        ("dataset", "bundle"),
        key=saved_model_inputs,
        loads_tensorflow=True,
        is_wanted=lambda experiment: experiment.export.saved_model,
    ),
)


def make_model(experiment: Experiment, store: Where, *, refresh: bool) -> Results:
    """Makes what is not made yet, in the order of the steps; call it inside a flow."""
    return run_steps(MODEL_STEPS, experiment, store, refresh=refresh)


def describe_model(results: Results) -> Summary:
    """The result as a summary holds it."""
    training, report, onnx = results["training"], results["report"], results.get("onnx")
    saved_model = results.get("saved_model")
    return {
        **describe_promotion(results["promotion"]),
        **describe_evaluation(results["evaluation"]),
        "model": {"digest": results["bundle"].digest, "path": str(results["bundle"].path)},
        "dataset": describe_dataset(results["dataset"]),
        "checks": results["checks"].fact("findings", list[dict[str, str]]),
        "report": str(report.path / report.fact("page", str)),
        "train_sequences_per_s": training.figures["sequences_per_s"],
        "train_sequences_per_s_with_tracing": training.figures["sequences_per_s_with_tracing"],
        "seconds_to_first_step": seconds_since_start(None if training.cached else training.figures["first_steps_at"]),
        "vectors": training.fact("vectors", dict[str, object]),
        "onnx": onnx and str(onnx.path / ONNX_FILE),
        "saved_model": saved_model and str(saved_model.path / SAVED_MODEL),
        "steps": describe_steps(shown(MODEL_STEPS, results)),
    }
