"""Forecasts with a row a step."""

import datetime as dt

import pyarrow as pa
import pytest

from tasks.storage.artifacts.lists import list_type
from tasks.storage.outputs.long_rows import by_step


def forecasts(features, n=2):
    days = [dt.date(2024, 1, day) for day in (1, 2, 3)]
    return pa.table(
        {
            "store": pa.chunked_array([[f"s{i}"] for i in range(n)], pa.string()),
            "prediction_times": pa.array([days] * n, pa.list_(pa.date32())),
            "prediction": pa.array(
                [[[10.0 * i + step] * features for step in range(3)] for i in range(n)],
                list_type(pa.float64(), features),
            ),
            "outside_range": pa.array([i == 1 for i in range(n)]),
        }
    )


def test_each_step_of_each_forecast_is_a_row_in_order():
    rows = by_step(forecasts(1)).to_pylist()
    assert rows[4] == {
        "store": "s1", "prediction_time": dt.date(2024, 1, 2), "horizon_step": 2, "prediction": 11.0,
        "outside_range": True,
    }  # fmt: skip
    assert [row["prediction"] for row in rows] == [0, 1, 2, 10, 11, 12]
    assert [row["horizon_step"] for row in rows] == [1, 2, 3] * 2


def test_a_target_of_several_columns_stays_a_list():
    assert by_step(forecasts(2)).to_pylist()[1]["prediction"] == [1.0, 1.0]


@pytest.mark.parametrize("features", [1, 2])
def test_no_forecast_is_no_row_of_the_same_columns(features):
    some, none = by_step(forecasts(features)), by_step(forecasts(features).slice(0, 0))
    assert len(none) == 0
    assert none.schema.equals(some.schema)


def test_other_quantiles_go_with_their_step_and_a_column_of_the_input_with_its_row():
    """However the input calls its columns: those of predictions stand behind them."""
    table = forecasts(1).drop_columns("outside_range").append_column("quantile_0.9", forecasts(1)["prediction"])
    table = table.add_column(0, "quantile_of_sales", pa.array(["a", "b"]))
    rows = by_step(table).to_pylist()
    assert [row["quantile_0.9"] for row in rows] == [row["prediction"] for row in rows] == [0, 1, 2, 10, 11, 12]
    assert [row["quantile_of_sales"] for row in rows] == ["a"] * 3 + ["b"] * 3
