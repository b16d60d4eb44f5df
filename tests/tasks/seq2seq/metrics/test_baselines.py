import numpy as np
import pytest

from tasks.seq2seq.metrics.baselines import BASELINES, baseline_forecasts, drift_forecast, mean_forecast

# Two histories of four steps of one feature.
HISTORY = np.array([[1.0, 5.0, 3.0, 7.0], [4.0, 4.0, 4.0, -2.0]])[..., None]


def test_drift_goes_on_with_the_line_through_the_first_and_the_last_value():
    assert drift_forecast(HISTORY, 3)[..., 0].tolist() == [[9.0, 11.0, 13.0], [-4.0, -6.0, -8.0]]


def test_drift_of_one_step_is_that_step():
    assert drift_forecast(HISTORY[:, :1], 2)[..., 0].tolist() == [[1.0, 1.0], [4.0, 4.0]]


def test_drift_is_right_on_a_line_and_each_feature_has_its_own():
    steps = np.arange(9.0)
    line = np.stack([2 * steps, 5 - steps], axis=1)[None]
    np.testing.assert_allclose(drift_forecast(line[:, :5], 4), line[:, 5:])


def test_the_mean_is_that_of_the_history_at_every_step():
    assert mean_forecast(HISTORY, 2)[..., 0].tolist() == [[4.0, 4.0], [2.5, 2.5]]


def test_every_baseline_forecasts_each_window_by_itself():
    found = baseline_forecasts(HISTORY, 3, season=2)
    assert list(found) == list(BASELINES) == ["last value", "seasonal", "drift", "mean"]
    assert found["last value"][0, :, 0].tolist() == [7.0, 7.0, 7.0]
    assert found["seasonal"][0, :, 0].tolist() == [3.0, 7.0, 3.0]
    for name, forecast in found.items():
        assert forecast.shape == (2, 3, 1)
        alone = baseline_forecasts(HISTORY[1:], 3, season=2)[name]
        np.testing.assert_array_equal(forecast[1:], alone)


@pytest.mark.parametrize(("season", "names"), [(4, 4), (5, 3)])
def test_there_is_no_seasonal_forecast_of_less_than_a_season(season, names):
    assert len(baseline_forecasts(HISTORY, 2, season)) == names
