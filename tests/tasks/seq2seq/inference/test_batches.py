import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.seq2seq.inference import batches as module
from tasks.seq2seq.inference.batches import MOST_SOURCES, batches, padded_width
from tasks.seq2seq.settings.architecture import Architecture, Side
from tests.helpers.kinds import settings_of
from tests.helpers.random_models import random_engine

SIDE = Side(9)


def engine(*, masked=True, **kind):
    return random_engine(Architecture(SIDE, SIDE, masked, settings_of(kind)))


@pytest.fixture(scope="module")
def plain():
    return engine()


@pytest.fixture(scope="module")
def attending():
    """Keeps 8 numbers of each step of a source."""
    return engine(attention="luong_dot")


def cut(found):
    return [(batch.part.start, batch.part.stop, batch.width) for batch in found]


def test_sources_are_padded_to_the_longest_of_their_batch_where_padding_changes_nothing(plain):
    steps = np.array([1, 1, 2, 5, 9, 9, 40])
    assert cut(batches(plain, steps, 3)) == [(0, 3, 2), (3, 6, 9), (6, 7, 40)]
    assert cut(batches(plain, steps)) == [(0, 7, 40)]


def test_with_attention_sources_are_padded_to_a_width_of_their_own(attending):
    """The next multiple of 4 of short ones; no batch holds two widths."""
    steps = np.array([1, 3, 4, 5, 8, 9, 12, 12])
    assert cut(batches(attending, steps)) == [(0, 3, 4), (3, 5, 8), (5, 8, 12)]
    assert cut(batches(attending, steps, 2)) == [(0, 2, 4), (2, 3, 4), (3, 5, 8), (5, 7, 12), (7, 8, 12)]


@pytest.mark.parametrize(
    ("steps", "width"),
    [(0, 0), (1, 4), (4, 4), (5, 8), (31, 32), (33, 36), (63, 64), (64, 64), (65, 72), (127, 128), (400, 416)],
)
def test_a_long_source_is_padded_by_an_eighth_at_most(attending, plain, steps, width):
    assert padded_width(attending, steps) == width
    assert width <= max(steps + 3, steps * 9 / 8)
    assert padded_width(plain, steps) == steps


def test_every_width_is_its_own(attending):
    """So that what is padded once is padded no further."""
    widths = {padded_width(attending, steps) for steps in range(1, 2_000)}
    assert all(padded_width(attending, width) == width for width in widths)


def test_nothing_is_padded_where_sources_are_of_one_length():
    unmasked = engine(masked=False, attention="luong_dot")
    assert padded_width(unmasked, 5) == 5
    assert cut(batches(unmasked, np.full(7, 5), 4)) == [(0, 4, 5), (4, 7, 5)]


@pytest.mark.parametrize("kind", ["plain", "attending"])
@pytest.mark.parametrize("most", [1, 7, MOST_SOURCES])
def test_every_source_is_in_one_batch_that_is_wide_enough_and_no_larger_than_asked(kind, most, request):
    steps = np.sort(np.random.default_rng(most).integers(1, 300, 2_000))
    found = cut(batches(request.getfixturevalue(kind), steps, most))
    assert [first for first, _, _ in found] == [0, *(last for _, last, _ in found[:-1])]
    assert found[-1][1] == 2_000
    for first, last, width in found:
        assert 1 <= last - first <= most
        assert steps[last - 1] <= width


def test_the_memory_of_a_batch_is_limited_but_one_source_is_always_decoded(attending, plain, monkeypatch):
    monkeypatch.setattr(module, "MOST_MEMORY", 8 * 12 * 4)
    steps = np.full(6, 12)
    assert cut(batches(attending, steps)) == [(0, 4, 12), (4, 6, 12)]
    assert cut(batches(attending, steps, hypotheses=2)) == [(0, 2, 12), (2, 4, 12), (4, 6, 12)]
    assert cut(batches(attending, steps, hypotheses=99)) == [(i, i + 1, 12) for i in range(6)]
    assert cut(batches(plain, steps, hypotheses=99)) == [(0, 6, 12)]


def test_no_sources_are_in_no_batch(attending, plain):
    for one in (attending, plain):
        assert batches(one, np.zeros(0, np.int64)) == []


@pytest.mark.parametrize("name", ["plain", "attending"])
@given(
    lengths=st.lists(st.integers(1, 700), max_size=60).map(sorted),
    most=st.integers(1, 50),
    hypotheses=st.integers(1, 9),
)
def test_every_source_is_in_one_batch_that_is_wide_enough_and_how_wide_follows_from_its_length_with_attention(
    request, name, lengths, most, hypotheses
):
    one = request.getfixturevalue(name)
    found = batches(one, np.array(lengths, np.int64), most, hypotheses)
    assert [place for batch in found for place in range(len(lengths))[batch.part]] == [*range(len(lengths))]
    for batch in found:
        part = lengths[batch.part]
        assert 1 <= len(part) <= most
        assert max(part) <= batch.width <= max(part) * 9 / 8 + 4
        if one.attends:
            assert {padded_width(one, length) for length in part} == {batch.width}
