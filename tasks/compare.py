"""The comparison step: a new model and the promoted one on the same holdout, pair by pair."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from prefect import task

from tasks.prediction.evaluator import Evaluator
from tasks.runtime.caching import TASK_OPTIONS, make_once, step_inputs
from tasks.runtime.progress import progress
from tasks.seq2seq.data.backtest import Backtest
from tasks.seq2seq.errors import ArtifactError, DataError
from tasks.seq2seq.promotion.comparison import Standing, compare
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.where import Where
from tasks.storage.artifacts.bundle import load_bundle, read_experiment
from tasks.storage.artifacts.holdout import HoldoutFacts, fixed_holdout, is_comparable, read_holdout
from tasks.storage.files.archives import load_arrays
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.kinds import BUNDLE, HOLDOUT_SCORES
from tasks.storage.store.making import Made
from tasks.storage.store.manifest import Handle
from tasks.storage.store.promotions import read_promotions

VALUES = "values.npz"


@task(name="compare models", task_run_name="compare {experiment.promotion_name}", **TASK_OPTIONS)
def compare_models(experiment: Experiment, bundle: Handle, evaluation: Handle, store: Where) -> Standing:
    """Decodes the holdout with both models, each only once; nothing for a model that was decided upon before."""
    name = experiment.promotion_name
    promotions = read_promotions(Store(store), name)
    promoted = promotions.promoted
    is_decided = promotions.decision_of(bundle.digest) and bundle.cached and evaluation.cached
    if is_decided or promoted in (None, bundle.digest):
        return Standing()
    holdout = fixed_holdout(Store(store), name)
    if holdout is None:
        return Standing(promoted=promoted, obstacle="no holdout is fixed under this name")
    if not is_comparable(holdout, experiment):
        return Standing(promoted=promoted, obstacle="the promoted model solves another problem, with other data")
    try:
        new, old = (
            _values(Store(store).open(BUNDLE, digest), holdout, experiment.evaluation.backtest, Store(store))
            for digest in (bundle.digest, promoted)
        )
    except (ArtifactError, DataError) as error:
        return Standing(promoted=promoted, obstacle=str(error))
    return Standing(promoted=promoted, comparison=compare(str(new["metric"]), new["values"], old["values"]))


def _values(bundle: Handle, holdout: Handle, backtest: Backtest, store: Store) -> dict[str, NDArray[np.float64]]:
    experiment = read_experiment(bundle)
    step = step_inputs(
        HOLDOUT_SCORES,
        experiment,
        settings={
            "decoding": experiment.decoding.model_dump(mode="json"),
            "loss": experiment.training.loss,
            "backtest": asdict(backtest),
        },
        made_from={"bundle": bundle.digest, "holdout": holdout.digest},
        code=__name__,
        libraries=("numpy", "onnxruntime"),
    )
    scores = make_once(step, store, lambda folder: write_scores(experiment, bundle, holdout, backtest, store, folder))
    return load_arrays(scores.path / VALUES)


def write_scores(
    experiment: Experiment, bundle: Handle, holdout: Handle, backtest: Backtest, store: Store, folder: Path
) -> Made:
    """Fills `folder` with `values.npz`: what the model reached on each pair of the holdout, and the metric's name.

    Args:
        experiment: that the model was made by.
        bundle: the model.
        holdout: the pairs.
        backtest: which windows of series count, as the new model's experiment has it.
        store: the artifact store.
        folder: to fill.
    """
    model = load_bundle(bundle, store)
    n_rows = holdout.facts_as(HoldoutFacts).rows
    evaluator = Evaluator(experiment, model, holdout.path)
    parts, metric = [], ""
    with progress("compare") as update:
        for block in read_holdout(holdout, model.codecs, bundle.path, backtest):
            metric, values = evaluator.evaluation.values(evaluator.add(block))
            parts.append(values)
            update(sum(map(len, parts)), n_rows, {})
    values = np.concatenate(parts)
    np.savez(folder / VALUES, values=values, metric=np.array(metric))
    return Made({"metric": metric, "rows": len(values), "mean": float(values.mean())})
