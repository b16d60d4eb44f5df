"""Series as nobody would wish them, in real files through real tasks: a clear refusal, or all of it counted."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tasks.generate import generate_dataset
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.artifacts.dataset import read_split
from tasks.storage.files.json_files import load_json
from tests.helpers.batch_models import HISTORY, HORIZON, batch_models, shop_rows
from tests.helpers.batch_runs import account_of, predict

pytestmark = pytest.mark.seconds

FIRST = np.datetime64("2024-01-01")
PANEL = {
    "source": "sales", "source_encoding": "vectors", "target_encoding": "vectors", "history": 4, "horizon": 2,
    "time": "day", "series": "store", "settle": 0,
}  # fmt: skip


def days(store, numbers, value=lambda day: day):
    return [(store, FIRST + day, value(day)) for day in numbers]


def nothing(_day):
    return ""


class Dataset:
    def __init__(self, handle):
        self.path, self.account = handle.path, load_json(handle.path / "account.json")
        self.rejects = pq.read_table(handle.path / "rejects.parquet").to_pylist()
        for one in (self.account, *self.account["series"]):
            assert one["read"] == one["windows"] + one["history_only"] + one["rejected"]

    def windows_of(self, series):
        return next(one["windows_by_split"] for one in self.account["series"] if one["series"] == [series])


@pytest.fixture
def make(tmp_path):
    """Makes a dataset of files, given as rows by their names or as a file that is there."""

    def of_files(files, **settings):
        folder = tmp_path / "in"
        folder.mkdir(exist_ok=True)
        for name, rows in files.items():
            lines = rows if isinstance(rows[0], str) else [",".join(map(str, row)) for row in rows]
            head = [] if name.endswith("jsonl") else ["store,day,sales"]
            (folder / name).write_text("\n".join([*head, *lines]) + "\n")
        experiment = check_experiment({"data": {"train": folder, **PANEL, **settings}})
        return Dataset(generate_dataset.fn(experiment, tmp_path / "store"))

    return of_files


def refused(make, files, **settings):
    with pytest.raises(DataError) as error:
        make(files, **settings)
    return str(error.value)


def test_ids_of_mixed_type_in_one_column_are_told_apart_by_their_text(make):
    rows = [json.dumps({"store": store, "day": str(FIRST + day), "sales": day}) for store in (1, "x") for day in
            range(40)]  # fmt: skip
    made = make({"a.jsonl": rows, "b.csv": days("1", range(40, 60))})
    assert [(one["series"], one["read"]) for one in made.account["series"]] == [(["1"], 60), (["x"], 40)]


def test_times_of_two_kinds_in_two_files_are_refused_with_the_second_file(make, tmp_path):
    (tmp_path / "in").mkdir()
    pq.write_table(pa.table({"store": ["b"] * 2, "day": [1, 2], "sales": [1.0, 2.0]}), tmp_path / "in" / "b.parquet")
    said = refused(make, {"a.csv": days("a", range(40))})
    assert "b.parquet: column 'day' holds plain numbers, what was read before it dates" in said


def test_a_time_that_is_none_among_others_is_a_reject(make):
    made = make({"a.csv": [*days("a", range(40)), ("a", "soon", 1), ("a", "", 1)]}, max_reject_rate=0.1)
    assert made.account["reasons"] == {"time_type": 1, "time_null": 1}


def test_ids_that_are_null_are_rejects(make):
    made = make({"a.csv": [*days("a", range(40)), *days("", range(3))]}, max_reject_rate=0.1)
    assert made.account["reasons"] == {"series_null": 3}
    assert [row["row"] for row in made.rejects] == [41, 42, 43]


def of_zone(store, zone):
    hours = pa.array(np.arange("2024-03-29T23:00", "2024-04-03", dtype="M8[h]").astype("M8[us]"))
    stamps = hours.cast(pa.timestamp("us", zone))
    return pa.table({"store": [store] * len(hours), "day": stamps, "sales": np.arange(len(hours), dtype=float)})


def test_files_of_two_zones_are_refused_until_it_is_said_whose_clock_counts(make, tmp_path):
    (tmp_path / "in").mkdir()
    for store, zone in (("a", "Europe/Berlin"), ("b", "America/New_York")):
        pq.write_table(of_zone(store, zone), tmp_path / "in" / f"{store}.parquet")
    said = refused(make, {})
    assert "b.parquet: the stamps of column 'day' are of the zone America/New_York" in said
    assert "set data.time_zone" in said
    made = make({}, time_zone="Europe/Berlin")
    assert (made.account["time"]["step"], made.account["time"]["gaps"], made.account["n_series"]) == ("1h", 0, 2)


def test_the_hour_that_a_clock_skips_is_a_reject_and_the_one_it_shows_twice_two(make):
    hours = pa.array(np.arange("2024-10-25", "2024-10-29", dtype="M8[h]").astype("M8[us]"))
    local = pc.local_timestamp(hours.cast(pa.timestamp("us", "Europe/Berlin"))).cast(pa.string()).to_pylist()
    rows = [("a", stamp, i) for i, stamp in enumerate(local)]
    skipped = [("b", f"2024-03-31T{hour:02}:00", hour) for hour in range(24)]
    made = make({"a.csv": [*rows, *skipped]}, time_zone="Europe/Berlin", max_reject_rate=0.05)
    assert made.account["reasons"] == {"time_skipped": 1}
    assert (made.account["time"]["gaps"], made.account["time"]["step"]) == (0, "1h")


def test_stamps_off_the_step_are_rejects_and_gaps(make):
    rows = [(store, f"{day}T00:00", value) for store, day, value in days("a", range(40))]
    rows[20] = ("a", "2024-01-21T05:00", 20)
    made = make({"a.csv": rows}, max_reject_rate=0.1)
    assert (made.account["reasons"], made.account["time"]["gaps"]) == ({"time_off_step": 1}, 1)


def test_a_series_that_stops_early_is_held_out_by_its_own_time(make):
    made = make({"a.csv": [*days("long", range(100)), *days("early", range(40))]})
    assert made.windows_of("early") == {"train": 27, "validation": 3, "test": 3}


def test_a_constant_series_is_learned_from_without_a_division_by_0(make):
    made = make({"a.csv": [*days("a", range(40)), *days("flat", range(40), lambda _: 7)]}, scale="series")
    assert sum(made.windows_of("flat").values()) > 0
    for pairs in read_split(made.path, "train"):
        assert np.isfinite(pairs.source.values).all()
        assert np.isfinite(pairs.target.values).all()


def test_a_series_without_one_value_is_history_only(make):
    made = make({"a.csv": [*days("a", range(40)), *days("none", range(40), nothing)]})
    assert made.windows_of("none") == {"train": 0, "validation": 0, "test": 0}
    assert made.account["time"]["missing"] == 40


def test_series_without_one_value_at_all_are_refused(make):
    said = refused(make, {"a.csv": days("none", range(40), nothing)})
    assert "no window falls into the train split" in said


def test_a_test_span_inside_a_gap_is_told_with_the_gap_and_what_would_do(make):
    rows = days("a", [day for day in range(100) if not 85 <= day < 98])
    said = refused(make, {"a.csv": rows})
    assert "no window falls into the test split" in said
    assert "lies across one of the 1 gap(s) in data.time" in said
    assert "fill gaps with data.gaps" in said
    made = make({"a.csv": [*rows, *days("b", range(100))]})
    assert (made.windows_of("a")["test"], made.windows_of("b")["test"]) == (0, 9)


def test_one_series_only_is_a_panel_too(make):
    made = make({"a.csv": days("a", range(40))}, scale="series")
    assert made.windows_of("a") == {"train": 27, "validation": 3, "test": 3}


def test_a_hundred_thousand_series_of_three_rows_have_their_windows_where_they_are_long_enough(make):
    rows = [f"s{i},{FIRST + day},{i % 7 + day}" for i in range(100_000) for day in range(3)]
    made = make({"a.csv": rows}, history=1, horizon=1, test_fraction=0.34, validation_fraction=0)
    assert made.account["splits"] == {"train": 100_000, "test": 100_000}
    assert (made.account["n_series"], len(made.account["series"])) == (100_000, 1_000)


# What is predicted.


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return batch_models(tmp_path_factory).need("shop")


@pytest.fixture
def forecast(store, tmp_path):
    """Predicts rows; gives the account, which adds up, and the output."""

    def of_rows(rows):
        (tmp_path / "night.csv").write_text("\n".join(["store,day,sales,price", *rows]) + "\n")
        predict(store, tmp_path / "night.csv", output=tmp_path / "out", model="shop")
        account = account_of(tmp_path / "out", "night.csv")
        counted = ("predicted", "history_only", "known_ahead", "rejected")
        assert account["read"] == len(rows) == sum(account.get(name, 0) for name in counted)
        return account, pq.read_table(tmp_path / "out" / "night.csv.parquet").to_pylist()

    return of_rows


def test_what_is_known_ahead_and_ends_before_the_horizon_is_counted_by_its_series(forecast):
    short, whole = shop_rows("a", 20, HORIZON - 1), shop_rows("b", 20, HORIZON)
    account, rows = forecast([*short, *whole])
    assert account["series"] == {"forecast": 1, "not_forecast": {"known_missing": 1}}
    assert [row["store"] for row in rows] == ["b"]


def test_a_series_that_stops_early_is_forecast_from_its_own_end(forecast):
    _, rows = forecast([*shop_rows("a", 20, HORIZON), *shop_rows("b", 30, HORIZON)])
    assert [str(row["prediction_times"][0]) for row in rows] == ["2024-01-21", "2024-01-31"]


@pytest.mark.parametrize("at", [0, -1])
def test_a_series_without_one_value_is_counted_wherever_it_stands(forecast, at):
    of_others = [shop_rows("a", 20, HORIZON)]
    of_others.insert(at, shop_rows("z", 0, 20))
    account, rows = forecast([row for part in of_others for row in part])
    assert account["series"] == {"forecast": 1, "not_forecast": {"history_too_short": 1}}
    assert [row["store"] for row in rows] == ["a"]


def test_series_that_are_new_and_constant_have_finite_forecasts(forecast):
    rows = [f"new,{FIRST + day},{7 if day < 20 else ''},1" for day in range(20 + HORIZON)]
    _, made = forecast(rows)
    assert np.isfinite(made[0]["prediction"]).all()


def test_bad_ids_and_times_of_a_file_to_predict_are_rejects(forecast):
    bad = [",2024-01-21,1,1", "a,soon,1,1", "a,2024-01-05,1,1", "a,2024-01-19T05:00,1,1"]
    account, rows = forecast([*shop_rows("a", 20, HORIZON), *bad])
    assert account["reasons"] == {"series_null": 1, "time_type": 1, "time_repeated": 1, "time_off_step": 1}
    assert len(rows) == 1


def test_a_hundred_thousand_series_too_short_are_counted_and_nothing_is_lost(forecast):
    assert HISTORY > 3
    rows = [f"s{i},{FIRST + day},{day},1" for i in range(100_000) for day in range(3)]
    account, made = forecast(rows)
    assert account["series"] == {"forecast": 0, "not_forecast": {"history_too_short": 100_000}}
    assert made == []
