import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tasks.seq2seq.splitting import SPLITS, Repeats, assign_splits, count_repeats

FRACTION = st.floats(0, 0.49)


@given(
    hnp.arrays(np.int64, st.tuples(st.integers(1, 60), st.just(2)), elements=st.integers(-2, 2)),
    FRACTION,
    FRACTION,
)
def test_a_source_is_never_on_both_sides(source, validation, test):
    assigned = assign_splits(source, 0, validation, test)
    split_of = {}
    for row, split in zip(source.tolist(), assigned.tolist(), strict=True):
        assert split_of.setdefault(tuple(row), split) == split


@given(st.permutations(range(50)))
def test_a_rows_split_does_not_depend_on_its_place(order):
    source = np.arange(100).reshape(50, 2)
    assert assign_splits(source[order], 3, 0.2, 0.2).tolist() == assign_splits(source, 3, 0.2, 0.2)[order].tolist()


def test_splits_are_as_large_as_asked():
    """Within four standard deviations of 20,000 sources."""
    assigned = assign_splits(np.arange(20_000)[:, None], 0, validation_fraction=0.1, test_fraction=0.3)
    shares = np.bincount(assigned, minlength=3) / 20_000
    assert dict(zip(SPLITS, shares, strict=True)) == pytest.approx(
        {"train": 0.6, "validation": 0.1, "test": 0.3}, abs=0.014
    )


@pytest.mark.parametrize(("validation", "test", "absent"), [(0.0, 0.5, 1), (0.5, 0.0, 2)])
def test_a_fraction_of_0_takes_nothing(validation, test, absent):
    assert absent not in assign_splits(np.arange(1000)[:, None], 0, validation, test)


def test_another_seed_gives_another_split():
    source = np.arange(1000)[:, None]
    assert (assign_splits(source, 0, 0.1, 0.1) != assign_splits(source, 1, 0.1, 0.1)).any()


def test_repeats_by_hand():
    splits = {
        "train": (np.array([[1], [1], [2], [3]]), np.array([[10], [10], [20], [30]])),
        "validation": (np.array([[2], [4]]), np.array([[21], [40]])),
        "test": (np.array([[1], [1], [5]]), np.array([[11], [12], [50]])),
    }
    # Twice there: (1, 10). Several targets: 1 and 2. In training too: 2 of validation, both 1 of test.
    assert count_repeats(splits) == Repeats(duplicates=1, conflicts=2, validation_overlap=1, test_overlap=2)


def test_a_split_that_is_not_there_overlaps_nothing():
    splits = {"train": (np.array([[1]]), np.array([[1]])), "test": (np.array([[2]]), np.array([[1]]))}
    assert count_repeats(splits) == Repeats(0, 0, 0, 0)


def test_a_target_equal_to_its_source_is_no_special_pair():
    """Where source and target hold the same integers, different pairs stay different."""
    values = np.arange(100).reshape(50, 2)
    assert count_repeats({"train": (values, values), "test": (values + 100, values)}).duplicates == 0
