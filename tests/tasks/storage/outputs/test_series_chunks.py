"""The series of a file to predict: which are forecast, from which row, for which times; and why the others are not."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.errors import DataError
from tasks.storage.artifacts.stamps import TimeFacts
from tasks.storage.artifacts.stored_series import series_table
from tasks.storage.ingest.known_series import KnownSeries
from tasks.storage.outputs.chunks import AHEAD, HAS_TARGET, ORIGIN, ORIGIN_ROW, SCALE, SOURCE, TARGET, TIMES
from tests.tasks.storage.ingest.test_row_encoding import reading_of
from tests.tasks.storage.outputs.test_chunks import Read

REALS = Scaling((0.0,), (1.0,), (0.0,), (1.0,))
SERIES = {"source": "level", "history": 3, "horizon": 2, "time": "day", "series": "store"}
DAILY = TimeFacts(kind="date", zone=None, step="1d")
NO_TABLE = pa.table({"id.0": pa.array([], pa.string())})


def series_of(data=SERIES, known=None, ahead=None, source=REALS, **said):
    reading = reading_of(source, REALS, data, lengths=(3, 2), said=said)
    parts = {name: getattr(reading, name) for name in ("data", "source", "target", "reject_unknown", "all_origins")}
    return type(reading)(**parts, ahead=ahead, series=known or KnownSeries(DAILY, NO_TABLE))


def write(path, rows, header="store,day,level"):
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def days(store, *numbers, value=lambda day: day):
    return [(store, f"2024-01-{day:02}", value(day)) for day in numbers]


def flat(rows):
    return [[step[0] for step in row] for row in rows]


def dates(*numbers):
    return [dt.date(2024, 1, day) for day in numbers]


def adds_up(read):
    rows = read.rows
    return rows.read == len(read.whole) + rows.history_only + rows.known_ahead + len(read.rejects)


def test_each_series_is_forecast_from_its_last_row_whatever_the_order_of_rows(tmp_path):
    rows = [*days("b", 5, 4, 3), *days("a", 9, 7, 8, 6)]
    read = Read(write(tmp_path / "a.csv", rows), series_of())
    assert read.kept.to_pylist() == [
        {"store": "b", "day": "2024-01-05", "level": "5"}, {"store": "a", "day": "2024-01-09", "level": "9"},
    ]  # fmt: skip
    assert read.ours[ORIGIN_ROW].to_pylist() == [1, 4]
    assert flat(read.lists(SOURCE)) == [[3, 4, 5], [7, 8, 9]]
    assert read.ours[TIMES].to_pylist() == [dates(6, 7), dates(10, 11)]
    assert (read.rows.read, read.rows.history_only) == (7, 5)
    assert read.rows.series.forecast == 2
    assert adds_up(read)


def test_series_that_cannot_be_forecast_are_counted_with_their_reason(tmp_path):
    rows = [*days("short", 1, 2), *days("gap", 1, 2, 3, 5), *days("fine", 1, 2, 3), ("bad", "2024-01-01", "x")]
    read = Read(write(tmp_path / "a.csv", rows), series_of())
    assert read.kept["store"].to_pylist() == ["fine"]
    assert dict(read.rows.series.not_forecast) == {"history_too_short": 1, "gap_in_history": 1}
    assert adds_up(read)


def test_all_origins_of_all_series_come_with_the_target_where_it_is_there(tmp_path):
    rows = [*days("a", 1, 2, 3, 4, 5), *days("b", 1, 2, 3, 4, value=lambda day: 10 * day)]
    read = Read(write(tmp_path / "a.csv", rows), series_of(origins="all"))
    assert read.ours[ORIGIN_ROW].to_pylist() == [3, 4, 5, 8, 9]
    assert read.ours[HAS_TARGET].to_pylist() == [True, False, False, False, False]
    assert flat(read.lists(TARGET))[0] == [4, 5]
    assert adds_up(read)


def test_a_gap_of_a_file_to_predict_is_filled_as_in_training(tmp_path):
    data = {**SERIES, "gaps": "fill", "fill": "linear"}
    read = Read(write(tmp_path / "a.csv", days("a", 1, 2, 4)), series_of(data))
    assert read.lists(SOURCE) == [[[2, 0], [3, 1], [4, 0]]]
    assert adds_up(read)


def test_what_is_known_ahead_comes_from_rows_without_a_value(tmp_path):
    data = {**SERIES, "known": "price"}
    rows = [(*row, 7) for row in days("a", 1, 2, 3)] + [("a", "2024-01-04", "", 8), ("a", "2024-01-05", "", 9)]
    rows += [(*row, 7) for row in days("b", 1, 2, 3)] + [("b", "2024-01-04", "", 8)]
    read = Read(write(tmp_path / "a.csv", rows, "store,day,level,price"), series_of(data, ahead=REALS))
    assert read.kept["store"].to_pylist() == ["a"]
    assert read.lists(AHEAD) == [[[8], [9]]]
    assert read.lists(SOURCE) == [[[1, 7], [2, 7], [3, 7]]]
    assert read.rows.known_ahead == 3
    assert dict(read.rows.series.not_forecast) == {"known_missing": 1}
    assert adds_up(read)


def test_the_calendar_of_the_horizon_needs_no_rows(tmp_path):
    data = {**SERIES, "calendar": ("weekday",)}
    read = Read(write(tmp_path / "a.csv", days("a", 1, 2, 3)), series_of(data, ahead=Scaling.unchanged(2)))
    angle = 2 * np.pi * np.array([3, 4]) / 7  # the 1st was a Monday
    assert np.array(read.lists(AHEAD))[0] == pytest.approx(np.stack([np.sin(angle), np.cos(angle)], axis=1))


def test_a_known_series_is_measured_as_in_training_and_a_new_one_by_what_is_there(tmp_path):
    table = series_table(
        {"id.0": ["a"], **{f"{side}_{name}": np.array([[value]]) for side in ("source", "target")
                           for name, value in (("mean", 100.0), ("scale", 50.0))}}
    )  # fmt: skip
    rows = [*days("a", 1, 2, 3), *days("new", 1, 2, 3, value=lambda day: [2, 2, 5][day - 1])]
    path = write(tmp_path / "a.csv", rows)
    read = Read(path, series_of({**SERIES, "scale": "series"}, KnownSeries(DAILY, table)))
    assert flat(read.lists(ORIGIN)) == [[100], [3]]
    assert flat(read.lists(SCALE)) == [[50], [pytest.approx(np.std([2, 2, 5]))]]
    assert flat(read.lists(SOURCE))[0] == [(day - 100) / 50 for day in (1, 2, 3)]


def test_kinds_are_those_of_training_and_another_is_none_of_them(tmp_path):
    known = KnownSeries(DAILY, NO_TABLE, {"region": ["north", "south"]})
    rows = [(*row, region) for store, region in (("a", "south"), ("b", "east")) for row in days(store, 1, 2, 3)]
    data = {**SERIES, "static_categories": "region"}
    read = Read(write(tmp_path / "a.csv", rows, "store,day,level,region"), series_of(data, known))
    assert read.lists(SOURCE)[0] == [[1, 0, 1], [2, 0, 1], [3, 0, 1]]
    assert read.lists(SOURCE)[1] == [[1, 0, 0], [2, 0, 0], [3, 0, 0]]


def test_a_wide_table_is_forecast_a_row_a_series_with_all_of_its_columns(tmp_path):
    """One series ends earlier, one has no id, one is too short, and one has a cell that is no number."""
    header = "store,2024-01-01,2024-01-02,2024-01-03,2024-01-04"
    rows = [("b", 1, 2, 3, ""), ("", 1, 2, 3, 4), ("s", "", "", 1, 2), ("a", 5, 6, 7, 8), ("bad", 1, 2, "x", 4)]
    read = Read(write(tmp_path / "a.csv", rows, header), series_of({**SERIES, "wide": True}))
    assert read.kept.to_pylist() == [
        dict(zip(header.split(","), map(str, row), strict=True)) for row in (rows[0], rows[3])
    ]
    assert flat(read.lists(SOURCE)) == [[1, 2, 3], [6, 7, 8]]
    assert read.ours[ORIGIN_ROW].to_pylist() == [1, 4]
    assert read.ours[TIMES].to_pylist() == [dates(4, 5), dates(5, 6)]
    assert dict(read.rows.series.not_forecast) == {"history_too_short": 1, "gap_in_history": 1}
    assert [reject["reason"] for reject in read.rejects] == ["series_null"] * 4 + ["source_type"]
    assert (read.rows.read, read.rows.known_ahead) == (20, 1)
    assert adds_up(read)


def test_a_wide_table_with_starts_is_forecast_from_each_origin(tmp_path):
    rows = [("a", "2024-01-01", 1, 2, 3, 4), ("b", "2024-01-05", 5, 6, 7, 8)]
    data = {**SERIES, "wide": True, "start": "begin", "step": "1d"}
    read = Read(write(tmp_path / "a.csv", rows, "store,begin,V1,V2,V3,V4"), series_of(data, origins="all"))
    assert read.kept["store"].to_pylist() == ["a", "a", "b", "b"]
    assert flat(read.lists(SOURCE)) == [[1, 2, 3], [2, 3, 4], [5, 6, 7], [6, 7, 8]]
    assert read.ours[TIMES].to_pylist() == [dates(4, 5), dates(5, 6), dates(8, 9), dates(9, 10)]
    assert adds_up(read)


def test_a_file_whose_every_row_is_rejected_is_one_of_rejects(tmp_path):
    read = Read(write(tmp_path / "a.csv", [("", "2024-01-01", 1), ("a", "soon", 1)]), series_of())
    assert [reject["reason"] for reject in read.rejects] == ["series_null", "time_type"]
    assert len(read.whole) == 0
    assert adds_up(read)


def test_stamps_are_written_as_training_had_them(tmp_path):
    hourly = TimeFacts(kind="stamp", zone="Europe/Berlin", step="1h")
    rows = [("a", f"2024-03-31T{hour:02}:00", hour) for hour in (0, 1, 3)]  # at 2 the clock was put on
    read = Read(
        write(tmp_path / "a.csv", rows),
        series_of({**SERIES, "time_zone": "Europe/Berlin"}, KnownSeries(hourly, NO_TABLE)),
    )
    assert read.ours[TIMES].type.value_type == pa.timestamp("us", "Europe/Berlin")
    assert [stamp.strftime("%H:%M %z") for stamp in read.ours[TIMES].to_pylist()[0]] == ["04:00 +0200", "05:00 +0200"]


def test_stamps_of_another_kind_or_zone_than_in_training_are_refused(tmp_path):
    path = write(tmp_path / "a.csv", [("a", "2024-03-31T00:00Z", 1), ("a", "2024-03-31T01:00Z", 1)])
    hourly = TimeFacts(kind="stamp", zone=None, step="1h")
    for known, said in (
        (hourly, "of the zone UTC, and had none in training"),
        (TimeFacts(kind="number", zone=None, step="1"), "holds dates, and did not"),
    ):
        with pytest.raises(DataError, match=said):
            Read(path, series_of(known=KnownSeries(known, NO_TABLE)))


def test_a_file_of_none_that_can_be_forecast_has_the_columns_of_one_that_can(tmp_path):
    data = {**SERIES, "calendar": ("weekday",), "scale": "window"}
    reading = series_of(data, ahead=Scaling.unchanged(2), source=REALS.beside(Scaling.unchanged(2)))
    none = Read(write(tmp_path / "a.csv", days("a", 1)), reading)
    some = Read(write(tmp_path / "b.csv", days("a", 1, 2, 3)), reading)
    assert none.to_read.empty().schema.equals(some.whole.schema)
