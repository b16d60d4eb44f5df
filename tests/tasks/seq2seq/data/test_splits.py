import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.seq2seq.arrays.hashing import row_hashes
from tasks.seq2seq.data.splits import SPLITS, assign_splits

FRACTION = st.floats(0, 0.49)
MANY = row_hashes(np.arange(20_000)[:, None])


@given(st.lists(st.integers(0, 5), min_size=1), FRACTION, FRACTION)
def test_a_source_is_never_on_both_sides(sources, validation, test):
    assigned = assign_splits(np.array(sources, np.uint64), 0, validation, test)
    split_of = {}
    for source, split in zip(sources, assigned.tolist(), strict=True):
        assert split_of.setdefault(source, split) == split


@given(st.permutations(range(50)))
def test_a_rows_split_does_not_depend_on_its_place(order):
    source = MANY[:50]
    assert assign_splits(source[order], 3, 0.2, 0.2).tolist() == assign_splits(source, 3, 0.2, 0.2)[order].tolist()


def test_splits_are_as_large_as_asked():
    """Within four standard deviations of 20,000 sources."""
    assigned = assign_splits(MANY, 0, validation_fraction=0.1, test_fraction=0.3)
    shares = np.bincount(assigned, minlength=3) / 20_000
    assert dict(zip(SPLITS, shares, strict=True)) == pytest.approx(
        {"train": 0.6, "validation": 0.1, "test": 0.3}, abs=0.014
    )
    assert assigned.dtype == np.int8


def test_hashes_that_are_not_spread_themselves_are_split_all_the_same():
    """The small numbers 0, 1, 2 ... as hashes would all lie in one corner."""
    shares = np.bincount(assign_splits(np.arange(20_000, dtype=np.uint64), 0, 0.1, 0.3), minlength=3) / 20_000
    assert shares == pytest.approx([0.6, 0.1, 0.3], abs=0.014)


@pytest.mark.parametrize(("validation", "test", "absent"), [(0.0, 0.5, 1), (0.5, 0.0, 2)])
def test_a_fraction_of_0_takes_nothing(validation, test, absent):
    assert absent not in assign_splits(MANY, 0, validation, test)


def test_another_seed_gives_another_and_independent_split():
    first, second = (assign_splits(MANY, seed, 0.0, 0.5) == 2 for seed in (0, 1))
    assert (first & second).mean() == pytest.approx(0.25, abs=0.0123)


def test_a_larger_validation_split_moves_nothing_in_or_out_of_test():
    small, large = (assign_splits(MANY, 0, fraction, 0.2) for fraction in (0.1, 0.5))
    assert np.array_equal(small == 2, large == 2)
    assert (large[small == 1] == 1).all()
