"""The promotion step: the gate's verdict on a new model, recorded under the experiment's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefect import task

from tasks.runtime.caching import TASK_OPTIONS, make_once, step_inputs
from tasks.seq2seq.promotion.comparison import Standing
from tasks.seq2seq.promotion.gate import Verdict, judge
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.where import Where
from tasks.storage.artifacts.holdout import write_holdout
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.kinds import HOLDOUT
from tasks.storage.store.manifest import Handle
from tasks.storage.store.promotions import Decision, Promotion, decide, read_promotions


@task(name="promote model", task_run_name="promote {experiment.promotion_name}", **TASK_OPTIONS)
def promote_model(
    experiment: Experiment, dataset: Handle, bundle: Handle, evaluation: Handle, standing: Standing, store: Where
) -> Promotion:
    """Asks the gate about a model that was made in this run, or never decided upon."""
    name = experiment.promotion_name
    verdict = _verdict(experiment, evaluation, standing)
    needs_holdout = verdict.passed and read_promotions(Store(store), name).holdout is None
    decision, decided_now = decide(
        Store(store),
        name,
        bundle.digest,
        evaluation.digest,
        verdict,
        again=not (bundle.cached and evaluation.cached),
        holdout=fix_holdout(experiment, dataset, Store(store)).digest if needs_holdout else None,
        compared_with=standing.promoted,
    )
    return Promotion(
        name=name,
        promoted=read_promotions(Store(store), name).promoted == bundle.digest,
        passed=decision.promoted,
        decided_now=decided_now,
        reason=decision.reason,
    )


def find_decision(experiment: Experiment, made: Mapping[str, str], store: Store) -> Decision | str:
    """The last decision about a bundle under the experiment's name, or why there is none."""
    name = experiment.promotion_name
    return read_promotions(store, name).decision_of(made["bundle"]) or f"nothing was decided about it as {name!r}"


def _verdict(experiment: Experiment, evaluation: Handle, standing: Standing) -> Verdict:
    verdict = judge(evaluation.fact("scores", dict[str, Any]), experiment.evaluation, standing.comparison)
    if verdict.passed and standing.obstacle:
        return Verdict(
            False,
            f"it cannot be compared with the promoted model: {standing.obstacle}; give the experiment another name, "
            f"or let it serve by hand (python -m flows.promotions --promote)",
        )
    return verdict


def fix_holdout(experiment: Experiment, dataset: Handle, store: Store) -> Handle:
    """What a dataset held out, as the artifact by which later models are compared."""
    step = step_inputs(
        HOLDOUT,
        experiment,
        settings={},
        made_from={"dataset": dataset.digest},
        code=write_holdout.__module__,
        libraries=("numpy", "pyarrow"),
    )
    return make_once(step, store, lambda folder: write_holdout(dataset, experiment, folder))
