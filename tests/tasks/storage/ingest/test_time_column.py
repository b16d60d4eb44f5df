"""Columns of time stamps, whatever they are made of."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from tasks.seq2seq.data.time_axis import Step
from tasks.seq2seq.errors import DataError
from tasks.storage.artifacts.stamps import to_stamps
from tasks.storage.ingest.reasons import REASONS
from tasks.storage.ingest.time_column import Clock

BERLIN = "Europe/Berlin"


def clock(form=None, place=None):
    return Clock(form, place, "day")


def read(values, kind=None, **of):
    one = clock(**of)
    found = one.read(pa.array(values, kind), "a.csv")
    return one, found


def as_text(stamps):
    return [str(stamp) for stamp in stamps.view("M8[us]").astype("M8[m]")]


def reasons(found):
    return [REASONS[reason] for reason in found.reasons]


@pytest.mark.parametrize(
    "values",
    [
        ["2024-01-31", "2024-02-01"],
        [" 2024-01-31", "2024-02-01 "],
        [dt.date(2024, 1, 31), dt.date(2024, 2, 1)],
    ],
)
def test_dates_are_dates(values):
    one, found = read(values)
    assert (one.kind, one.zone) == ("date", None)
    assert as_text(found.stamps) == ["2024-01-31T00:00", "2024-02-01T00:00"]
    facts = one.facts(Step.parse("1d"))
    assert to_stamps(found.stamps, facts).to_pylist() == [dt.date(2024, 1, 31), dt.date(2024, 2, 1)]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_stamps_of_any_unit_are_microseconds(unit):
    when = dt.datetime(2024, 1, 31, 6, 30)  # noqa: DTZ001 - it has none
    one, found = read([when, None], pa.timestamp(unit))
    assert as_text(found.stamps[:1]) == ["2024-01-31T06:30"]
    assert (reasons(found), one.kind) == (["", "null"], "stamp")


def test_a_month_is_its_first_day_and_text_in_a_stated_format_is_read_by_it():
    assert as_text(read(["1974-05", "1974-06"])[1].stamps) == ["1974-05-01T00:00", "1974-06-01T00:00"]
    one, found = read(["31.01.2024", "1/2", ""], form="%d.%m.%Y")
    assert as_text(found.stamps[:1]) == ["2024-01-31T00:00"]
    assert (reasons(found), one.kind) == (["", "type", "null"], "date")


def test_plain_numbers_are_numbers_and_those_that_are_dates_ask_for_their_format():
    one, found = read(["5", "7", ""])
    assert (one.kind, found.stamps.tolist(), reasons(found)) == ("number", [5, 7, 0], ["", "", "null"])
    assert read([5, 7], pa.int32())[1].stamps.tolist() == [5, 7]
    with pytest.raises(DataError, match=r'data\.time_format = "%Y%m%d"'):
        read(["20240131", "20240201"])


def test_stamps_with_a_zone_are_points_in_time_and_rows_without_one_among_them_are_told():
    one, found = read(["2024-01-31T06:00Z", "2024-01-31T08:00+02:00", "2024-01-31T06:00", "never"])
    assert as_text(found.stamps[:2]) == ["2024-01-31T06:00"] * 2
    assert (reasons(found), one.zone) == (["", "", "zone", "type"], "UTC")


def test_an_hour_that_a_place_shows_twice_has_two_times_and_one_that_it_skips_has_none():
    one, found = read(["2024-10-27T02:30", "2024-10-27T03:30", "2024-03-31T02:30"], place=BERLIN)
    assert (found.later - found.stamps).tolist()[:2] == [3600 * 10**6, 0]
    assert reasons(found) == ["", "", "skipped"]
    assert as_text(one.on_wall(found.stamps[:2])) == ["2024-10-27T02:30", "2024-10-27T03:30"]


def test_days_of_23_and_25_hours_are_days():
    one = clock()
    days = pa.array(["2024-03-30", "2024-03-31", "2024-10-27", "2024-10-28"]).cast(pa.timestamp("us"))
    stamps = pa.compute.assume_timezone(days, BERLIN)
    found = one.read(stamps, "a.parquet")
    assert np.diff(found.stamps).tolist()[::2] == [24 * 3600 * 10**6, 25 * 3600 * 10**6]
    wall = one.on_wall(found.stamps)
    assert np.diff(wall).tolist()[::2] == [24 * 3600 * 10**6] * 2
    assert to_stamps(wall, one.facts(Step.parse("1d"))).equals(stamps)


def test_two_zones_and_two_kinds_of_time_are_refused():
    one = clock()
    one.read(pa.array([0], pa.timestamp("us", BERLIN)), "a.parquet")
    with pytest.raises(DataError, match=r"b\.parquet.*the zone UTC.*the zone Europe/Berlin; set data\.time_zone"):
        one.read(pa.array([0], pa.timestamp("us", "UTC")), "b.parquet")
    with pytest.raises(DataError, match=r"holds plain numbers, what was read before it time stamps"):
        one.read(pa.array([5]), "c.parquet")
    known = clock(place=BERLIN)
    for zone in (BERLIN, "UTC"):
        known.read(pa.array([0], pa.timestamp("us", zone)), "a.parquet")
    assert known.zone == BERLIN
