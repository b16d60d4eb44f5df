import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.seq2seq.metrics.baselines import BASELINES, drift_forecast, seasonal_forecast, simple_forecasts

NAN = np.nan
# Two histories of four steps of one feature.
HISTORY = np.array([[1.0, 5.0, 3.0, 7.0], [4.0, 4.0, 4.0, -2.0]])[..., None]
COUNT = np.array([[[1.0], [2.0], [3.0], [4.0], [5.0]]])


def test_drift_goes_on_with_the_line_through_the_first_and_the_last_value():
    assert drift_forecast(HISTORY, 3)[..., 0].tolist() == [[9.0, 11.0, 13.0], [-4.0, -6.0, -8.0]]


def test_drift_of_one_step_is_that_step():
    assert drift_forecast(HISTORY[:, :1], 2)[..., 0].tolist() == [[1.0, 1.0], [4.0, 4.0]]


def test_drift_is_right_on_a_line_and_each_feature_has_its_own():
    steps = np.arange(9.0)
    line = np.stack([2 * steps, 5 - steps], axis=1)[None]
    np.testing.assert_allclose(drift_forecast(line[:, :5], 4), line[:, 5:])


def test_every_simple_forecast_is_of_a_window_by_itself():
    found = simple_forecasts(HISTORY, 4, 3, season=2)
    assert list(found) == list(BASELINES)[:-1] == ["last_value", "seasonal", "drift", "mean"]
    assert found["last_value"][0, :, 0].tolist() == [7.0, 7.0, 7.0]
    assert found["seasonal"][0, :, 0].tolist() == [3.0, 7.0, 3.0]
    assert found["mean"][..., 0].tolist() == [[4.0] * 3, [2.5] * 3]
    for name, forecast in found.items():
        assert forecast.shape == (2, 3, 1)
        alone = simple_forecasts(HISTORY[1:], 4, 3, season=2)[name]
        np.testing.assert_array_equal(forecast[1:], alone)


def test_there_is_no_seasonal_forecast_where_no_season_is_known():
    assert "seasonal" not in simple_forecasts(HISTORY, 4, 2, season=1)


def test_only_the_seasonal_forecast_reaches_back_beyond_the_history():
    found = simple_forecasts(COUNT, 2, 2, season=5)
    assert {name: forecast[0, :, 0].tolist() for name, forecast in found.items()} == {
        "last_value": [5.0, 5.0],
        "seasonal": [1.0, 2.0],
        "drift": [6.0, 7.0],
        "mean": [4.5, 4.5],
    }


def test_steps_that_are_not_there_are_left_out_of_every_simple_forecast():
    """The values 2, 4 and 8 at the steps 2, 3 and 5 of 6: three steps rise by 6, and the end is a step further."""
    past = np.array([[[NAN], [2.0], [4.0], [NAN], [8.0], [NAN]]])
    found = simple_forecasts(past, 6, 2, season=4)
    assert {name: forecast[0, :, 0].tolist() for name, forecast in found.items()} == {
        "last_value": [8.0, 8.0],
        "seasonal": [4.0, 8.0],  # a season before the second step there is nothing
        "drift": [12.0, 14.0],
        "mean": [pytest.approx(14 / 3)] * 2,
    }


def test_the_seasonal_forecast_repeats_the_last_season():
    assert seasonal_forecast(COUNT, 7, 3)[..., 0].tolist() == [[3.0, 4.0, 5.0, 3.0, 4.0, 5.0, 3.0]]


@given(st.integers(1, 12), st.integers(1, 5))
def test_the_seasonal_forecast_is_the_published_formula(horizon, season):
    """y[t + h - season * ceil(h / season)], h from 1."""
    forecast = seasonal_forecast(COUNT, horizon, season)[0, :, 0]
    last = COUNT.shape[1] - 1
    assert forecast.tolist() == [COUNT[0, last + h - season * -(-h // season), 0] for h in range(1, horizon + 1)]


@pytest.mark.parametrize("season", [0, 6])
def test_a_season_longer_than_what_is_given_is_refused(season):
    with pytest.raises(ValueError, match=rf"a season of {season} steps, expected 1\.\.5"):
        seasonal_forecast(COUNT, 2, season)
