import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.errors import DataError, TrainingError
from tasks.seq2seq.metrics.forecasts import (
    NaiveScale,
    VectorScorer,
)
from tests.helpers.scores import scores_of

# Two rows, a horizon of two, two features.
REFERENCES = np.array([[[1.0, 10.0], [2.0, 20.0]], [[3.0, 30.0], [4.0, 40.0]]])
ERRORS = np.array([[[1.0, 0.0], [-2.0, 4.0]], [[1.0, 2.0], [0.0, -8.0]]])
PREDICTIONS = REFERENCES + ERRORS

numbers = st.floats(-1e6, 1e6).map(lambda value: round(value, 6))
forecasts = st.integers(1, 4).flatmap(
    lambda n: st.tuples(*[arrays(np.float64, (n, 3, 2), elements=numbers) for _ in range(2)])
)


def scores(references, predictions, scale=None, **baselines):
    scorer = VectorScorer(scale)
    scorer.add(references, predictions, baselines=baselines)
    return scores_of(scorer)


def test_errors_by_hand():
    """Absolute errors are 1 0 2 4 and 1 2 0 8; their squares 1 0 4 16 and 1 4 0 64."""
    result = scores(REFERENCES, PREDICTIONS)
    assert (result.n_evaluated, result.mae, result.rmse) == (2, 18 / 8, (90 / 8) ** 0.5)
    assert result.mae_by_step == [4 / 4, 14 / 4]
    assert result.rmse_by_step == [(6 / 4) ** 0.5, (84 / 4) ** 0.5]
    assert result.mae_by_feature == [4 / 4, 14 / 4]
    assert (result.distinct_references, result.distinct_predictions, result.majority_baseline) == (2, 2, 0.5)


def test_the_interval_of_the_mae_is_by_its_spread_over_sequences():
    """The two rows have errors of 7 / 4 and 11 / 4: 2.25, and by their deviation of 0.7071 an interval of 0.98 about it."""
    assert scores(REFERENCES, PREDICTIONS).mae_interval == pytest.approx((2.25 - 0.97998, 2.25 + 0.97998), abs=1e-5)
    assert scores(REFERENCES[:1], PREDICTIONS[:1]).mae_interval is None


@given(forecasts, st.integers(1, 3))
def test_the_interval_of_the_mae_does_not_depend_on_batches(pair, size):
    references, predictions = pair
    scorer = VectorScorer()
    for first in range(0, len(references), size):
        scorer.add(references[first : first + size], predictions[first : first + size])
    whole = scores(references, predictions).mae_interval
    assert scores_of(scorer).mae_interval == (whole and pytest.approx(whole, rel=1e-6, abs=1e-3))


def test_smape_is_the_m4_competitions():
    """200 |y - f| / (|y| + |f|): 1 for 3 is 100 %, 0 for 2 is 200 %, and 0 for 0 is none."""
    result = scores(np.array([[[1.0], [2.0], [0.0]]]), np.array([[[3.0], [0.0], [0.0]]]))
    assert result.smape_by_step == [100.0, 200.0, 0.0]
    assert result.smape == 100.0


def test_mase_is_the_mean_over_features_of_mae_over_scale():
    assert scores(REFERENCES, PREDICTIONS, np.array([2.0, 7.0])).mase == (1 / 2 + 3.5 / 7) / 2


@pytest.mark.parametrize("scale", [None, np.array([2.0, 0.0]), np.array([np.nan, 1.0])])
def test_without_a_scale_of_every_feature_there_is_no_mase(scale):
    assert scores(REFERENCES, PREDICTIONS, scale).mase is None


def test_the_relative_error_is_over_the_simple_forecast_that_errs_least():
    """The errors of the last value add up to 36, by step to 8 and 28; those of the seasonal forecast to 9."""
    baselines = {"last_value": REFERENCES + 2 * ERRORS, "seasonal": REFERENCES + ERRORS / 2}
    result = scores(REFERENCES, PREDICTIONS, **baselines)
    assert (result.relative_mae, result.baseline) == (2.0, "seasonal")
    assert result.baseline_mae == {"last_value": 36 / 8, "seasonal": 9 / 8}
    assert result.baseline_mae_by_step == {"last_value": [2.0, 7.0], "seasonal": [0.5, 1.75]}


def test_without_a_simple_forecast_there_is_no_relative_error():
    result = scores(REFERENCES, PREDICTIONS)
    assert (result.relative_mae, result.baseline, result.baseline_mae, result.baseline_mae_by_step) == (None,) * 4


def test_a_simple_forecast_without_an_error_is_the_best_and_nothing_is_relative_to_it():
    result = scores(REFERENCES, PREDICTIONS, last_value=REFERENCES + 1, mean=REFERENCES)
    assert (result.relative_mae, result.baseline) == (None, "mean")


def test_a_simple_forecast_that_only_some_rows_have_is_left_out():
    """An error over other rows than the model's is no measure of it."""
    scorer = VectorScorer()
    for rows, names in ((slice(0, 1), ("drift", "mean")), (slice(1, 2), ("mean",)), (slice(0, 1), ("drift", "mean"))):
        baselines = dict.fromkeys(names, REFERENCES[rows] + 1)
        scorer.add(REFERENCES[rows], PREDICTIONS[rows], baselines=baselines)
    assert scores_of(scorer).baseline_mae == {"mean": 1.0}


@given(forecasts)
def test_batches_change_no_score(pair):
    references, predictions = pair
    scorer = VectorScorer(np.array([1.0, 2.0]))
    for row in range(len(references)):
        scorer.add(
            references[row : row + 1], predictions[row : row + 1], baselines={"mean": references[row : row + 1] + 1}
        )
    whole = scores(references, predictions, np.array([1.0, 2.0]), mean=references + 1)
    parts = scores_of(scorer)
    assert parts.baseline_mae_by_step.keys() == whole.baseline_mae_by_step.keys() == {"mean"}
    parts, whole = ({**of._asdict(), "baseline_mae_by_step": of.baseline_mae_by_step["mean"]} for of in (parts, whole))
    for name, score in parts.items():
        assert score == pytest.approx(whole[name]), name


@pytest.mark.seconds
@given(forecasts)
def test_errors_agree_with_numpys_own(pair):
    references, predictions = pair
    result = scores(references, predictions)
    assert result.mae == pytest.approx(np.mean(np.abs(references - predictions)))
    assert result.rmse == pytest.approx(np.sqrt(np.mean((references - predictions) ** 2)))
    assert result.mae <= result.rmse * (1 + 1e-9)
    assert 0 <= result.smape <= 200 * (1 + 1e-9)


def test_json_takes_the_scores():
    result = scores(REFERENCES, PREDICTIONS, np.ones(2), mean=PREDICTIONS)
    assert json.loads(json.dumps(result._asdict(), allow_nan=False))["relative_mae"] == 1.0


def test_a_batch_of_nothing_changes_no_score():
    assert scores(REFERENCES[:0], PREDICTIONS[:0], np.ones(2)) == scores_of(VectorScorer(np.ones(2)))


def test_a_collapsed_forecaster_shows_one_prediction_and_the_majority_baseline():
    references = np.concatenate([np.repeat(REFERENCES[:1], 3, axis=0), REFERENCES[1:]])
    result = scores(references, np.zeros_like(references))
    assert (result.distinct_predictions, result.distinct_references, result.majority_baseline) == (1, 2, 0.75)


@pytest.mark.parametrize("scale", [1e-120, 1e-6, 1.0, 1e6, 1e120])
def test_rows_are_distinct_to_six_significant_digits(scale):
    rows = np.array([1.234561, 1.234562, 1.23457, -1.23457])[:, None, None] * scale
    assert scores(rows, rows).distinct_references == 3


@pytest.mark.parametrize("equal", [[0.0, -0.0, 5e-324], [9.9999999, 10.0]])
def test_numbers_that_round_alike_are_one_row(equal):
    rows = np.array(equal)[:, None, None]
    assert scores(rows, rows).distinct_references == 1


def test_a_prediction_that_is_not_finite_is_refused():
    broken = PREDICTIONS.copy()
    broken[1, 0, 1] = np.nan
    scorer = VectorScorer()
    scorer.add(REFERENCES, PREDICTIONS)
    with pytest.raises(TrainingError, match=r"the prediction of row 3 holds nan, .*learning_rate"):
        scorer.add(REFERENCES, broken)


def test_a_reference_or_a_baseline_that_is_not_finite_is_refused():
    with pytest.raises(DataError, match="the reference of row 0 holds inf"):
        scores(REFERENCES + np.inf, PREDICTIONS)
    with pytest.raises(DataError, match="the drift baseline of row 0 holds -inf"):
        scores(REFERENCES, PREDICTIONS, drift=REFERENCES - np.inf)


def test_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"a prediction of shape \(2, 1, 2\), expected .* \(2, 2, 2\)"):
        scores(REFERENCES, PREDICTIONS[:, :1])
    with pytest.raises(ValueError, match=r"a reference of shape \(2, 2\)"):
        scores(REFERENCES[0], PREDICTIONS[0])
    scorer = VectorScorer()
    scorer.add(REFERENCES, PREDICTIONS)
    with pytest.raises(ValueError, match=r"a reference of shape \(2, 1, 2\)"):
        scorer.add(REFERENCES[:, :1], PREDICTIONS[:, :1])


def naive_scale(series, season=1):
    scale = NaiveScale(season)
    scale.add(Sequences.of_rows(series[None]))
    return scale.scale()


def test_the_in_sample_naive_mae_by_hand():
    """At lag 1 the steps are 1 2 4 and 10 0 30; at lag 2, 3 6 and 10 30; at lag 4 there are none."""
    series = np.array([[0.0, 0.0], [1.0, 10.0], [3.0, 10.0], [7.0, 40.0]])
    assert naive_scale(series, 1).tolist() == pytest.approx([7 / 3, 40 / 3])
    assert naive_scale(series, 2).tolist() == [4.5, 20.0]
    assert naive_scale(series, 4).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("season", [1, 2])
def test_the_scale_of_several_series_takes_no_difference_across_two(season):
    rows = [np.array([[0.0], [1.0], [5.0]]), np.array([[100.0]]), np.array([[7.0], [7.0], [9.0], [0.0]])]
    series = Sequences.of_lengths(np.concatenate(rows), np.array([3, 1, 4]))
    differences = np.concatenate([np.abs(row[season:] - row[:-season]) for row in rows])
    whole, parts = NaiveScale(season), NaiveScale(season)
    whole.add(series)
    parts.add(series.part(0, 1))
    parts.add(series.part(1, 3))
    assert whole.scale() == parts.scale() == pytest.approx(differences.mean(axis=0))


def test_a_naive_forecast_of_the_training_split_itself_has_a_mase_of_1():
    """What the scale is for: one-step naive errors, measured by themselves."""
    series = np.random.default_rng(0).normal(size=(50, 3)).cumsum(axis=0)
    result = scores(series[1:, None], series[:-1, None], naive_scale(series))
    assert result.mase == pytest.approx(1.0)
