import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.seq2seq.data.backtest import Backtest
from tasks.seq2seq.data.windows import SeriesSteps, WindowPlan, find_lasts

# Two series, of 12 and of 9 steps, whose slots lie apart.
FIRSTS = np.array([0, 12, 21])
SLOTS = np.concatenate([np.arange(12), 20 + np.arange(9)])
VALUES = np.arange(21.0)[:, None]
STEPS = SeriesSteps(VALUES, VALUES, SLOTS, FIRSTS, np.zeros((21, 0)))
PLAN = WindowPlan(history=3, horizon=2)
LASTS = find_lasts(STEPS, PLAN, PLAN.horizon)  # 2 to 9, and 14 to 18


def chosen(origins=None, stride=None, plan=PLAN, steps=STEPS, lasts=LASTS):
    found = Backtest(origins, stride).choose(steps, lasts, plan)
    return lasts[found.at].tolist(), found.series.tolist(), found.numbers.tolist()


def test_without_a_word_every_window_is_an_origin_counted_from_the_last_of_its_series():
    lasts, series, numbers = chosen()
    assert lasts == LASTS.tolist() == [*range(2, 10), *range(14, 19)]
    assert series == [0] * 8 + [1] * 5
    assert numbers == [*range(7, -1, -1), *range(4, -1, -1)]


def test_origins_lie_a_stride_apart_back_from_the_last():
    assert chosen(stride=3) == ([3, 6, 9, 15, 18], [0, 0, 0, 1, 1], [2, 1, 0, 1, 0])
    assert chosen(origins=2, stride=3) == ([6, 9, 15, 18], [0, 0, 1, 1], [1, 0, 1, 0])


def test_the_last_few_origins_lie_a_horizon_apart_so_that_no_step_is_forecast_twice():
    assert chosen(origins=2)[0] == [7, 9, 16, 18]
    assert chosen(origins=9)[0] == [3, 5, 7, 9, 14, 16, 18]


def test_a_horizon_is_rounded_up_to_where_windows_are():
    plan = WindowPlan(3, 2, stride=3)
    lasts = find_lasts(STEPS, plan, 2)
    assert Backtest(origins=2).steps_between(plan) == 3
    assert chosen(origins=1, plan=plan, lasts=lasts)[0] == [8, 17]


def test_an_origin_in_a_gap_is_not_replaced():
    """Of 17 places the ninth is missing, so that histories end at the places 2 to 5 and 11 to 14."""
    slots = np.delete(np.arange(17), 8)
    values = np.arange(16.0)[:, None]
    steps = SeriesSteps(values, values, slots, np.array([0, 16]), np.zeros((16, 0)))
    lasts = find_lasts(steps, PLAN, PLAN.horizon)
    assert slots[lasts].tolist() == [2, 3, 4, 5, 11, 12, 13, 14]
    assert slots[chosen(origins=3, stride=4, steps=steps, lasts=lasts)[0]].tolist() == [14]
    assert slots[chosen(origins=4, stride=4, steps=steps, lasts=lasts)[0]].tolist() == [2, 14]


@given(st.integers(1, 9), st.integers(1, 9))
def test_each_series_has_as_many_origins_as_are_asked_for_or_there_are(origins, stride):
    _, series, numbers = chosen(origins, stride)
    for one, n in ((0, 8), (1, 5)):
        expected = min(origins, -(-n // stride))
        assert [number for of, number in zip(series, numbers, strict=True) if of == one] == [*range(expected)][::-1]


def test_of_no_window_none_is_chosen():
    assert chosen(origins=3, lasts=LASTS[:0]) == ([], [], [])


@pytest.mark.parametrize(("backtest", "expected"), [((None, None), False), ((1, None), True), ((None, 1), True)])
def test_it_is_known_beforehand_whether_some_may_be_left_out(backtest, expected):
    assert Backtest(*backtest).is_a_part is expected
