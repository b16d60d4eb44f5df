from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.storage.ingest import duplicates as repeats
from tasks.storage.ingest.duplicates import RepeatCounter, Repeats


def count(folder, rows, block=5):
    """Rows are (source, target, split)."""
    counter = RepeatCounter(folder / "repeats")
    for first in range(0, len(rows), block):
        source, target, split = (np.array(column) for column in zip(*rows[first : first + block], strict=True))
        # A hash of a pair is one to one here, and no hash of a source.
        pair = (source * 1000 + target + 1).astype(np.uint64)
        counter.add(source.astype(np.uint64), pair, split.astype(np.int8))
    result = counter.finish()
    assert not (folder / "repeats").exists()
    return result


def brute_force(rows):
    targets = {}
    for source, target, _ in rows:
        targets.setdefault(source, set()).add(target)
    trained = {source for source, _, split in rows if split == 0}
    return Repeats(
        duplicates=sum(n - 1 for n in Counter((source, target) for source, target, _ in rows).values()),
        conflicts=sum(len(of_source) > 1 for of_source in targets.values()),
        validation_overlap=sum(source in trained for source, _, split in rows if split == 1),
        test_overlap=sum(source in trained for source, _, split in rows if split == 2),
    )


ROWS = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 3), st.integers(0, 2)), max_size=60)
FEW = st.lists(st.tuples(st.sampled_from([0, 64, 3]), st.integers(0, 3), st.integers(0, 2)), max_size=30)


@pytest.mark.seconds
@given(ROWS | FEW)
def test_repeats_are_counted_as_by_hand(tmp_path_factory, rows):
    assert count(tmp_path_factory.mktemp("count"), rows) == brute_force(rows)


@pytest.mark.seconds
@given(FEW, st.randoms())
def test_the_order_of_rows_does_not_matter(tmp_path_factory, rows, random):
    shuffled = random.sample(rows, len(rows))
    folder = tmp_path_factory.mktemp("count")
    assert count(folder, rows) == count(folder, shuffled, block=7)


def test_rows_beyond_the_buffers_are_counted_too(tmp_path, monkeypatch):
    monkeypatch.setattr(repeats, "BUFFERED_ROWS", 7)
    rng = np.random.default_rng(0)
    rows = list(zip(*(rng.integers(0, n, 5_000).tolist() for n in (700, 3, 3)), strict=True))
    assert count(tmp_path, rows, block=100) == brute_force(rows)


def test_nothing_repeats_where_there_is_nothing(tmp_path):
    assert count(tmp_path, []) == Repeats(0, 0, 0, 0)


def test_a_triple_is_two_duplicates_and_no_conflict(tmp_path):
    assert count(tmp_path, [(1, 2, 0)] * 3) == Repeats(2, 0, 0, 0)


def test_a_source_with_three_targets_is_one_conflict(tmp_path):
    assert count(tmp_path, [(1, 1, 0), (1, 2, 0), (1, 3, 1), (2, 1, 0)]) == Repeats(0, 1, 1, 0)
