"""What a trial is made of."""

import pytest

from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.metrics.intervals import wilson_interval
from tasks.seq2seq.settings.rules import check_experiment
from tasks.seq2seq.sweep.trials import interval_of, pipeline_of, with_settings

STATED = {"name": "a", "seed": 3, "model": {"layers": 2}}


def test_a_trial_has_its_settings_beside_those_that_are_stated():
    experiment = with_settings(STATED, {"model.units": 8, "training.epochs": 5})
    assert (experiment.model.layers, experiment.model.units, experiment.training.epochs) == (2, 8, 5)
    assert STATED == {"name": "a", "seed": 3, "model": {"layers": 2}}


def test_settings_that_do_not_go_together_are_refused_as_those_of_any_experiment():
    with pytest.raises(SettingsError, match=r"decoding\.beam_width is 9, but decoding\.method is"):
        with_settings(STATED, {"decoding.beam_width": 9})


def test_a_trial_on_files_shares_data_and_name_with_the_sweep_whatever_its_seed():
    base = check_experiment({"data": {"train": "words.csv"}, "seed": 3})
    pipeline = pipeline_of(with_settings({"data": {"train": "words.csv"}, "seed": 3}, {"model.units": 8}), base, 4)
    assert pipeline.data == base
    assert (pipeline.model.seed, pipeline.model.model.units, pipeline.model.promotion_name) == (4, 8, "words")


def test_a_trial_on_drawn_pairs_sees_none_of_those_that_prove_the_winner():
    """Its pairs are of another seed, and what is fixed under the experiment's name does not concern them."""
    base = check_experiment(STATED)
    pipelines = [pipeline_of(with_settings(STATED, {"model.units": units}), base, 3) for units in (8, 16)]
    assert {pipeline.data.seed for pipeline in pipelines} == {3 + 2**30}
    assert {pipeline.model.seed for pipeline in pipelines} == {3}
    assert {one.promotion_name for pipeline in pipelines for one in pipeline} == {"a.trials"}


def test_the_longest_name_and_the_highest_seed_have_trials_too():
    base = check_experiment({"name": "a" * 100, "seed": 2**31 - 1})
    pipeline = pipeline_of(base, base, base.seed)
    assert check_experiment(pipeline.data.model_dump(mode="json")) == pipeline.data


@pytest.mark.parametrize(
    ("metric", "scores", "expected"),
    [
        ("mae", {"mae": 1.0, "mae_interval": [0.5, 1.5]}, (0.5, 1.5)),
        ("mae", {"mae": 1.0, "mae_interval": None}, None),
        ("nearest_neighbour_accuracy", {"nearest_neighbour_accuracy": 0.7, "n_evaluated": 10}, wilson_interval(7, 10)),
        ("nearest_neighbour_accuracy", {"nearest_neighbour_accuracy": None, "n_evaluated": 0}, None),
        ("rmse", {"rmse": 1.0}, None),
    ],
)
def test_a_score_has_the_interval_that_is_known_of_it(metric, scores, expected):
    assert interval_of(metric, scores) == expected
