"""The evaluation step: every held-out source decoded by the exported models and compared whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefect import task

from tasks.prediction.evaluator import Evaluator
from tasks.runtime.caching import TASK_OPTIONS, finished, make_once, step_inputs
from tasks.runtime.progress import progress
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.inference.evaluation import Evaluated
from tasks.seq2seq.settings.data import FilesData
from tasks.seq2seq.settings.evaluation import BACKTEST, TOKEN_SCORES
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.where import Where
from tasks.storage.artifacts.backtest_scores import BacktestScores
from tasks.storage.artifacts.bundle import load_bundle
from tasks.storage.artifacts.dataset import DatasetFacts, PairBlock, read_evaluation
from tasks.storage.artifacts.stored_series import is_series
from tasks.storage.files.json_files import write_json
from tasks.storage.outputs.predictions import PredictionWriter, to_values
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.kinds import EVALUATION
from tasks.storage.store.making import Made, StepInputs
from tasks.storage.store.manifest import Handle


@task(name="evaluate model", task_run_name="evaluate {experiment.promotion_name}", **TASK_OPTIONS)
def evaluate_model(
    experiment: Experiment, dataset: Handle, bundle: Handle, store: Where, *, refresh: bool = False
) -> Handle:
    """Scores a bundle on the dataset's fresh set or test split; its facts are the scores and the examples."""
    return finished(
        make_once(
            evaluation_inputs(experiment, {"dataset": dataset.digest, "bundle": bundle.digest}, Store(store)),
            Store(store),
            lambda folder: write_evaluation(experiment, dataset, bundle, Store(store), folder),
            refresh=refresh,
        )
    )


def evaluation_inputs(experiment: Experiment, made: Mapping[str, str], _store: Store) -> StepInputs:
    """What an evaluation depends on: the bundle, the held-out pairs, and what is scored and shown."""
    return step_inputs(
        EVALUATION,
        experiment,
        settings={
            **experiment.evaluation.model_dump(mode="json", include={"n_examples", *BACKTEST, *TOKEN_SCORES}),
            "loss": experiment.training.loss,
            "decoding": experiment.decoding.model_dump(mode="json"),
        },
        made_from={name: made[name] for name in ("dataset", "bundle")},
        code=__name__,
        libraries=("numpy", "onnxruntime", "rapidfuzz", "sacrebleu"),
    )


def write_evaluation(experiment: Experiment, dataset: Handle, bundle: Handle, store: Store, folder: Path) -> Made:
    """Fills `folder` with `evaluation.json` and `predictions.parquet`, of series also with tables of their scores."""
    model = load_bundle(bundle, store)
    facts = dataset.facts_as(DatasetFacts)
    evaluator = Evaluator(experiment, model, dataset.path)
    backtest = experiment.evaluation.backtest
    scored = BacktestScores(dataset.path, backtest) if is_series(dataset.path) else None
    writer = PredictionWriter(folder / "predictions.parquet", model.codecs)
    examples: list[dict[str, Any]] = []
    attention: list[dict[str, Any]] = []
    n_unknown = n_outside = 0
    with writer, progress("evaluate") as update:
        for block in read_evaluation(dataset.path, backtest=backtest):
            evaluated = evaluator.add(block)
            if scored is not None:
                scored.add(*evaluator.evaluation.values(evaluated), evaluated.baselines)
            writer.write(block, evaluated)
            if missing := min(experiment.evaluation.n_examples - len(examples), len(block.pairs)):
                examples += list_examples(block, evaluated, model.codecs, missing)
                attention += [found.to_json() for found in evaluator.map_attention(block, evaluated, missing)]
            n_unknown += 0 if evaluated.n_unknown is None else int((evaluated.n_unknown > 0).sum())
            n_outside += 0 if evaluated.outside_range is None else int(evaluated.outside_range.sum())
            update(writer.rows, None if backtest.is_a_part else facts.evaluation_rows, {})
    scores = {**evaluator.evaluation.scores(), "rows_with_unknown": n_unknown, "rows_outside_range": n_outside}
    write_json(
        folder / "evaluation.json",
        {
            "bundle": bundle.digest,
            "dataset": dataset.digest,
            "scores": scores,
            "examples": examples,
            "attention": attention,
            "mistakes": evaluator.evaluation.mistakes(),
            **({} if scored is None else _of_series(experiment, scored, scores, folder)),
        },
    )
    return Made({"scores": scores, "examples": examples})


def _of_series(
    experiment: Experiment, scored: BacktestScores, scores: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """What `evaluation.json` holds of series, of which `folder` then has the tables too."""
    assert isinstance(experiment.data, FilesData)
    columns = [name if isinstance(name, str) else f"column {name}" for name in experiment.data.target_columns]
    backtest = scored.write(folder, scores.get("baseline"))
    return {"backtest": backtest, "forecasts": scored.forecasts(folder / "predictions.parquet", columns)}


def list_examples(block: PairBlock, evaluated: Evaluated, codecs: Codecs, n_examples: int) -> list[dict[str, Any]]:
    """The first pairs with their predictions, as values and as a person would write them."""
    sides = {
        "source": (codecs.source, block.pairs.source),
        "expected": (codecs.target, evaluated.reference),
        "predicted": (codecs.target, evaluated.prediction),
    }
    rows = range(min(n_examples, len(block.pairs)))
    values = {
        name: to_values(sequences.part(0, len(rows)), codec).to_pylist() for name, (codec, sequences) in sides.items()
    }
    return [
        {
            **{name: values[name][i] for name in sides},
            "correct": None if evaluated.correct is None else bool(evaluated.correct[i]),
            "text": {name: codec.write(sequences[i]) for name, (codec, sequences) in sides.items()},
        }
        for i in rows
    ]
