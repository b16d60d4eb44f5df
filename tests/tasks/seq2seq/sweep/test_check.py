"""A sweep's settings as a whole: faults of the experiment, the search and the space are told together."""

import pytest

from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.sweep import SearchSettings
from tasks.seq2seq.sweep.check import check_sweep_settings, metric_of

SPACE = {"model.units": [8, 16]}
FORECASTS = {"train": "a.csv", "source_encoding": "vectors", "target_encoding": "vectors"}
EMBEDDINGS = {"train": "a.csv", "source_encoding": "words", "target_encoding": "vectors"}


def refusal(**raw):
    with pytest.raises(SettingsError) as refused:
        check_sweep_settings(raw)
    return str(refused.value).splitlines()


def test_the_experiment_keeps_what_was_stated_and_nothing_else():
    settings = check_sweep_settings({"name": "a", "data": {"problem": "sort"}, "sweep": {"space": SPACE}})
    assert settings.stated == {"name": "a", "data": {"kind": "synthetic", "problem": "sort"}}
    assert settings.experiment.data.problem == "sort"
    assert settings.sweep.trials == 20


def test_faults_of_all_parts_are_told_together():
    faults = refusal(
        model={"units": 0}, sweep={"trials": 0, "generation": 0, "time_limit": 0, "space": {"model.unit": [1]}}
    )
    assert [fault.split()[0].strip(":") for fault in faults] == [
        "model.units", "sweep.trials", "sweep.generation", "sweep.time_limit", "sweep.space.model.unit",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ({}, "sweep.space is required"),
        ({"space": {}}, "sweep.space: Dictionary should have at least 1 item"),
        ({"space": [1]}, "sweep.space: Input should be a valid dictionary"),
        ({"space": SPACE, "trial": 3}, "sweep.trial is not a setting, did you mean 'trials'?"),
        ({"space": SPACE, "direction": "up"}, "sweep.direction: Input should be 'maximize' or 'minimize'"),
    ],
)
def test_a_search_that_cannot_be_is_refused(sweep, said):
    assert refusal(sweep=sweep)[0].startswith(said)


@pytest.mark.parametrize(
    ("data", "metric", "said"),
    [
        ({}, "mae", "sweep.metric is 'mae', which is not a score of this data; there are sequence_accuracy, "),
        ({}, "token_acuracy", "which is not a score of this data, did you mean 'token_accuracy'?"),
        ({}, "bleu", "which is not a score of this data; set evaluation.bleu = true"),
        ({}, "n_correct", "which does not say how good a model is; those that do are sequence_accuracy, "),
        (FORECASTS, "sequence_accuracy", "which is not a score of this data; there are mae, rmse, "),
        (FORECASTS, "nearest_neighbour_accuracy", "which is not a score of this data"),
        (FORECASTS, "mae_by_step", "which does not say how good a model is"),
    ],
)
def test_a_metric_that_this_data_has_not_is_refused(data, metric, said):
    (fault,) = refusal(data=data, sweep={"metric": metric, "space": SPACE})
    assert said in fault


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({}, ("sequence_accuracy", "maximize")),
        ({"data": FORECASTS}, ("mae", "minimize")),
        ({"data": EMBEDDINGS, "training": {"loss": "cosine_similarity"}}, ("nearest_neighbour_accuracy", "maximize")),
        ({"sweep": {"metric": "token_error_rate"}}, ("token_error_rate", "minimize")),
        ({"sweep": {"direction": "minimize"}}, ("sequence_accuracy", "minimize")),
        ({"evaluation": {"bleu": True}, "sweep": {"metric": "bleu"}}, ("bleu", "maximize")),
    ],
)
def test_the_metric_is_that_of_the_data_and_says_itself_which_way_is_better(raw, expected):
    settings = check_sweep_settings({**raw, "sweep": {"space": SPACE, **raw.get("sweep", {})}})
    assert isinstance(settings.sweep, SearchSettings)
    assert metric_of(settings.experiment, settings.sweep) == expected


def test_files_without_a_validation_split_are_refused():
    """Else trials would be ranked on the test split."""
    (fault,) = refusal(data={"train": "a.csv", "validation_fraction": 0}, sweep={"space": SPACE})
    assert fault.startswith("data.validation_fraction is 0, but trials are ranked on the validation split")
