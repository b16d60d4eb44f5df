import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.seq2seq.data.windows import (
    Levels,
    SeriesSteps,
    WindowPlan,
    cut_windows,
    cuts_in_time,
    find_lasts,
    fractions_with_windows,
    lasts_within,
    recent_steps,
)

USABLE = st.lists(st.booleans(), max_size=20).map(lambda usable: np.array(usable, np.bool_))
SIZES = st.integers(1, 4)


def series(n=8, features=1, usable=None, **more):
    """A series of which time step t holds t in its first feature, 10 t in its second; the target is 100 more."""
    slots = np.flatnonzero(np.ones(n, np.bool_) if usable is None else usable)
    values = slots[:, None] * 10.0 ** np.arange(features)
    return SeriesSteps(values, values + 100, slots, np.array([0, len(slots)]), np.zeros((len(slots), 0)), **more)


def lasts(*numbers):
    return np.array(numbers, np.int64)


def within(steps, found, horizon, first, end):
    return lasts_within(steps, found, horizon, np.array([first]), np.array([end]))


def cut(steps, found, history, horizon, **plan):
    return cut_windows(steps, found, WindowPlan(history, horizon, **plan)).pairs


def test_windows_by_hand():
    """A history of 3 and a horizon of 2: the first history ends at step 2, the last has two steps after it."""
    assert find_lasts(series(), WindowPlan(3, 2), 2).tolist() == [2, 3, 4, 5]
    pairs = cut(series(), lasts(2, 5), 3, 2)
    assert pairs.source.padded()[..., 0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert pairs.target.padded()[..., 0].tolist() == [[103, 104], [106, 107]]
    assert pairs.ahead is None
    assert len(series()) == 8


def test_a_series_of_integers_is_cut_into_integers():
    tokens = np.arange(10, 18)
    steps = SeriesSteps(tokens, tokens, np.arange(8), np.array([0, 8]), np.zeros((8, 0)))
    pairs = cut(steps, lasts(2, 3), 2, 1)
    assert (pairs.source.padded().tolist(), pairs.target.padded().tolist()) == ([[11, 12], [12, 13]], [[13], [14]])


def test_the_stride_is_counted_from_the_first_window_that_a_series_may_have():
    assert find_lasts(series(), WindowPlan(3, 1, stride=2), 1).tolist() == [2, 4, 6]
    assert find_lasts(series(), WindowPlan(3, 1, stride=9), 1).tolist() == [2]
    late = series(usable=np.arange(8) > 0)
    assert late.slots[find_lasts(late, WindowPlan(3, 1, stride=2), 1, np.array([1]))].tolist() == [4, 6]
    assert late.slots[find_lasts(late, WindowPlan(3, 1, stride=2), 1)].tolist() == [3, 5]


@pytest.mark.parametrize(("history", "horizon"), [(7, 2), (8, 1), (1, 8), (20, 20)])
def test_a_series_that_is_too_short_has_no_window(history, horizon):
    found = find_lasts(series(), WindowPlan(history, horizon), horizon)
    assert found.tolist() == []
    assert len(cut(series(), found, history, horizon)) == 0


def test_a_gap_takes_every_window_that_it_is_in():
    """Step 4 is missing: in the histories that end at 4 and 5, in the horizons after 2 and 3."""
    gap = series(usable=np.arange(8) != 4)
    assert gap.slots[find_lasts(gap, WindowPlan(2, 2), 2)].tolist() == [1]
    late = series(usable=np.arange(8) > 0)
    assert late.slots[find_lasts(late, WindowPlan(2, 2), 2)].tolist() == [2, 3, 4, 5]


@given(USABLE, SIZES, SIZES, SIZES)
def test_windows_are_those_whose_steps_are_all_there(usable, history, horizon, stride):
    expected = [
        origin - 1
        for origin in range(history, len(usable) - horizon + 1, stride)
        if usable[origin - history : origin + horizon].all()
    ]
    steps = series(usable=usable)
    before = np.array([steps.slots[0] if len(steps) else 0])
    found = find_lasts(steps, WindowPlan(history, horizon, stride), horizon, before)
    assert steps.slots[found].tolist() == expected


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), SIZES, SIZES)
def test_no_window_is_of_two_series(lengths, history, horizon):
    """Their slots are one free slot apart, as those of a gap are."""
    numbers = np.repeat(np.arange(len(lengths)), lengths)
    slots = np.concatenate([np.arange(n) for n in lengths]) + 100 * numbers
    firsts = np.concatenate([[0], np.cumsum(lengths)])
    steps = SeriesSteps(numbers, numbers, slots, firsts, np.zeros((len(slots), 0)))
    found = find_lasts(steps, WindowPlan(history, horizon), horizon)
    assert len(found) == sum(max(0, n - history - horizon + 1) for n in lengths)
    if not len(found):
        return
    pairs = cut(steps, found, history, horizon)
    both = np.concatenate([pairs.source.padded(), pairs.target.padded()], axis=1)
    assert (both == both[:, :1]).all()
    assert steps.series_of(found).tolist() == both[:, 0].tolist()


def test_a_horizon_over_a_cut_belongs_to_no_split():
    """Cut at 10 and 15, horizon 3: what is forecast after 7, 8, 12 and 13 lies across."""
    steps = series(20)
    every = find_lasts(steps, WindowPlan(2, 3), 3)
    splits = [within(steps, every, 3, first, end).tolist() for first, end in ((0, 10), (10, 15), (15, 20))]
    assert splits == [[1, 2, 3, 4, 5, 6], [9, 10, 11], [14, 15, 16]]


@given(st.integers(1, 60), SIZES, st.floats(0, 0.4), st.floats(0.01, 0.4))
def test_no_target_step_is_in_two_splits_and_none_of_training_comes_later(n, horizon, validation, test):
    first, second = cuts_in_time(n, validation, test)
    steps = series(n)
    every = find_lasts(steps, WindowPlan(1, horizon), horizon)
    found = [
        {int(last) + 1 + step for last in within(steps, every, horizon, *times) for step in range(horizon)}
        for times in ((0, first), (first, second), (second, n))
    ]
    for earlier, later in itertools.pairwise(found):
        assert max(earlier, default=-1) < min(later, default=n)


@pytest.mark.parametrize(
    ("n", "validation", "test", "cuts"),
    [(100, 0.1, 0.2, (70, 80)), (100, 0.0, 0.2, (80, 80)), (10, 0.5, 0.5, (0, 5)), (3, 0.4, 0.9, (0, 0))],
)
def test_the_test_takes_the_last_time_and_validation_that_before_it(n, validation, test, cuts):
    assert cuts_in_time(n, validation, test) == cuts


def test_relative_windows_are_differences_from_the_last_step_of_the_history():
    """By feature, and the target's from the target's own last step."""
    pairs = cut(series(features=2), lasts(2, 5), 3, 2, relative=True)
    for row in range(2):
        assert pairs.source.padded()[row].tolist() == [[-2, -20], [-1, -10], [0, 0]]
        assert pairs.target.padded()[row].tolist() == [[1, 10], [2, 20]]


@pytest.mark.parametrize("scale", ["global", "series", "window"])
@pytest.mark.parametrize("relative", [False, True])
def test_what_windows_are_taken_from_gives_their_values_back(scale, relative):
    levels = Levels(np.array([[50.0, 7.0]]), np.array([[2.0, 3.0]]))
    steps = series(features=2, levels=(levels, levels))
    plan = WindowPlan(3, 2, relative=relative, scale=scale)
    pairs, frames = cut_windows(steps, lasts(2, 3, 5), plan)
    plain = cut(steps, lasts(2, 3, 5), 3, 2)
    for side, frame in (("source", frames.source), ("target", frames.target)):
        values = getattr(pairs, side).padded()
        assert frame is not None or (scale, relative) == ("global", False)
        restored = values if frame is None else frame.restore(values)
        assert restored == pytest.approx(getattr(plain, side).padded())


def test_windows_by_their_own_scale_have_a_history_of_mean_0_and_deviation_1_and_a_constant_one_is_0():
    values = np.array([3.0, 5.0, 4.0, 9.0, 9.0, 9.0, 1.0])[:, None]
    steps = SeriesSteps(values, values, np.arange(7), np.array([0, 7]), np.zeros((7, 0)))
    pairs = cut(steps, lasts(2, 5), 3, 1, scale="window")
    history = pairs.source.padded()[..., 0]
    assert history[0].mean() == pytest.approx(0)
    assert history[0].std() == pytest.approx(1)
    assert history[1].tolist() == [0, 0, 0]
    assert pairs.target.padded()[1, 0, 0] == 1.0 - 9.0


def test_what_is_known_stands_beside_the_source_and_ahead_of_the_target():
    """Behind its own features: what is known of the step, whether it was filled, and what its series is."""
    ahead, filled = np.arange(8.0)[:, None] * -1, np.arange(8) == 1
    plain = series(filled=filled, static=np.array([[7.0]]))
    steps = SeriesSteps(plain.source, plain.target, plain.slots, plain.firsts, ahead, filled, None, plain.static)
    pairs = cut(steps, lasts(2), 2, 2)
    assert pairs.source.padded()[0].tolist() == [[1, -1, 1, 7], [2, -2, 0, 7]]
    assert pairs.ahead is not None
    assert pairs.ahead[0].tolist() == [[-3], [-4]]


def test_no_window_forecasts_a_step_that_was_filled():
    steps = series(filled=np.arange(8) == 4)
    assert find_lasts(steps, WindowPlan(2, 2), 2).tolist() == [1, 4, 5]
    assert find_lasts(steps, WindowPlan(2, 2), 0).tolist() == [1, 2, 3, 4, 5, 6, 7]


def test_recent_steps_are_the_last_target_values_of_the_history():
    recent = recent_steps(series(features=2), lasts(2, 7), 2, 2)
    assert recent.tolist() == [[[101, 110], [102, 120]], [[106, 160], [107, 170]]]


def test_recent_steps_are_not_a_number_before_the_series_and_in_gaps():
    """A season may be longer than the history."""
    recent = recent_steps(series(usable=np.arange(8) != 1), lasts(1), 4, 2)[0, :, 0]
    assert np.isnan(recent).tolist() == [True, False, True, False]
    assert recent[[1, 3]].tolist() == [100, 102]


def test_recent_steps_that_were_filled_are_none_unless_the_whole_history_was():
    steps = series(filled=np.isin(np.arange(8), [1, 4, 5]))
    recent = recent_steps(steps, lasts(4, 5), 4, 2)[..., 0]
    assert np.isnan(recent).tolist() == [[True, False, False, True], [False] * 4]


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
    steps, plan = series(n), WindowPlan(history, horizon)
    lasts = find_lasts(steps, plan, horizon)
    wanted = [(0, first), (last, n), *([(first, last)] if validation else [])]
    assert all(len(within(steps, lasts, horizon, *bounds)) for bounds in wanted)
    first, last = cuts_in_time(n, validation, test)
    if all(len(within(steps, lasts, horizon, *bounds)) for bounds in [(0, first), (last, n)]) and not validation:
        assert found == (validation, test)
