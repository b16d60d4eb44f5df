import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tasks.seq2seq.metrics.groups import GroupScores


def test_means_are_those_of_each_group_and_groups_without_pairs_are_left_out():
    scores = GroupScores()
    scores.add(np.array([3, 0, 3]), {"mae": np.array([1.0, 5.0, 2.0]), "mean": np.array([4.0, 4.0, 2.0])})
    found = scores.means()
    assert found.numbers.tolist() == [0, 3]
    assert found.counts.tolist() == [1, 2]
    assert {name: mean.tolist() for name, mean in found.means.items()} == {"mae": [5.0, 1.5], "mean": [4.0, 3.0]}


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(-9, 9)), max_size=30), st.integers(1, 7))
def test_means_do_not_depend_on_batches(pairs, size):
    groups, values = (np.array([pair[i] for pair in pairs], np.int64) for i in range(2))
    whole, parts = GroupScores(), GroupScores()
    whole.add(groups, {"mae": values.astype(np.float64)})
    for first in range(0, len(pairs), size):
        parts.add(groups[first : first + size], {"mae": values[first : first + size].astype(np.float64)})
    one, other = whole.means(), parts.means()
    assert one.numbers.tolist() == other.numbers.tolist()
    if pairs:
        np.testing.assert_allclose(one.means["mae"], other.means["mae"])


def test_nothing_has_no_group():
    assert GroupScores().means().numbers.tolist() == []
