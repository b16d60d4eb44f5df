import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.seq2seq.arrays.hashing import (
    is_among,
    mix,
    row_hashes,
    run_hashes,
    sequence_hashes,
    text_hashes,
    unit_interval,
)


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


def test_the_mixer_is_one_to_one_and_scatters_neighbours():
    """Neighbours differ in about half of their 64 bits."""
    mixed = mix(np.arange(10_000, dtype=np.uint64))
    assert len(np.unique(mixed)) == 10_000
    assert np.bitwise_count(mixed[1:] ^ mixed[:-1]).mean() == pytest.approx(32, abs=0.5)


def test_a_texts_hash_is_the_first_64_bits_of_its_digest():
    """The published BLAKE2b, so that a split is the same on every machine."""
    texts = ["", "word", "wörd", "\ud800"]
    expected = [hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in texts]
    assert text_hashes(iter(texts)).tolist() == [int.from_bytes(digest, "little") for digest in expected]


def test_no_texts_have_no_hashes():
    assert text_hashes([]).tolist() == []


def hashes_of(rows, seed=0):
    steps = np.array([step for row in rows for step in row], np.uint64)
    return sequence_hashes(mix(steps), np.cumsum([0, *map(len, rows)]), seed).tolist()


@given(st.lists(st.lists(st.integers(0, 2), max_size=4)))
def test_sequences_agree_in_their_hash_if_they_are_equal_and_only_then(rows):
    """Whatever stands around them, and whether all are of one length or not."""
    alone = {tuple(row): hashes_of([row])[0] for row in rows}
    assert hashes_of(rows) == [alone[tuple(row)] for row in rows]
    assert len(set(alone.values())) == len(alone)


def test_a_zero_more_makes_another_sequence():
    """Even where a step's own hash is 0."""
    nothing = np.zeros(6, np.uint64)
    assert len(set(sequence_hashes(nothing, np.array([0, 0, 1, 3, 6])).tolist())) == 4


def test_a_part_of_longer_sequences_is_hashed_alone():
    rows = [[1, 2], [], [2, 1], [1, 2, 0], [3, 3, 3]]
    steps, offsets = mix(np.array([step for row in rows for step in row], np.uint64)), np.cumsum([0, *map(len, rows)])
    for first, last in ((1, 3), (3, 5), (2, 2)):
        assert sequence_hashes(steps, offsets[first : last + 1]).tolist() == hashes_of(rows)[first:last]


def test_another_seed_gives_other_hashes_of_sequences():
    assert set(hashes_of([[1], [1, 2]], seed=0)).isdisjoint(hashes_of([[1], [1, 2]], seed=1))


def test_fifty_thousand_neighbouring_sequences_do_not_collide():
    rows = np.arange(50_000)
    digits = np.stack([rows // 224, rows % 224], axis=1).astype(np.uint64)
    hashes = sequence_hashes(mix(digits.ravel()), np.arange(50_001) * 2)
    assert len(np.unique(hashes)) == 50_000


@given(st.integers(1, 6), st.integers(0, 9), st.integers(0, 2**32))
def test_runs_of_steps_hash_as_the_sequences_that_they_are(length, more, seed):
    steps = np.random.default_rng(seed).integers(0, 2**64, length + more, dtype=np.uint64)
    runs = [steps[i : i + length] for i in range(more + 1)]
    offsets = np.arange(more + 2, dtype=np.int64) * length
    np.testing.assert_array_equal(run_hashes(steps, length), sequence_hashes(np.concatenate(runs), offsets))
