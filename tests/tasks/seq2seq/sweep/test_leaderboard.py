"""Which experiments can stand side by side, and in what they differ."""

from tasks.seq2seq.settings.rules import check_experiment
from tasks.seq2seq.sweep.leaderboard import differing, direction_of, flatten, leading_score


def recorded(**raw):
    return check_experiment(raw).model_dump(mode="json")


def test_only_settings_that_differ_are_told_and_none_that_make_no_other_model():
    first = recorded(name="a", model={"units": 8}, export={"onnx": True})
    second = recorded(name="b", model={"units": 16}, training={"tensorboard": "logs"}, seed=1)
    assert differing([first, second]) == ["seed", "model.units"]
    assert differing([first]) == []
    assert differing([]) == []


def test_a_setting_that_an_older_record_has_not_differs_from_one_that_is_set():
    assert differing([{"model": {}}, {"model": {"units": 8}}]) == ["model.units"]


def test_settings_have_their_whole_names():
    flat = dict(flatten(recorded(data={"problem": "sort"})))
    assert flat["data.problem"] == "sort"
    assert flat["seed"] == 0
    assert not any(name.startswith(("name", "export", "checks")) for name in flat)


def test_experiments_are_ranked_by_the_score_that_has_an_interval_whichever_of_them_has_it():
    assert leading_score([None, {"sequence_accuracy": 1.0}]) == "sequence_accuracy"
    assert leading_score([{"mae": 1.0, "relative_mae": 0.5}]) == "mae"
    assert leading_score([{"mae": 1.0, "nearest_neighbour_accuracy": 0.5}]) == "nearest_neighbour_accuracy"
    assert (direction_of("mae"), direction_of("sequence_accuracy")) == ("minimize", "maximize")
