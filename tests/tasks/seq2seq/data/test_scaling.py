import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.collate import source_array
from tasks.seq2seq.data.scaling import Moments, Scaling
from tasks.seq2seq.errors import DataError

VALUES = st.floats(-1e4, 1e4).map(lambda value: round(value, 3))
STEPS = hnp.arrays(np.float64, st.tuples(st.integers(2, 30), st.just(2)), elements=VALUES)
SCALING = Scaling(mean=(10.0, -1.0), deviation=(4.0, 0.5), low=(0.0, -3.0), high=(20.0, 1.0))


def learned(*blocks):
    moments = Moments(blocks[0].shape[1])
    for block in blocks:
        moments.add(block)
    return moments.finish()


@given(STEPS, st.lists(st.integers(0, 30)))
def test_moments_over_blocks_are_numpys_over_all(values, cuts):
    """Empty blocks among them."""
    scaling = learned(*np.split(values, np.minimum(sorted(cuts), len(values))))
    assert scaling.mean == pytest.approx(values.mean(axis=0), abs=1e-6)
    assert scaling.deviation == pytest.approx(values.std(axis=0), abs=1e-6)
    assert (scaling.low, scaling.high) == (tuple(values.min(axis=0)), tuple(values.max(axis=0)))
    assert scaling.features == 2


def test_a_small_deviation_on_a_large_mean_is_not_lost():
    """A difference of squares would lose it."""
    values = 1e8 + np.random.default_rng(0).normal(size=(10_000, 1))
    scaling = learned(*np.split(values, 7 * np.arange(1, 100)))
    assert scaling.deviation[0] == pytest.approx(values.std(), rel=1e-6)


@pytest.mark.parametrize("constant", [0.0, 0.1, -1e6 / 3])
def test_a_constant_feature_becomes_zero_and_comes_back(constant):
    """Its deviation would be rounding, which makes a large number of the next rounding."""
    values = np.full((1000, 1), constant)
    scaling = learned(*np.split(values, [3, 700]))
    assert scaling.deviation == (0.0,)
    assert scaling.standardise(values) == pytest.approx(np.zeros((1000, 1)), abs=1e-6)
    assert scaling.restore(scaling.standardise(values)) == pytest.approx(values)


def test_standardising_by_hand():
    values = np.array([[[10.0, -1.0], [18.0, 0.0]]])
    assert SCALING.standardise(values).tolist() == [[[0.0, 0.0], [2.0, 2.0]]]
    assert SCALING.standardise(values).dtype == np.float32


def test_standardised_training_data_has_mean_0_and_deviation_1():
    values = np.random.default_rng(0).gamma(2.0, 30.0, (5000, 3)) - 7
    standardised = learned(values).standardise(values)
    assert standardised.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-5)
    assert standardised.std(axis=0) == pytest.approx(np.ones(3), abs=1e-5)


@given(STEPS)
def test_values_survive_the_way_there_and_back_in_single_precision(values):
    scaling = learned(values)
    spread = np.abs(values).max() + 1
    assert scaling.restore(scaling.standardise(values)) == pytest.approx(values, abs=1e-6 * spread)
    assert scaling.restore(scaling.standardise(values)).dtype == np.float64


def test_a_value_equal_to_the_mean_is_not_padding():
    """It becomes a zero, as padding is; the last feature tells them apart."""
    steps = Sequences.of_lengths(np.array([SCALING.mean] * 3), np.array([1, 2]))
    assert source_array(steps, SCALING).tolist() == [[[0, 0, 1], [0, 0, 0]], [[0, 0, 1], [0, 0, 1]]]


def test_what_is_too_large_for_32_bits_ends_at_the_same_large_number():
    """Of any feature; it would be infinite, and what comes of that is not a number."""
    values = np.array([[1e99, -1.0], [-1e99, 1e60], [1e300, -1.7e308]])
    for scaling in (SCALING, Scaling((0.0, 0.0), (1e-250, 0.0), (0.0, 0.0), (0.0, 0.0)), SCALING.directional()):
        standardised = scaling.standardise(values)
        assert np.isfinite(np.square(standardised).sum())
        assert np.isfinite(scaling.restore(standardised)).all()
    assert SCALING.standardise(values)[:2].tolist() == [[np.float32(1e15), 0.0], [np.float32(-1e15), np.float32(1e15)]]


@pytest.mark.parametrize("size", [1e-300, 1e-170, 1e-12, 1.0, 1e50, 1e99])
def test_what_is_learned_of_the_smallest_and_the_largest_values_is_finite_and_tells_them_apart(size):
    values = np.random.default_rng(0).uniform(-1, 1, (1000, 1)) * size
    scaling = learned(*np.array_split(values, 3))
    assert np.isfinite([scaling.mean, scaling.deviation, scaling.low, scaling.high]).all()
    assert 0.5 < np.abs(scaling.standardise(values)).max() < 3
    assert scaling.restore(scaling.standardise(values)) == pytest.approx(values, abs=1e-6 * size)


def test_json_holds_the_whole_scaling():
    assert Scaling.from_json(json.loads(json.dumps(SCALING.to_json()))) == SCALING


@pytest.mark.parametrize("key", SCALING.to_json())
def test_json_that_lacks_a_key_is_refused(key):
    content = SCALING.to_json()
    del content[key]
    with pytest.raises(DataError, match=key):
        Scaling.from_json(content)


@pytest.mark.parametrize("wrong", [{"mean": 3}, {"low": ["a", "b"]}, {"added": 1}])
def test_json_of_another_kind_is_refused(wrong):
    with pytest.raises(DataError):
        Scaling.from_json({**SCALING.to_json(), **wrong})


def test_a_directional_scaling_keeps_every_direction_both_ways():
    scaling = Scaling((5.0, -3.0), (2.0, 0.5), (0.0, -4.0), (9.0, -2.0)).directional()
    values = np.array([[4.0, -3.0], [6.0, -2.5]])
    scaled = scaling.standardise(values).astype(np.float64)
    ratio = scaled / values
    assert np.allclose(ratio, ratio[0, 0])
    assert np.abs(scaled).max() < 2
    np.testing.assert_allclose(scaling.restore(scaled), values, rtol=1e-6)
    assert (scaling.low, scaling.high) == ((0.0, -4.0), (9.0, -2.0))


def ranging(low, high):
    """A scaling of features with this range."""
    return Scaling(low, (1.0,) * len(low), low, high)


@pytest.mark.parametrize(
    ("step", "outside"),
    [
        ((15.0, -3.0), False),
        ((15.1, -3.0), True),
        ((-5.0, -3.0), False),
        ((-5.1, -3.0), True),
        ((5.0, -4.5), False),  # half of the constant's magnitude
        ((5.0, -4.6), True),
        ((np.nan, -3.0), True),
        ((np.inf, -3.0), True),
    ],
)
def test_a_value_half_a_range_outside_is_flagged(step, outside):
    values = np.tile([5.0, -3.0], (2, 3, 1))
    values[1, 2] = step
    scaling = ranging((0.0, -3.0), (10.0, -3.0))
    assert scaling.flags(Sequences.of_rows(values))["outside_range"].tolist() == [False, outside]
    assert ranging((0.0,), (0.0,)).outside_range(Sequences.of_rows(np.array([[[0.5]], [[0.6]]]))).tolist() == [
        False,
        True,
    ]


def test_sequences_of_any_length_are_checked():
    values = Sequences.of_lengths(np.array([[99.0], [1.0], [99.0], [1.0]]), np.array([1, 0, 2, 1]))
    assert ranging((0.0,), (1.0,)).outside_range(values).tolist() == [True, False, True, False]
    assert ranging((0.0,), (1.0,)).outside_range(values.part(1, 4)).tolist() == [False, True, False]
    assert not ranging((0.0,), (1.0,)).outside_range(values, tolerance=98.0).any()
