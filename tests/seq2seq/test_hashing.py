import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.seq2seq.hashing import is_among, row_hashes, unit_interval


def test_the_mixer_is_the_published_splitmix64():
    """The first values of the published generator started from 0 and from 1234567."""
    nothing = np.empty((1, 0), np.int64)
    assert row_hashes(nothing).tolist() == [0xE220A8397B1DCDAF]
    assert row_hashes(nothing, seed=1234567).tolist() == [6457827717110365317]


def test_equal_rows_agree_whatever_their_type_and_place():
    small = row_hashes(np.array([[-1, 0, 7], [5, 5, 5]], np.int32))
    large = row_hashes(np.array([[5, 5, 5], [-1, 0, 7]], np.int64))
    assert small.tolist() == large[::-1].tolist()


@pytest.mark.parametrize("other", [[2, 1, 3], [1, 2, 4], [-1, 2, 3], [0, 2, 3]])
def test_rows_that_differ_in_order_or_value_differ_in_hash(other):
    first, second = row_hashes(np.array([[1, 2, 3], other]))
    assert first != second


def test_another_seed_gives_another_hash():
    row = np.array([[1, 2, 3]])
    assert row_hashes(row, seed=0) != row_hashes(row, seed=1)


def test_a_hundred_thousand_neighbouring_rows_do_not_collide():
    values = np.arange(100_000)
    assert len(np.unique(row_hashes(np.stack([values // 317, values % 317], axis=1)))) == 100_000


def test_the_unit_interval_includes_0_and_excludes_1():
    low, middle, high = unit_interval(np.array([0, 2**63, 2**64 - 1], np.uint64))
    assert (low, middle) == (0.0, 0.5)
    assert 0.999 < high < 1


def test_hashes_spread_evenly():
    """A chi-square of 10 bins over 10,000 rows stays below its 99.9 % quantile at 9 degrees of freedom."""
    counts, _ = np.histogram(unit_interval(row_hashes(np.arange(10_000)[:, None])), bins=10, range=(0, 1))
    assert ((counts - 1000) ** 2 / 1000).sum() < 27.88


@given(st.lists(st.integers(0, 20)), st.lists(st.integers(0, 20)))
def test_membership_is_pythons_own(hashes, others):
    among = is_among(np.array(hashes, np.uint64), np.sort(np.array(others, np.uint64)))
    assert among.tolist() == [value in others for value in hashes]
