import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.seq2seq.arrays.random_draws import drawn_numbers, source_keys
from tasks.seq2seq.arrays.sequences import Sequences

ROWS = Sequences.of_lengths(np.arange(30, dtype=np.int32) % 7, np.array([4, 0, 6, 5, 0, 3, 5, 7]))


def test_a_key_is_of_content_and_seed():
    """Two empty sources share theirs; of all others each has its own."""
    keys = source_keys(ROWS, 0)
    assert keys[1] == keys[4]
    assert len(set(keys.tolist())) == 7
    assert not set(keys.tolist()) & set(source_keys(ROWS, 1).tolist())


@given(st.permutations(range(8)), st.integers(0, 8), st.integers(0, 8))
def test_a_key_depends_on_neither_order_nor_neighbours(order, first, last):
    keys = source_keys(ROWS, 3)
    assert source_keys(ROWS.take(np.array(order)), 3).tolist() == keys[order].tolist()
    assert source_keys(ROWS.part(first, max(first, last)), 3).tolist() == keys[first : max(first, last)].tolist()


def test_vectors_have_keys_too_and_zero_has_no_sign():
    values = np.random.default_rng(0).normal(0, 1, (12, 2))
    values[5, 1] = 0.0
    rows, other = (Sequences.of_lengths(part, np.array([3, 4, 5])) for part in (values, values * [1, 1 + 1e-15]))
    keys = source_keys(rows, 0)
    values[5, 1] = -0.0
    assert source_keys(rows, 0).tolist() == keys.tolist()
    assert source_keys(rows.part(1, 3), 0).tolist() == keys[1:].tolist()
    assert not set(keys.tolist()) & set(source_keys(other, 0).tolist())


def test_a_step_draws_the_same_wherever_a_segment_begins():
    keys = source_keys(ROWS, 0)
    whole = drawn_numbers(keys, 0, 40)
    assert np.array_equal(np.concatenate([drawn_numbers(keys, 0, 16), drawn_numbers(keys, 16, 24)], axis=1), whole)
    assert np.array_equal(drawn_numbers(keys[3:5], 7, 2), whole[3:5, 7:9])


def test_numbers_are_spread_evenly_and_tell_nothing_of_one_another():
    """Of sources as like as 1, 2, 3 ..., between steps, sources and seeds."""
    source = Sequences.of_rows(np.arange(2000, dtype=np.int32)[:, None])
    numbers, others = (drawn_numbers(source_keys(source, seed), 0, 50) for seed in (0, 1))
    assert 0 <= numbers.min() < numbers.max() < 1
    counts = np.bincount((numbers * 100).astype(int).ravel(), minlength=100)
    assert ((counts - 1000) ** 2 / 1000).sum() < 160  # chi-square of 99 degrees of freedom: p = 1e-4
    for one, other in (
        (numbers[:, 1:], numbers[:, :-1]),
        (numbers[1:], numbers[:-1]),
        (numbers, others),
    ):
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] == pytest.approx(0, abs=0.02)
