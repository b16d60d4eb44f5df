"""Two models on the same pairs."""

import math

import numpy as np
import pytest

from tasks.seq2seq.promotion.comparison import compare, problem_of
from tasks.seq2seq.settings.rules import check_experiment


def answers(both, only_new, only_promoted, neither):
    """1 where right; how many pairs both, only one, or neither answered right."""
    table = [(1, 1)] * both + [(1, 0)] * only_new + [(0, 1)] * only_promoted + [(0, 0)] * neither
    new, promoted = np.array(table, np.float64).T
    return new, promoted


@pytest.mark.parametrize(
    ("table", "gain", "interval"),
    [
        # Two examples of R. G. Newcombe (1998), method 10.
        ((36, 12, 2, 0), 0.2, (0.0569, 0.3404)),
        ((20, 12, 2, 16), 0.2, (0.0562, 0.3292)),
        # All right: by hand, Wilson's interval is [30 / (30 + z^2), 1] for both, and nothing is correlated.
        ((30, 0, 0, 0), 0.0, (-0.1135, 0.1135)),
    ],
)
def test_the_interval_of_two_accuracies_is_newcombes(table, gain, interval):
    found = compare("sequence_accuracy", *answers(*table))
    assert found.gain == pytest.approx(gain, abs=5e-5)
    assert (found.low, found.high) == pytest.approx(interval, abs=5e-5)


def test_the_better_of_two_models_gains_what_the_other_loses():
    table = answers(20, 12, 2, 16)
    there, back = compare("sequence_accuracy", *table), compare("sequence_accuracy", *table[::-1])
    assert there.gain == -back.gain > 0
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))


def test_errors_gain_by_being_smaller_as_a_share_of_the_promoted_models():
    promoted = np.array([1.0, 2.0, 3.0])
    found = compare("mae", promoted / 2, promoted)
    assert (found.new, found.promoted, found.gain) == (1.0, 2.0, 0.5)
    margin = 1.959963984540054 * 0.5 / math.sqrt(3) / 2  # the halves' deviation is 0.5, the scale 2
    assert (found.low, found.high) == pytest.approx((0.5 - margin, 0.5 + margin))


def test_the_interval_covers_the_truth_19_times_of_20():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        promoted = rng.random(60) < 0.9
        new = np.where(rng.random(60) < 0.15, rng.random(60) < 0.6, promoted)
        found = compare("sequence_accuracy", new.astype(float), promoted.astype(float))
        covered += found.low <= 0.15 * (0.6 - 0.9) <= found.high
    assert covered / 400 > 0.92


def test_a_tie_gains_nothing_and_is_not_sure_of_it():
    values = np.ones(100)
    found = compare("sequence_accuracy", values, values)
    assert found.gain == 0
    assert found.low < 0 < found.high


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ({}, {"seed": 3, "training": {"epochs": 9}, "model": {"units": 3}}, True),
        ({}, {"data": {"n_samples": 7}}, True),
        ({}, {"data": {"n_in": 7}}, False),
        ({}, {"data": {"problem": "copy"}}, False),
        ({}, {"data": {"train": "a.csv"}}, False),
        ({"data": {"train": "a.csv"}}, {"data": {"train": "b.parquet", "test_fraction": 0.3}}, True),
        ({"data": {"train": "a.csv"}}, {"data": {"train": "a.csv", "source_encoding": "words"}}, False),
    ],
)
def test_experiments_with_the_same_problem_can_be_compared(one, other, alike):
    one, other = (problem_of(check_experiment(raw)) for raw in (one, other))
    assert (one == other) is alike
