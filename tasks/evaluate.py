"""The evaluation step: every held-out source decoded by the exported models and compared whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from prefect import task

from tasks.caching import MODEL_CODE, TASK_OPTIONS, finished, make_once, recipe
from tasks.seq2seq.metrics import score
from tasks.seq2seq.problems import Ids
from tasks.seq2seq.sampling import Pairs
from tasks.seq2seq.settings import Experiment
from tasks.seq2seq.vocabulary import Vocabularies
from tasks.storage.atomic import write_json
from tasks.storage.bundles import load_bundle
from tasks.storage.datasets import read_evaluation
from tasks.storage.manifest import Handle
from tasks.storage.store import Made, Recipe, Store

KIND = "evaluation"
XLA_PAYS_FROM = 100_000  # rows: compiling takes a second, and saves 5 microseconds a row


@task(name="evaluate model", task_run_name="evaluate {experiment.promotion_name}", **TASK_OPTIONS)
def evaluate_model(
    experiment: Experiment, dataset: Handle, bundle: Handle, store: Path, *, refresh: bool = False
) -> Handle:
    """Scores a bundle on the dataset's fresh set or test split; its facts are the scores."""
    return finished(
        make_once(
            evaluation_recipe(experiment, dataset.digest, bundle.digest),
            Store(store),
            lambda folder: write_evaluation(experiment, dataset, bundle, Store(store), folder),
            refresh=refresh,
        )
    )


def evaluation_recipe(experiment: Experiment, dataset_digest: str, bundle_digest: str) -> Recipe:
    """What an evaluation depends on: the bundle, the held-out pairs, and how many examples are kept."""
    return recipe(
        KIND,
        experiment,
        settings={"n_examples": experiment.evaluation.n_examples},
        made_from={"dataset": dataset_digest, "bundle": bundle_digest},
        code=MODEL_CODE,
        libraries=("keras", "numpy", "tensorflow"),
    )


def write_evaluation(experiment: Experiment, dataset: Handle, bundle: Handle, store: Store, folder: Path) -> Made:
    """Fills `folder` with `evaluation.json` and `predictions.npz`."""
    from tasks.seq2seq.decoding import Predictor  # noqa: PLC0415 - a cached run never loads it

    model = load_bundle(bundle, store)
    blocks = list(read_evaluation(dataset.path))
    pairs = Pairs(
        np.concatenate([block.source for block in blocks]), np.concatenate([block.target for block in blocks])
    )
    predictor = Predictor(
        model.encoder,
        model.decoder,
        model.facts.start,
        model.facts.target_length,
        xla=len(pairs) >= XLA_PAYS_FROM,
    )
    predictions, log_probability = predictor.predict(pairs.source)
    scores = score(pairs.target, predictions)
    np.savez(
        folder / "predictions.npz",
        source=pairs.source,
        target=pairs.target,
        prediction=predictions,
        log_probability=log_probability,
    )
    examples = list_examples(pairs, predictions, model.vocabularies, experiment.evaluation.n_examples)
    write_json(
        folder / "evaluation.json",
        {
            "bundle": bundle.digest,
            "dataset": dataset.digest,
            "scores": scores._asdict(),
            "examples": examples,
        },
    )
    return Made({"scores": scores._asdict(), "examples": examples})


def list_examples(pairs: Pairs, predictions: Ids, vocabularies: Vocabularies, n_examples: int) -> list[dict[str, Any]]:
    """The first pairs with their predictions, as symbols and as a person would write them."""
    sides = {
        "source": (vocabularies.source, pairs.source),
        "expected": (vocabularies.target, pairs.target),
        "predicted": (vocabularies.target, predictions),
    }
    return [
        {
            **{name: vocabulary.decode(ids[i : i + 1])[0] for name, (vocabulary, ids) in sides.items()},
            "correct": bool(np.array_equal(pairs.target[i], predictions[i])),
            "text": {name: vocabulary.write(ids[i]) for name, (vocabulary, ids) in sides.items()},
        }
        for i in range(min(n_examples, len(predictions)))
    ]
