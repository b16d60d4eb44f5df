from pathlib import Path

import pytest
from pydantic import ValidationError

from tasks.seq2seq.data.problems import Dimensions
from tasks.seq2seq.settings.data import FilesData, SyntheticData
from tasks.seq2seq.settings.evaluation import EvaluationSettings
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.model import ModelSettings
from tasks.seq2seq.settings.training import TrainingSettings


def test_the_defaults_are_the_tutorials_problem_at_full_size():
    experiment = Experiment()
    assert experiment.data == SyntheticData(problem="reverse_first", n_samples=100_000)
    assert experiment.data.dimensions == Dimensions(6, 3, 50)
    assert (experiment.training.epochs, experiment.model.units) == (1, 128)
    assert (experiment.evaluation.n_samples, experiment.evaluation.n_examples) == (100, 10)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ({"cardinality": 9}, SyntheticData),
        ({}, SyntheticData),
        ({"train": "pairs.parquet"}, FilesData),
        ({"kind": "files", "train": "pairs.parquet"}, FilesData),
    ],
)
def test_a_missing_kind_is_told_by_the_training_file(data, kind):
    assert isinstance(Experiment.model_validate({"data": data}).data, kind)


def test_an_explicit_kind_is_obeyed():
    """Synthetic data with a training file is a fault, not a guess."""
    with pytest.raises(ValidationError, match=r"data\.synthetic\.train"):
        Experiment.model_validate({"data": {"kind": "synthetic", "train": "pairs.parquet"}})


@pytest.mark.parametrize(
    ("section", "wrong"),
    [
        (SyntheticData, {"n_samples": 0}),
        (SyntheticData, {"cardinality": 1}),
        (SyntheticData, {"problem": "multiply"}),
        (ModelSettings, {"units": 0}),
        (ModelSettings, {"embedding": -1}),
        (TrainingSettings, {"epochs": 0}),
        (TrainingSettings, {"batch_size": 0}),
        (TrainingSettings, {"learning_rate": 0}),
        (TrainingSettings, {"learning_rate": float("nan")}),
        (TrainingSettings, {"optimizer": "guess"}),
        (TrainingSettings, {"loss": "guess"}),
        (TrainingSettings, {"patience": 0}),
        (EvaluationSettings, {"n_samples": 0}),
        (EvaluationSettings, {"min_sequence_accuracy": 1.01}),
        (EvaluationSettings, {"min_sequence_accuracy": float("nan")}),
        (EvaluationSettings, {"max_relative_mae": 0}),
        (EvaluationSettings, {"max_relative_mae": float("inf")}),
        (FilesData, {"train": "a", "validation_fraction": 1}),
        (FilesData, {"train": "a", "test_fraction": 0}),
        (FilesData, {"train": "a", "test_fraction": 1}),
        (FilesData, {"train": "a", "max_reject_rate": -0.1}),
        (FilesData, {"train": "a", "source_encoding": "bytes"}),
        (FilesData, {"train": "a", "delimiter": ""}),
        (FilesData, {"train": "a", "quote": "''"}),
        (FilesData, {"train": "a", "min_count": 0}),
        (FilesData, {"train": "a", "max_vocabulary": 1}),
        (FilesData, {"train": "a", "unknown": "drop"}),
        (FilesData, {"train": "a", "empty_source": "drop"}),
        (FilesData, {"train": "a", "max_source_length": 0}),
        (FilesData, {"train": "a", "history": 0}),
        (FilesData, {"train": "a", "horizon": 0}),
        (FilesData, {"train": "a", "stride": 0}),
        (FilesData, {"train": "a", "season": 0}),
        (Experiment, {"seed": -1}),
        (Experiment, {"name": "../elsewhere"}),
        (Experiment, {"name": ""}),
        (Experiment, {"colour": "red"}),
        (ModelSettings, {"colour": "red"}),
    ],
)
def test_a_value_out_of_range_or_an_unknown_key_is_refused(section, wrong):
    with pytest.raises(ValidationError) as error:
        section(**wrong)
    assert error.value.error_count() == 1


@pytest.mark.parametrize(
    ("given", "source", "target"),
    [
        ({}, ("source",), ("target",)),
        ({"source": "a,b", "target": "c"}, ("a,b",), ("c",)),  # a pair has one column a side, commas and all
        ({"header": False}, (0,), (1,)),
        ({"header": False, "source": "2", "target": 0}, (2,), (0,)),
        ({"header": False, "source": "word"}, ("word",), (1,)),
        ({"source": "2"}, ("2",), ("target",)),
        ({"history": 3, "source": "a, b"}, ("a", "b"), ("a", "b")),
        ({"history": 3, "source": ["a", "b"], "target": "b"}, ("a", "b"), ("b",)),
        ({"history": 3, "header": False, "source": "0,2"}, (0, 2), (0, 2)),
    ],
)
def test_columns_are_names_with_a_header_and_positions_without(given, source, target):
    """A series predicts its own columns where no target is named."""
    data = FilesData.model_validate({"train": "a.csv", **given})
    assert (data.source_columns, data.target_columns) == (source, target)
    assert data.is_series is ("history" in given)


def test_an_experiment_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        Experiment().seed = 3  # type: ignore[misc] # what the test is about


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ({"name": "g2p", "data": {"problem": "sort"}}, "g2p"),
        ({"data": {"problem": "sort"}}, "sort"),
        ({"data": {"train": "folder/words.parquet"}}, "words"),
        ({"data": {"train": "folder/my words (new).csv.gz"}}, "my-words-new"),
        ({"data": {"train": "folder/*"}}, "files"),
    ],
)
def test_a_model_is_promoted_under_its_name_or_its_datas(raw, name):
    assert Experiment.model_validate(raw).promotion_name == name


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"data": {"train": "a.parquet"}},
        {"data": {"train": "a.csv", "history": 3, "horizon": 1, "source": ["a", 2], "target": "b"}},
        {"data": {"problem": "addition", "n_in": 5}},
        {"training": {"patience": 3, "loss": "huber"}},
    ],
)
def test_an_experiment_survives_json(raw):
    """Prefect sends parameters as JSON, and manifests keep the experiment as JSON."""
    experiment = Experiment.model_validate(raw)
    assert Experiment.model_validate_json(experiment.model_dump_json()) == experiment


def test_a_training_file_is_a_path():
    assert Experiment.model_validate({"data": {"train": "a.parquet"}}).data.train == Path("a.parquet")
