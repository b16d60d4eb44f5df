import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.seq2seq.data.windows import (
    Series,
    cut_windows,
    cuts_in_time,
    find_origins,
    fractions_with_windows,
    origins_within,
    recent_steps,
)

ALL = np.ones(8, np.bool_)
USABLE = st.lists(st.booleans(), max_size=20).map(lambda usable: np.array(usable, np.bool_))
SIZES = st.integers(1, 4)


def series(n=8, features=1, usable=None):
    """Time step t holds t in its first feature, 10 t in its second; the target is 100 more."""
    values = np.arange(n, dtype=np.float64)[:, None] * 10.0 ** np.arange(features)
    return Series(values, values + 100, np.ones(n, np.bool_) if usable is None else usable)


def origins(*numbers):
    return np.array(numbers, np.int64)


def test_windows_by_hand():
    """A history of 3 and a horizon of 2: the first origin is step 3, the last has one step after it."""
    assert find_origins(ALL, 3, 2, 1).tolist() == [3, 4, 5, 6]
    pairs = cut_windows(series(), origins(3, 6), 3, 2)
    assert pairs.source.padded()[..., 0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert pairs.target.padded()[..., 0].tolist() == [[103, 104], [106, 107]]
    assert len(series()) == 8


def test_a_series_of_integers_is_cut_into_integers():
    tokens = np.arange(10, 18)
    pairs = cut_windows(Series(tokens, tokens, ALL), origins(3, 4), 2, 1)
    assert (pairs.source.padded().tolist(), pairs.target.padded().tolist()) == ([[11, 12], [12, 13]], [[13], [14]])


def test_the_stride_is_counted_from_the_first_origin():
    assert find_origins(ALL, 3, 1, 2).tolist() == [3, 5, 7]
    assert find_origins(ALL, 3, 1, 9).tolist() == [3]


@pytest.mark.parametrize(("history", "horizon"), [(7, 2), (8, 1), (1, 8), (20, 20)])
def test_a_series_that_is_too_short_has_no_window(history, horizon):
    assert find_origins(ALL, history, horizon, 1).tolist() == []
    pairs = cut_windows(series(), find_origins(ALL, history, horizon, 1), history, horizon)
    assert len(pairs) == 0


def test_a_gap_takes_every_window_that_it_is_in():
    """Step 4 is in the history of origins 5 and 6 and in the horizon of 3 and 4."""
    usable = ALL.copy()
    usable[4] = False
    assert find_origins(usable, 2, 2, 1).tolist() == [2]
    usable[:] = True
    usable[0] = False
    assert find_origins(usable, 2, 2, 1).tolist() == [3, 4, 5, 6]


@given(USABLE, SIZES, SIZES, SIZES)
def test_origins_are_those_whose_steps_can_all_be_used(usable, history, horizon, stride):
    expected = [
        origin
        for origin in range(history, len(usable) - horizon + 1, stride)
        if usable[origin - history : origin + horizon].all()
    ]
    assert find_origins(usable, history, horizon, stride).tolist() == expected


def test_a_horizon_over_a_cut_belongs_to_no_split():
    """Cut at 10 and 15, horizon 3: origins 8, 9, 13 and 14 look across."""
    every = find_origins(np.ones(20, np.bool_), 2, 3, 1)
    splits = [origins_within(every, 3, first, last).tolist() for first, last in ((0, 10), (10, 15), (15, 20))]
    assert splits == [[2, 3, 4, 5, 6, 7], [10, 11, 12], [15, 16, 17]]


@given(st.integers(1, 60), SIZES, st.floats(0, 0.4), st.floats(0.01, 0.4))
def test_no_target_step_is_in_two_splits_and_none_of_training_comes_later(n, horizon, validation, test):
    first, second = cuts_in_time(n, validation, test)
    every = find_origins(np.ones(n, np.bool_), 1, horizon, 1)
    steps = [
        {int(origin) + step for origin in origins_within(every, horizon, *times) for step in range(horizon)}
        for times in ((0, first), (first, second), (second, n))
    ]
    for earlier, later in itertools.pairwise(steps):
        assert max(earlier, default=-1) < min(later, default=n)


@pytest.mark.parametrize(
    ("n", "validation", "test", "cuts"),
    [(100, 0.1, 0.2, (70, 80)), (100, 0.0, 0.2, (80, 80)), (10, 0.5, 0.5, (0, 5)), (3, 0.4, 0.9, (0, 0))],
)
def test_the_test_takes_the_last_time_and_validation_that_before_it(n, validation, test, cuts):
    assert cuts_in_time(n, validation, test) == cuts


def test_relative_windows_are_differences_from_the_last_step_of_the_history():
    """By feature, and the target's from the target's own last step."""
    pairs = cut_windows(series(features=2), origins(3, 6), 3, 2, relative=True)
    for row in range(2):
        assert pairs.source.padded()[row].tolist() == [[-2, -20], [-1, -10], [0, 0]]
        assert pairs.target.padded()[row].tolist() == [[1, 10], [2, 20]]


def test_relative_windows_added_to_their_last_step_are_the_series_again():
    plain, relative = (cut_windows(series(), origins(3, 4, 6), 3, 2, relative=flag) for flag in (False, True))
    last = recent_steps(series(), origins(3, 4, 6), 1)
    assert np.array_equal(relative.target.padded() + last, plain.target.padded())


def test_recent_steps_are_the_last_target_values_before_the_origin():
    recent = recent_steps(series(features=2), origins(3, 8), 2)
    assert recent.tolist() == [[[101, 110], [102, 120]], [[106, 160], [107, 170]]]


def test_recent_steps_are_not_a_number_before_the_series_and_in_gaps():
    """A season may be longer than the history."""
    usable = ALL.copy()
    usable[1] = False
    recent = recent_steps(series(usable=usable), origins(3), 4)[0, :, 0]
    assert np.isnan(recent).tolist() == [True, False, True, False]
    assert recent[[1, 3]].tolist() == [100, 102]


@given(
    st.integers(1, 300), st.integers(1, 20), st.integers(1, 20),
    st.sampled_from([0.0, 0.05, 0.1, 0.3, 0.45]), st.sampled_from([0.05, 0.1, 0.3, 0.45]),
)  # fmt: skip
def test_fractions_that_are_said_to_do_give_each_split_a_window(n, history, horizon, validation, test):
    found = fractions_with_windows(n, (validation, test), history, horizon)
    splits = 2 + (validation > 0)
    assert (found is None) == (n < history + splits * horizon)
    if found is None:
        return
    assert (found[0] > 0) == (validation > 0)
    first, last = cuts_in_time(n, *found)
    origins = find_origins(np.ones(n, np.bool_), history, horizon, 1)
    wanted = [(0, first), (last, n), *([(first, last)] if validation else [])]
    assert all(len(origins_within(origins, horizon, *bounds)) for bounds in wanted)
    first, last = cuts_in_time(n, validation, test)
    if all(len(origins_within(origins, horizon, *bounds)) for bounds in [(0, first), (last, n)]) and not validation:
        assert found == (validation, test)
