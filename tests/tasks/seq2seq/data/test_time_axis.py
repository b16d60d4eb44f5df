"""The axis of series: what a step is, which one series have, and where their stamps are on it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.seq2seq.data.time_axis import DAY, HOUR, DifferenceCounts, Step, infer_step, place


def us(*stamps):
    return np.array(stamps, "M8[us]").astype(np.int64)


def inferred(*stamps, is_number=False):
    counts = DifferenceCounts()
    values = np.array(stamps, np.int64) if is_number else us(*stamps)
    counts.add(values, np.arange(len(values)) == 0)
    return str(infer_step(counts.counts, is_number=is_number))


def placed(step, stamps, series=None):
    return place(Step.parse(step), stamps, np.zeros(len(stamps), np.int64) if series is None else series)


@pytest.mark.parametrize(
    ("text", "written", "season"),
    [("15min", "15min", 1), ("1h", "1h", 24), ("60 min", "1h", 24), ("24h", "1d", 7), ("7d", "1w", 52),
     ("1mo", "1mo", 12), ("3mo", "1q", 4), ("12mo", "1y", 1), ("5", "5", 1), ("500ms", "500ms", 1)],
)  # fmt: skip
def test_a_step_is_written_in_its_largest_unit_and_has_the_season_that_such_steps_have(text, written, season):
    step = Step.parse(text)
    assert (str(step), step.season) == (written, season)
    assert Step.parse(str(step)) == step


@pytest.mark.parametrize("text", ["", "h", "0h", "-1d", "1 fortnight", "1.5h"])
def test_what_is_no_step_is_refused_with_some_that_are(text):
    with pytest.raises(ValueError, match="15min"):
        Step.parse(text)


def test_the_step_is_the_commonest_difference_and_the_smaller_one_of_two():
    assert inferred("2024-01-01T00:00", "2024-01-01T01:00", "2024-01-01T02:00", "2024-01-01T05:00") == "1h"
    assert inferred("2024-01-01", "2024-01-02", "2024-01-05") == "1d"
    assert inferred(10, 20, 30, 70, is_number=True) == "10"


@pytest.mark.parametrize(
    ("stamps", "step"),
    [
        (("2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"), "1mo"),
        (("2024-01-31", "2024-02-29", "2024-03-31"), "1mo"),
        (("2023-02-28", "2023-03-31"), "1mo"),
        (("2024-01-01", "2024-01-29", "2024-02-26"), "4w"),
        (("2024-01-01", "2024-04-01", "2024-07-01", "2024-10-01"), "1q"),
        (("2024-01-01", "2024-04-01", "2024-07-01"), "13w"),
        (("2021-01-01", "2022-01-01", "2023-01-01"), "1y"),
        (("2024-01-01", "2024-01-31", "2024-03-01"), "30d"),
    ],
)
def test_months_quarters_and_years_are_told_from_days(stamps, step):
    """By their lengths: a month has 28 to 31 days. Two quarters of 91 days are 13 weeks, until a third comes."""
    assert inferred(*stamps) == step


def test_one_stamp_has_no_step():
    assert inferred("2024-01-01") == "None"


@pytest.mark.parametrize(
    ("step", "stamps", "following"),
    [
        ("1mo", ("2024-01-31", "2024-02-29", "2024-03-31"), "2024-04-30"),
        ("1mo", ("2023-11-30", "2023-12-30", "2024-01-30"), "2024-02-29"),
        ("1mo", ("2024-01-15T06:00", "2024-02-15T06:00"), "2024-03-15T06:00"),
        ("1q", ("2023-11-01", "2024-02-01"), "2024-05-01"),
        ("1y", ("2023-02-28", "2024-02-29"), "2025-02-28"),
        ("1h", ("2024-01-01T00:20", "2024-01-01T01:20"), "2024-01-01T02:20"),
        ("1d", ("1969-12-30", "1969-12-31"), "1970-01-01"),
        ("1w", ("2024-01-03", "2024-01-10"), "2024-01-17"),
    ],
)
def test_the_next_stamp_is_a_step_on(step, stamps, following):
    found = placed(step, us(*stamps))
    assert found.is_on_step.all()
    assert np.diff(found.indices).tolist() == [1] * (len(stamps) - 1)
    assert Step.parse(step).stamps(found.indices[-1:] + 1, found.phases[-1:]).tolist() == us(following).tolist()


def test_each_series_has_the_phase_that_most_of_its_stamps_have():
    stamps = us("2024-01-01T00:20", "2024-01-01T01:20", "2024-01-01T01:50", "2024-01-01T00:00", "2024-01-01T03:00")
    found = placed("1h", stamps, np.array([0, 0, 0, 1, 1]))
    assert found.is_on_step.tolist() == [True, True, False, True, True]
    assert (found.phases // (60 * 10**6)).tolist() == [20, 20, 20, 0, 0]


@given(st.sampled_from(["7", "1h", "1d", "1w", "1mo", "1q", "1y"]), st.lists(st.integers(-9000, 9000), min_size=1))
def test_places_on_the_axis_are_stamps_and_back(step, indices):
    parsed, start = Step.parse(step), us("2021-05-17T03:00")
    wanted = np.array(sorted(set(indices)), np.int64)
    phases = np.repeat(parsed.phases(start), len(wanted))
    stamps = parsed.stamps(wanted, phases)
    assert parsed.indices(stamps, phases).tolist() == wanted.tolist()
    assert (np.diff(stamps) > 0).all()


def test_differences_are_not_taken_from_one_series_to_the_next():
    counts = DifferenceCounts()
    counts.add(np.array([0, DAY, 5 * HOUR, 6 * HOUR]), np.array([True, False, True, False]))
    assert counts.counts == {DAY: 1, HOUR: 1}
