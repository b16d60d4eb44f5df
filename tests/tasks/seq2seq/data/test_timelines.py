"""Rows put in the order of time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.seq2seq.data.timelines import aggregate, fill_missing, insert_steps, starts_of, time_order

NAN = np.nan


def numbers(*values):
    return np.array(values, np.int64)


def reals(*values):
    return np.array(values, np.float64)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=30))
def test_rows_are_sorted_by_series_and_time_and_stay_in_order_where_these_are_the_same(rows):
    series, stamps = (np.array([row[i] for row in rows], np.int64) for i in (0, 1))
    order = time_order(series, stamps).order
    assert [(series[i], stamps[i], i) for i in order] == sorted((*row, i) for i, row in enumerate(rows))


def test_rows_that_came_after_a_later_one_of_their_series_are_counted():
    assert time_order(numbers(0, 0, 1, 1), numbers(1, 2, 0, 1)).n_late == 0
    assert time_order(numbers(0, 1, 0, 1), numbers(5, 0, 6, 1)).n_late == 0
    assert time_order(numbers(0, 0, 0, 1), numbers(3, 1, 2, 0)).n_late == 1


@pytest.mark.parametrize(
    ("how", "expected"),
    [("first", [1, 4]), ("last", [3, 4]), ("mean", [2, 4]), ("sum", [6, 4]), ("min", [1, 4]), ("max", [3, 4])],
)
def test_rows_of_one_stamp_become_one(how, expected):
    starts = starts_of(numbers(0, 0, 0, 0), numbers(7, 7, 7, 8))
    assert aggregate(reals(1, 2, 3, 4), starts, how).tolist() == expected


def test_missing_steps_are_put_in_but_not_those_of_long_gaps_or_between_series():
    found = insert_steps(numbers(0, 3, 4, 9, 0, 1), np.array([True, False, False, False, True, False]), 2)
    assert found.indices.tolist() == [0, 1, 2, 3, 4, 9, 0, 1]
    assert found.rows.tolist() == [0, 0, 0, 1, 2, 3, 4, 5]
    assert np.flatnonzero(found.is_filled).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("how", "expected"), [("previous", [1, 1, 1, 4]), ("linear", [1, 2, 3, 4]), ("zero", [1, 0, 0, 4])]
)
def test_missing_values_are_filled(how, expected):
    starts = starts_of(numbers(0, 0, 0, 0))
    assert fill_missing(reals(1, NAN, NAN, 4), numbers(0, 1, 2, 3), starts, how, 2).tolist() == expected


def test_nothing_is_filled_at_the_ends_of_a_series_from_another_one_or_over_a_long_gap():
    starts = starts_of(numbers(0, 0, 0, 1, 1, 1))
    values = reals(NAN, 1, NAN, NAN, 2, 3)
    filled = fill_missing(values, numbers(0, 1, 2, 0, 1, 2), starts, "previous", 9)
    assert np.isnan(filled).tolist() == np.isnan(values).tolist()
    long = reals(1, NAN, NAN, 4)
    assert np.isnan(fill_missing(long, numbers(0, 1, 2, 3), starts_of(numbers(0, 0, 0, 0)), "zero", 1)).sum() == 2
