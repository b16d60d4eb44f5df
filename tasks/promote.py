"""The promotion step: the gate's verdict on a new model, recorded under the experiment's name."""

from __future__ import annotations

from pathlib import Path

from prefect import task
from pydantic import BaseModel, ConfigDict

from tasks.caching import TASK_OPTIONS
from tasks.seq2seq.gate import judge
from tasks.seq2seq.settings import Experiment
from tasks.storage.manifest import Handle
from tasks.storage.promotions import decide, read_promotions
from tasks.storage.store import Store


class Promotion(BaseModel):
    """How the run's model stands under its name.

    `promoted`: it is the model that serves. `decided_now`: this run decided so; a run that made no new
    model decides nothing. `reason`: the gate's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    promoted: bool
    decided_now: bool
    reason: str


@task(name="promote model", task_run_name="promote {experiment.promotion_name}", **TASK_OPTIONS)
def promote_model(experiment: Experiment, bundle: Handle, evaluation: Handle, store: Path) -> Promotion:
    """Asks the gate about a model that was made in this run, or never decided upon."""
    name = experiment.promotion_name
    verdict = judge(evaluation.facts["scores"], experiment.evaluation)
    decision, decided_now = decide(
        Store(store),
        name,
        bundle.digest,
        evaluation.digest,
        verdict,
        again=not (bundle.cached and evaluation.cached),
    )
    return Promotion(
        name=name,
        promoted=read_promotions(Store(store), name).promoted == bundle.digest,
        decided_now=decided_now,
        reason=decision.reason,
    )
