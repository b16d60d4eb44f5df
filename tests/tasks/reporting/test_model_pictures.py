"""The pictures of a model's page: which there are, what they say, and the curve without false steps."""

from typing import Any

import pytest

from tasks.reporting.model_pictures import (
    MAX_POINTS,
    accuracy_by_position,
    attention,
    confusion,
    coverage_by_step,
    draw_pictures,
    error_by_step,
    forecast,
    learning_curve,
    smooth,
)


def points(*pairs_and_losses):
    return [{"pairs": pairs, "loss": loss, "accuracy": 0.5, "mae": 0.5} for pairs, loss in pairs_and_losses]


def test_the_last_short_call_of_an_epoch_draws_no_step():
    curve = points((1000, 3.0), (2000, 2.0), (2100, 9.0), (3100, 1.0), (4100, 1.0), (4200, 0.0))
    assert [(point["pairs"], point["loss"]) for point in smooth(curve, "loss")] == [
        (1000, 3.0),
        (2100, pytest.approx((2 * 1000 + 9 * 100) / 1100)),
        (3100, 1.0),
        (4200, pytest.approx(1000 / 1100)),
    ]


def test_calls_of_one_size_stay_as_they_are_and_epochs_shorter_than_a_call_too():
    for curve in (points((10, 3.0), (20, 2.0), (30, 1.0)), points((5, 1.0))):
        assert [point["loss"] for point in smooth(curve, "loss")] == [point["loss"] for point in curve]


def test_a_long_curve_has_no_more_points_than_can_be_told_apart_and_the_same_mean():
    curve = points(*((i + 1, float(i % 7)) for i in range(10_000)))
    found = smooth(curve, "loss")
    assert MAX_POINTS / 2 <= len(found) <= MAX_POINTS
    assert sum(point["loss"] * point["size"] for point in found) == pytest.approx(sum(i % 7 for i in range(10_000)))


def test_a_curve_says_where_it_begins_and_ends():
    epochs = [{"pairs": 20, "val_loss": 1.5}]
    picture = learning_curve(points((10, 3.0), (20, 1.0)), epochs, "loss")
    assert picture.alt == "Line chart of the loss in training: from 3 to 1 over 20 pairs; in validation 1.5 at the end."
    assert "validation" not in learning_curve(points((10, 3.0)), [{"pairs": 10}], "loss").inline()


def test_eighteen_positions_are_all_labelled_and_two_hundred_by_some():
    picture = accuracy_by_position([1 - i / 20 for i in range(18)])
    assert ">18</text>" in picture.inline()
    assert ">17</text>" in picture.inline()
    assert "100.00 % at the first, 15.00 % at the last of 18, lowest at position 18 with 15.00 %" in picture.alt
    assert accuracy_by_position([1.0] * 200).inline().count("<text") < 25


def test_a_map_of_confusions_says_how_much_lies_on_its_diagonal():
    assert "75.00 % of what it shows lies on the diagonal" in confusion([[2, 1], [0, 1]], ["<a>", "b"]).alt
    assert confusion([], []).alt


def test_a_map_of_attention_says_what_each_step_looked_at_most():
    picture = attention(2, ["x", "y"], ["A", "B"], [[0.1, 0.9], [0.8, 0.2]])
    assert picture.alt == "Map of attention in example 2: most of A to y, B to x."
    assert attention(1, ["x"], [], []).alt


SCORES = {
    "n_evaluated": 2,
    "mae": 1.0,
    "mae_by_step": [1.0, 2.0],
    "baseline": "last_value",
    "baseline_mae_by_step": {"last_value": [2.0, 0.0], "mean": [9.0, 9.0]},
}


def test_errors_ahead_are_beside_those_of_the_best_simple_forecast():
    picture = error_by_step(SCORES)
    assert "model from 1 to 2" in picture.alt.replace(" at the first", "").replace(" at the last", "")
    assert "best simple forecast (last value) from 2 at the first to 0 at the last" in picture.alt
    assert "simple" not in error_by_step({**SCORES, "baseline": None}).inline()


def test_a_forecast_shows_what_came_and_what_was_predicted_of_each_feature():
    example = {"expected": [[1.0, 5], [2.0, 5]], "predicted": [[1.5, 5], [2.0, 5]]}
    assert forecast(1, example).inline().count("<polyline") == 4
    assert "0.125 away in the mean" in forecast(1, example).alt


HISTORY = {"curve": points((10, 1.0)), "epochs": [], "metric": "mae"}


def titles(scores, metric="accuracy", examples=()):
    matrix = {"counts": [[1]], "labels": ["a"], "n_tokens": 1}
    evaluation: Any = {"scores": scores, "examples": list(examples), "attention": [], "mistakes": {"matrix": matrix}}
    history = {**HISTORY, "metric": metric}
    return [picture.title for picture in draw_pictures(evaluation, history, sampled=False)]


def test_tokens_have_no_pictures_of_vectors_and_the_other_way_round():
    examples = [{"expected": [[1.0], [2.0]], "predicted": [[1.0], [2.0]]}]
    tokens = titles({"n_evaluated": 1, "accuracy_by_position": [1.0]})
    vectors = titles(SCORES, "mae", examples)
    assert [title.partition(":")[0] for title in tokens[2:]] == [
        "Token accuracy by position in the target",
        "Confusions of tokens",
    ]
    assert vectors[2:] == ["Error by step ahead", "Example 1: what came and what was predicted"]
    assert len(titles({**SCORES, "n_evaluated": 0})) == 2
    one_step = {**SCORES, "mae_by_step": [1.0], "baseline": None}
    assert len(titles(one_step, "mae", examples)) == 2


def test_a_series_shows_its_best_and_its_worst_forecast_in_the_place_of_the_first_examples():
    shown = {
        "which": "The best series, s3", "columns": ["sales"], "times": None, "history": [[1.0]], "expected": [[1.0]],
        "predicted": [[2.0]], "quantiles": {}, "error": 1.0,
    }  # fmt: skip
    examples = [{"expected": [[1.0], [2.0]], "predicted": [[1.0], [2.0]]}]
    evaluation: Any = {
        "scores": SCORES, "examples": examples, "attention": [], "mistakes": {}, "forecasts": [shown],
        "backtest": {"errors": [0.5, 0.8]},
    }  # fmt: skip
    pictures = draw_pictures(evaluation, HISTORY, sampled=False)
    assert [picture.title for picture in pictures][2:] == [
        "The best series, s3",
        "Error by step ahead",
        "Error by series, the smallest first",
    ]


def test_the_share_in_an_interval_is_drawn_beside_what_it_should_be():
    picture = coverage_by_step({"0.8": [0.75, 0.5, 1.0]})
    assert "75" in picture.alt  # the mean over the steps
    assert "interval for 80" in picture.alt
    assert "in the 80" in picture.inline()
