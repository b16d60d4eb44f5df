"""What the settings of series ask of one another."""

import pytest

from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.rules import check_experiment

SERIES = {
    "kind": "files", "train": "a.csv", "source": "sales", "source_encoding": "vectors", "target_encoding": "vectors",
    "history": 8, "horizon": 2, "time": "day",
}  # fmt: skip


def faults(model=None, **data):
    try:
        check_experiment({"data": {**SERIES, **data}, **({"model": model} if model else {})})
    except SettingsError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "data",
    [
        {}, {"series": "store"}, {"series": ["region", "store"], "scale": "window"}, {"gaps": "fill", "fill": "zero"},
        {"known": "price, plan", "calendar": ["hour", "weekday"]}, {"step": "15 min", "time_zone": "Europe/Berlin"},
        {"static": "size", "series": "store"}, {"duplicates_at": "sum"}, {"wide": True, "series": "store"},
        {"wide": True, "series": "store", "start": "begin", "step": "1d"},
    ],
)  # fmt: skip
def test_settings_of_series_that_fit_are_taken(data):
    assert faults(**data) == ""


def test_series_are_embedded_by_their_ids():
    assert faults({"series_embedding": 4}, series="store") == ""
    assert "data.series is not; name the columns of the ids" in faults({"series_embedding": 4})
    pairs = {"history": None, "horizon": None, "time": None, "source": "x", "target": "y"}
    assert "the data are pairs" in faults({"series_embedding": 4}, **pairs)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"time": None, "step": "1h"}, "data.step is '1h', but data.time is not set"),
        ({"time": None, "series": "store"}, "data.series is 'store', but data.time is not set"),
        ({"time": None, "calendar": ["hour"]}, "data.calendar is ('hour',), but data.time is not set"),
        ({"fill": "zero"}, 'data.fill is "zero", but data.gaps is "split"'),
        ({"step": "soon"}, "'soon' is not a step; expected one such as"),
        ({"time_zone": "Berlin"}, "data.time_zone is 'Berlin', which is not a time zone"),
        ({"calendar": ["hour"], "step": "1"}, "data.step is 1, a plain number, which no calendar has"),
        ({"calendar": ["hour", "hour"]}, "data.calendar names something twice"),
        ({"known": "sales"}, "data.known names the column 'sales', which data.source or data.target names too"),
        ({"series": "day"}, "data.series names the column 'day', which data.time names too"),
        ({"known": "a,a"}, "data.known names a column twice"),
        ({"header": False, "source": 1, "time": "day"}, "data.time is ('day',); with data.header = false"),
        ({"target_encoding": "integers", "scale": "series"}, "data.scale is set, but source and target are not both"),
        (
            {"source_encoding": "integers", "target_encoding": "integers", "duplicates_at": "mean"},
            "integers are symbols",
        ),
        ({"wide": True}, "data.wide is set, but data.series is not; name the columns of the ids"),
        (
            {"wide": True, "series": "s", "time": None},
            "data.wide is set, but data.time is not; say what its stamps are",
        ),
        ({"wide": True, "series": "s", "known": "price"}, "no column of a wide table goes on with time"),
        ({"wide": True, "series": "s", "source": "a, b", "target": "a"}, "data.source and data.target are several"),
        ({"wide": True, "series": 0, "header": False, "source": 1, "time": 2}, "the columns of a wide table are named"),
        ({"start": "begin"}, "data.start is 'begin', but data.wide is not set"),
        ({"wide": True, "series": "s", "start": "begin"}, "data.start is set, but data.step is not"),
        (
            {"wide": True, "series": "s", "start": "s", "step": "1d"},
            "data.series names the column 's', which data.start",
        ),
        (
            {"wide": True, "series": "s", "start": "begin", "step": "1d", "time_zone": "UTC"},
            "data.start is set, and data.time_zone too",
        ),
        ({"history": None, "horizon": None, "source": "x", "target": "y"}, "data.time is day; it is for a series"),
    ],
)
def test_settings_of_series_that_make_no_sense_are_refused_with_their_key(data, said):
    assert said in faults(**data)


def backtest_faults(data, **evaluation):
    try:
        check_experiment({"data": {**SERIES, **data}, "evaluation": evaluation})
    except SettingsError as error:
        return str(error)
    return ""


def test_origins_lie_where_windows_are():
    assert backtest_faults({"stride": 2}, backtest_origins=3, backtest_stride=4) == ""
    assert "give a multiple of it" in backtest_faults({"stride": 2}, backtest_stride=3)


def test_pairs_have_no_origins():
    pairs = {"history": None, "horizon": None, "time": None, "source": "x", "target": "y"}
    found = backtest_faults(pairs, backtest_origins=3, backtest_stride=2)
    assert "evaluation.backtest_origins is 3; it is for a series" in found
    assert "evaluation.backtest_stride is 2; it is for a series" in found
