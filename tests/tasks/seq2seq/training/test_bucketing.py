import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.seq2seq.arrays.sequences import Pairs, Sequences
from tasks.seq2seq.training.bucketing import BOTH_SIDES_BELOW, Padding, batches_of, plan_batches

lengths_of_rows = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), max_size=60)


def numbered(lengths, first=0):
    """Pairs of these source and target lengths; every step holds its pair's number."""
    numbers = np.arange(first, first + len(lengths))
    sides = np.array(lengths, np.int64).reshape(-1, 2).T
    source, target = (Sequences.of_lengths(np.repeat(numbers, side), side) for side in sides)
    return Pairs(source, target)


def rng(seed=0):
    return np.random.default_rng(seed)


def skewed_lengths(n):
    """As in text: many short, few long, and targets about as long as their sources."""
    source = rng().geometric(0.08, n)
    return np.stack([source, np.maximum(1, source + rng(1).integers(-2, 3, n))], axis=1)


@given(lengths_of_rows, st.integers(1, 9), st.integers(0, 5))
def test_every_row_is_in_exactly_one_batch_and_only_the_last_is_short(lengths, batch_size, seed):
    plan = plan_batches(np.array(lengths, np.int64).reshape(-1, 2), batch_size, rng(seed))
    assert sorted(row for batch in plan for row in batch.tolist()) == list(range(len(lengths)))
    assert all(len(batch) == batch_size for batch in plan[:-1])
    assert all(0 < len(batch) <= batch_size for batch in plan)


@given(st.lists(lengths_of_rows, max_size=4), st.integers(1, 9))
def test_over_several_blocks_every_pair_comes_once_and_only_the_last_batch_is_short(blocks, batch_size):
    """Pairs stay whole: both sides of each have the lengths they came with."""
    firsts = np.cumsum([0, *map(len, blocks)])
    batches = list(
        batches_of((numbered(block, first) for block, first in zip(blocks, firsts, strict=False)), batch_size, rng())
    )
    assert all(len(batch) == batch_size for batch in batches[:-1])
    assert all(0 < len(batch) <= batch_size for batch in batches)
    lengths = [pair for block in blocks for pair in block]
    came = {}
    for batch in batches:
        for i in range(len(batch)):
            (number,) = set(batch.target[i].tolist())
            assert set(batch.source[i].tolist()) <= {number}
            assert came.setdefault(number, (len(batch.source[i]), len(batch.target[i]))) == lengths[number]
    assert len(came) == sum(map(len, batches)) == len(lengths)


@pytest.mark.parametrize("n", [20_000, 2 * BOTH_SIDES_BELOW])
def test_of_skewed_lengths_less_than_a_tenth_of_a_batch_is_padding(n):
    """In the order they come, more than half would be."""
    lengths, padding, unplanned = skewed_lengths(n), Padding(), Padding()
    assert sum(map(len, batches_of([numbered(lengths)], 64, rng(), padding))) == n
    for first in range(0, n, 64):
        for side in lengths[first : first + 64].T:
            unplanned.add(side)
    assert padding.share < 0.1
    assert unplanned.share > 0.5


def test_sides_of_unrelated_lengths_are_both_heeded():
    """Sorting by one side alone would leave the other as it is, with nearly half of it padding."""
    lengths = rng().integers(1, 60, (20_000, 2))
    padding = Padding()
    for batch in plan_batches(lengths, 64, rng()):
        for side in lengths[batch].T:
            padding.add(side)
    assert padding.share < 0.1


def test_pairs_of_one_length_are_batched_without_padding_and_shuffled():
    padding = Padding()
    batches = list(batches_of([numbered([(6, 3)] * 100)], 8, rng(), padding))
    assert (padding.padded, padding.share) == (0, 0.0)
    assert padding.steps == 100 * 9
    order = [batch.target[i][0] for batch in batches for i in range(len(batch))]
    assert order != sorted(order)


def test_padding_is_counted_by_hand():
    """Steps 3 x 4 with 5 of them padding, and 2 x 1 with none."""
    padding = Padding()
    assert padding.share == 0.0
    padding.add(np.array([4, 2, 1]))
    padding.add(np.array([1, 1]))
    assert (padding.steps, padding.padded, padding.share) == (14, 5, 5 / 14)


def plan(generator, lengths):
    return [batch.source.values.tolist() for batch in batches_of([numbered(lengths)], 16, generator)]


def test_without_a_generator_the_batches_are_the_same_each_time():
    lengths = skewed_lengths(500)
    assert plan(None, lengths) == plan(None, lengths)


def test_one_seed_gives_one_plan_and_another_seed_another():
    lengths = skewed_lengths(500)
    assert plan(rng(1), lengths) == plan(rng(1), lengths)
    assert plan(rng(1), lengths) != plan(rng(2), lengths)


def test_batches_do_not_come_from_short_to_long():
    """Training would else end each epoch on long pairs alone."""
    steps = [batch.source.n_steps for batch in batches_of([numbered(skewed_lengths(5000))], 50, rng())]
    assert abs(np.corrcoef(steps, np.arange(100))[0, 1]) < 0.3


def test_no_pairs_give_no_batch():
    assert list(batches_of([], 4, rng())) == []
    assert list(batches_of([numbered([])], 4, rng())) == []
