"""The report step: a page about a model and its evaluation, and the same in short for Prefect."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from prefect import task
from prefect.artifacts import create_link_artifact, create_markdown_artifact

from tasks.reporting.model_page import PAGE, SUMMARY, write_page
from tasks.runtime.artifact_keys import artifact_key
from tasks.runtime.caching import (
    TASK_OPTIONS,
    finished,
    make_once,
    step_inputs,
)
from tasks.seq2seq.promotion.gate import Verdict
from tasks.seq2seq.settings.experiment import UNKEYED, Experiment
from tasks.seq2seq.settings.where import Where
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.kinds import REPORT
from tasks.storage.store.making import Made, StepInputs
from tasks.storage.store.manifest import Handle
from tasks.storage.store.promotions import Promotion, read_promotions


@task(name="write report", task_run_name="report {experiment.promotion_name}", **TASK_OPTIONS)
def write_report(
    experiment: Experiment,
    dataset: Handle,
    checks: Handle,
    training: Handle,
    bundle: Handle,
    evaluation: Handle,
    promotion: Promotion,
    store: Where,
    *,
    refresh: bool = False,
) -> Handle:
    """Writes `report.html`, self-contained, with the evaluation beside it.

    Args:
        experiment: the settings.
        dataset: what was trained on.
        checks: the findings about it.
        training: the curve.
        bundle: the model.
        evaluation: its scores.
        promotion: what was decided about it.
        store: folder of the artifact store.
        refresh: makes it again, whatever is cached.
    """
    inputs = {handle.kind: handle for handle in (dataset, checks, training, bundle, evaluation)}
    verdict = Verdict(promotion.passed, promotion.reason)
    step = _step_inputs(experiment, {kind: handle.digest for kind, handle in inputs.items()}, verdict)

    def write(folder: Path) -> Made:
        write_page(experiment, inputs, verdict, folder)
        return Made({"page": PAGE})

    return finished(make_once(step, Store(store), write, refresh=refresh))


def report_inputs(experiment: Experiment, made: Mapping[str, str], store: Store) -> StepInputs:
    """What a report depends on: the experiment, the artifacts of the steps before it, and the decision."""
    decision = read_promotions(store, experiment.promotion_name).decision_of(made["bundle"])
    assert decision is not None
    digests = {name: made[name] for name in ("dataset", "checks", "training", "bundle", "evaluation")}
    return _step_inputs(experiment, digests, Verdict(decision.promoted, decision.reason))


def _step_inputs(experiment: Experiment, digests: Mapping[str, str], verdict: Verdict) -> StepInputs:
    return step_inputs(
        REPORT,
        experiment,
        settings={**experiment.model_dump(mode="json", exclude=UNKEYED), "decision": verdict._asdict()},
        made_from=dict(digests),
        code=__name__,
        libraries=("jinja2", "matplotlib"),
    )


@task(name="publish report", task_run_name="publish {experiment.promotion_name}", **TASK_OPTIONS)
def publish_report(experiment: Experiment, report: Handle, _store: Where) -> None:
    """Shows the report's short form in Prefect's UI, and where the whole page lies, as artifacts of the run."""
    create_markdown_artifact(
        (report.path / SUMMARY).read_text(encoding="utf-8"),
        key=artifact_key("report", experiment.promotion_name),
        description=f"Evaluation of {experiment.promotion_name}",
    )
    create_link_artifact(
        (report.path / report.fact("page", str)).absolute().as_uri(),
        link_text=PAGE,
        key=artifact_key("page", experiment.promotion_name),
        description=f"The whole report of {experiment.promotion_name}, a page on disk: `{report.path / PAGE}`",
    )
