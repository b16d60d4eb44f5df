"""Values that look like marks of missing ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.seq2seq.data.odd_values import OddValues

RNG = np.random.default_rng(0)
NORMAL = RNG.normal(100, 20, 20_000)
MARKS = [-3.4028234663852886e38, 1e20, -1e30, 1e99]


def found(*blocks):
    odd = OddValues()
    for block in blocks:
        odd.add(np.asarray(block, np.float64))
    return [tuple(one) for one in odd.finish()]


def among(values, mark, times):
    """Values with a mark in some places."""
    values = np.array(values, np.float64)
    values[RNG.choice(len(values), times, replace=False)] = mark
    return values


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("times", [2, 17, 9000])
def test_a_far_value_that_is_there_more_than_once_is_odd_and_counted(mark, times):
    """Also where it is nearly half of all: the quartiles are those of the others."""
    assert found(among(NORMAL, mark, times)) == [(mark, times)]


@pytest.mark.parametrize(
    "values", [NORMAL, -NORMAL, NORMAL * 1e-9, np.round(NORMAL), RNG.integers(0, 2, 9000), [7.0] * 99]
)
def test_a_far_value_that_is_there_once_is_not_odd_nor_are_near_ones(values):
    assert found(among(values, 1e40, 1)) == []
    assert found(among(values, np.quantile(values, 0.75) * 9, 5)) == []


@pytest.mark.parametrize("mark", [-200.0, -999.0, -9999.0, 99999.0])
def test_a_mark_no_further_away_than_a_real_value_might_be_is_not_asked_for(mark):
    assert found(among(NORMAL, mark, 50)) == []


@pytest.mark.parametrize("values", [[0.0] * 9000, RNG.integers(0, 2, 9000), np.repeat([0.0, 5.0], [8990, 10])])
def test_where_most_values_are_alike_only_what_is_far_from_their_size_is_odd(values):
    assert found(among(values, 3.0, 4)) == []
    assert found(among(values, -1e20, 4)) == [(-1e20, 4)]


def test_several_marks_at_both_ends_are_found():
    values = among(among(among(NORMAL, -1e30, 5), 1e20, 7), -3e38, 2)
    assert [value for value, _ in found(values)] == [-3e38, -1e30, 1e20]


@given(st.lists(st.integers(0, 20_000), max_size=6))
def test_how_the_values_are_cut_into_blocks_changes_nothing(cuts):
    values = among(NORMAL, 1e20, 30)
    assert found(*np.split(values, sorted(cuts))) == [(1e20, 30)]


@pytest.mark.parametrize("order", [np.sort, lambda values: np.sort(values)[::-1]])
def test_in_a_sorted_file_too(order):
    """Whose first block may be nothing but marks."""
    values = order(among(NORMAL, -1e30, 5000))
    assert found(*np.array_split(values, 7)) == [(-1e30, 5000)]


@given(st.lists(st.integers(-30, 30), min_size=1, max_size=400), st.integers(1, 5))
def test_the_ends_are_counted_exactly_whatever_comes_first(values, n_blocks):
    odd = OddValues()
    for block in np.array_split(np.array(values, np.float64), n_blocks):
        odd.add(block)
    different = sorted({*values})
    assert odd._low == {value: values.count(value) for value in different[:8]}
    assert odd._high == {-value: values.count(value) for value in different[-8:]}


def test_nothing_has_no_odd_values():
    assert found() == found([]) == []
