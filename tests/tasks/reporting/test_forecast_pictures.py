"""Pictures of forecasts on an axis of time."""

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tasks.reporting.forecast_pictures import draw_forecast, error_by_series

DAYS = [f"2024-03-{day:02}" for day in range(1, 6)]


def forecast(**more: Any) -> Any:
    return {
        "which": "The worst series, s1",
        "columns": ["sales"],
        "times": DAYS,
        "history": [[1.0], [2.0], [3.0]],
        "expected": [[4.0], [9.0]],
        "predicted": [[5.0], [6.0]],
        "quantiles": {"0.9": [[6.0], [7.0]], "0.1": [[3.0], [5.0]]},
        "error": 1.0,
        **more,
    }


def texts(picture):
    return [part.text for part in ET.fromstring(picture.inline()).iter("text")]  # noqa: S314 - made here


def test_a_forecast_lies_on_an_axis_of_time_with_its_unit_and_a_key():
    found = texts(draw_forecast(forecast()))
    assert {"2024-03-01", "2024-03-05", "sales", "history", "what came", "forecast", "80 % interval"} <= set(found)


def test_a_forecast_is_told_to_those_who_do_not_see_it():
    assert draw_forecast(forecast()).alt == (
        "Line chart of 3 steps of sales and 2 steps that were forecast, 2024-03-04 to 2024-03-05: the forecast goes "
        "from 5 to 6, what came from 4 to 9; 50.00 % of the steps lie in the 80 % interval."
    )
    bare = draw_forecast(forecast(times=None, expected=None, quantiles={}))
    assert bare.alt.endswith("2 steps that were forecast: the forecast goes from 5 to 6.")
    assert {"-2", "+2"} <= set(texts(bare))
    assert not {"what came", "80 % interval"} & set(texts(bare))


def test_the_interval_is_between_the_outer_quantiles():
    (band,) = ET.fromstring(draw_forecast(forecast()).inline()).iter("polygon")  # noqa: S314 - made here
    assert len(band.attrib["points"].split()) == 4
    one_sided = draw_forecast(forecast(quantiles={"0.9": [[6.0], [7.0]]}))
    assert "<polygon" not in one_sided.inline()


def test_steps_that_were_filled_leave_the_line_open():
    whole, open_line = (draw_forecast(forecast(history=[[1.0], step, [3.0]])) for step in ([2.5], None))
    assert open_line.inline().count("<polyline") == whole.inline().count("<polyline") + 1


def test_two_features_have_colours_of_their_own_and_more_are_not_drawn():
    three = [[1.0, 2.0, 1e9]] * 2
    picture = draw_forecast(
        forecast(columns=["low", "high", "rain"], history=three, predicted=three, expected=None, quantiles={})
    )
    assert picture.inline().count("<polyline") == 4
    assert "low, high" in texts(picture)
    assert "1,000,000,000" not in texts(picture)


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ([f"{day} 00:00:00" for day in DAYS], "2024-03-05"),
        ([f"2024-03-01 {hour:02}:30:00" for hour in range(5)], "2024-03-01 04:30"),
        ([f"2024-03-01 {hour:02}:30:00+01:00" for hour in range(5)], "2024-03-01 04:30"),
        (["7", "8", "9", "10", "11"], "11"),
    ],
)
def test_stamps_are_written_as_short_as_they_can_be(times, said):
    assert said in texts(draw_forecast(forecast(times=times)))


def test_errors_of_series_are_held_against_the_best_simple_forecast():
    picture = error_by_series([0.5, 0.75, 2.0], is_relative=True)
    assert "0.5 to 2, half of them below 0.75; 66.67 % err less than the best simple forecast" in picture.alt
    assert "best simple" not in error_by_series([0.5, 2.0], is_relative=False).alt
