"""The validation step: the pairs that models are chosen by, decoded by the exported models and scored.

They are never those that a model is proven on: who chooses among many by the test split proves nothing with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from prefect import task

from tasks.prediction.evaluator import Evaluator
from tasks.runtime.caching import TASK_OPTIONS, finished, make_once, step_inputs
from tasks.runtime.progress import progress
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.evaluation import TOKEN_SCORES
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.where import Where
from tasks.storage.artifacts.bundle import load_bundle
from tasks.storage.artifacts.dataset import DatasetFacts, read_validation
from tasks.storage.files.json_files import write_json
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.kinds import VALIDATION
from tasks.storage.store.making import Made, StepInputs
from tasks.storage.store.manifest import Handle


@task(name="validate model", task_run_name="validate {experiment.promotion_name}", **TASK_OPTIONS)
def validate_model(
    experiment: Experiment, dataset: Handle, bundle: Handle, store: Where, *, refresh: bool = False
) -> Handle:
    """Scores a bundle on the dataset's validation split; its facts are the scores."""
    return finished(
        make_once(
            validation_inputs(experiment, {"dataset": dataset.digest, "bundle": bundle.digest}, Store(store)),
            Store(store),
            lambda folder: write_validation(experiment, dataset, bundle, Store(store), folder),
            refresh=refresh,
        )
    )


def validation_inputs(experiment: Experiment, made: Mapping[str, str], _store: Store) -> StepInputs:
    """What the scores depend on: the bundle, the pairs, and how they are decoded and scored."""
    return step_inputs(
        VALIDATION,
        experiment,
        settings={
            **experiment.evaluation.model_dump(mode="json", include={*TOKEN_SCORES}),
            "loss": experiment.training.loss,
            "decoding": experiment.decoding.model_dump(mode="json"),
        },
        made_from={name: made[name] for name in ("dataset", "bundle")},
        code=__name__,
        libraries=("numpy", "onnxruntime", "rapidfuzz", "sacrebleu"),
    )


def write_validation(experiment: Experiment, dataset: Handle, bundle: Handle, store: Store, folder: Path) -> Made:
    """Fills `folder` with `validation.json`.

    Raises:
        DataError: there are no pairs to score.
    """
    facts = dataset.facts_as(DatasetFacts)
    model = load_bundle(bundle, store)
    evaluator, n = Evaluator(experiment, model, dataset.path), 0
    with progress("validate") as update:
        for block in read_validation(dataset.path):
            evaluator.add(block)
            n += len(block.pairs)
            update(n, facts.validation_rows or facts.evaluation_rows, {})
    if not n:
        raise DataError(
            f"of {facts.train_rows} pairs none came into the validation split, by which trials are ranked; raise "
            f"data.validation_fraction"
        )
    scores = evaluator.evaluation.scores()
    write_json(folder / "validation.json", {"bundle": bundle.digest, "dataset": dataset.digest, "scores": scores})
    return Made({"scores": scores})
