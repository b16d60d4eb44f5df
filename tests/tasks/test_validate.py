"""The pairs that models are chosen by are never those that prove them."""

import json
import shutil

import pyarrow.parquet as pq
import pytest

from tasks.evaluate import evaluate_model
from tasks.generate import generate_dataset
from tasks.runtime.caching import make_step
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.artifacts.bundle import read_experiment
from tasks.storage.artifacts.dataset import read_validation
from tasks.storage.artifacts.registry import find_bundle
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.manifest import Manifest
from tasks.validate import validate_model, write_validation
from tests.helpers.batch_models import batch_models

pytestmark = pytest.mark.seconds


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Gives a store with a model by its name, its bundle, dataset and experiment."""
    models = batch_models(tmp_path_factory)

    def made(name):
        store = tmp_path_factory.mktemp("validate") / "store"
        shutil.copytree(models.need(name), store)
        bundle = find_bundle(Store(store), name).bundle
        dataset = Store(store).open("dataset", Manifest.read(bundle.path).made_from["dataset"])
        return read_experiment(bundle), dataset, bundle, store

    return made


@pytest.mark.parametrize(("name", "metric"), [("integers", "sequence_accuracy"), ("wave", "mae")])
def test_a_model_of_files_is_scored_on_the_validation_split(made, name, metric):
    experiment, dataset, bundle, store = made(name)
    scored = make_step(validate_model, experiment, dataset, bundle, store)
    scores = scored.fact("scores", dict)
    assert scores["n_evaluated"] == dataset.facts["validation_rows"] > 0
    proven = make_step(evaluate_model, experiment, dataset, bundle, store).fact("scores", dict)
    assert {name: proven[name] for name in scores} != scores
    assert scores[f"{metric}_interval"][0] <= scores[metric] <= scores[f"{metric}_interval"][1]
    assert json.loads((scored.path / "validation.json").read_text())["scores"] == scores
    assert make_step(validate_model, experiment, dataset, bundle, store).cached


def test_the_fresh_set_of_a_generated_problem_takes_the_place_of_the_split_that_it_has_not(made):
    """A sweep's trials have a dataset of their own for it."""
    experiment, dataset, bundle, store = made("tiny")
    chosen, proven = (
        make_step(step, experiment, dataset, bundle, store).fact("scores", dict)
        for step in (validate_model, evaluate_model)
    )
    assert chosen["n_evaluated"] == dataset.facts["evaluation_rows"]
    assert chosen["sequence_accuracy"] == proven["sequence_accuracy"]


def test_an_empty_validation_split_ranks_nothing_and_says_what_to_set(made, tmp_path):
    experiment, dataset, bundle, store = made("integers")
    path = dataset.path / "validation.parquet"
    file = pq.ParquetFile(path)
    pq.write_table(file.schema_arrow.empty_table(), path)
    with pytest.raises(DataError, match=r"none came into the validation split.*raise data\.validation_fraction"):
        write_validation(experiment, dataset, bundle, Store(store), tmp_path)


def test_a_series_without_windows_to_validate_on_gives_none_and_never_those_of_the_test(tmp_path):
    (tmp_path / "wave.csv").write_text("source\n" + "".join(f"{i % 7}\n" for i in range(200)))
    data = {
        "train": tmp_path / "wave.csv", "source_encoding": "vectors", "target_encoding": "vectors", "history": 8,
        "horizon": 3, "validation_fraction": 0.0,
    }  # fmt: skip
    dataset = generate_dataset.fn(check_experiment({"data": data}), tmp_path / "store")
    assert (dataset.facts["validation_rows"], dataset.facts["evaluation_rows"] > 0) == (0, True)
    assert list(read_validation(dataset.path)) == []
