import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.seq2seq.data.problems import PROBLEMS, Dimensions, make_targets
from tasks.seq2seq.data.synthetic import CHUNK_ROWS, check_fresh_sources, draw_fresh, draw_training
from tasks.seq2seq.errors import SettingsError

SIZE = Dimensions(6, 3, 50)
NONE = np.empty((0, 6), np.int32)


def rows(sequences):
    return {tuple(row) for row in sequences.padded().tolist()}


def test_the_fresh_set_holds_as_many_different_sources_as_asked():
    fresh = draw_fresh("reverse_first", Dimensions(2, 1, 20), 200, seed=0)
    assert len(fresh) == 200
    assert len(rows(fresh.source)) == 200


@pytest.mark.parametrize("name", PROBLEMS)
def test_fresh_pairs_carry_the_right_answers(name):
    size = Dimensions(7, 4, 11) if name == "addition" else Dimensions(6, 6, 50)
    fresh = draw_fresh(name, size, 20, seed=3)
    assert fresh.target.padded().tolist() == make_targets(name, fresh.source.padded(), size).tolist()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31 - 1), n_fresh=st.integers(1, 8))
def test_training_never_sees_a_fresh_source(seed, n_fresh):
    """Even where half of only 16 sources are fresh; what is left is all used."""
    size = Dimensions(4, 4, 2)
    fresh = draw_fresh("copy", size, n_fresh, seed)
    (training,) = draw_training("copy", size, 500, seed, fresh.source.padded())
    assert len(training) == 500
    assert rows(training.source).isdisjoint(rows(fresh.source))
    assert len(rows(training.source)) == 16 - n_fresh


def test_sources_that_are_drawn_again_get_their_own_answers():
    fresh = draw_fresh("reverse", Dimensions(4, 4, 2), 8, seed=0)
    (training,) = draw_training("reverse", Dimensions(4, 4, 2), 500, 0, fresh.source.padded())
    assert training.target.padded().tolist() == training.source.padded()[:, ::-1].tolist()


def test_one_seed_always_draws_the_same_and_another_draws_otherwise():
    def draw(seed):
        fresh = draw_fresh("reverse_first", SIZE, 50, seed)
        (training,) = draw_training("reverse_first", SIZE, 50, seed, fresh.source.padded())
        return fresh.source.values.tolist(), training.source.values.tolist()

    assert draw(7) == draw(7)
    assert draw(7)[0] != draw(8)[0]
    assert draw(7)[1] != draw(8)[1]


def test_training_and_fresh_set_come_from_separate_streams():
    fresh = draw_fresh("reverse_first", SIZE, 50, seed=0)
    (training,) = draw_training("reverse_first", SIZE, 100, 0, NONE)
    assert rows(fresh.source).isdisjoint(rows(training.source))


def test_a_chunk_is_the_same_however_many_follow_it():
    longer = list(draw_training("reverse_first", SIZE, CHUNK_ROWS + 10, 0, NONE))
    (shorter,) = draw_training("reverse_first", SIZE, CHUNK_ROWS, 0, NONE)
    assert [len(chunk) for chunk in longer] == [CHUNK_ROWS, 10]
    assert np.array_equal(longer[0].source.values, shorter.source.values)
    assert not np.array_equal(longer[1].source.values, shorter.source.part(0, 10).padded().ravel())


def test_a_fresh_set_may_take_half_of_all_sources_and_no_more():
    size = Dimensions(2, 2, 3)  # 9 sources
    check_fresh_sources("copy", size, 4)
    with pytest.raises(SettingsError, match=r"evaluation\.n_samples asks for 5 .* only 9 .* to 4 or fewer"):
        check_fresh_sources("copy", size, 5)
    with pytest.raises(SettingsError, match="only 9"):
        draw_fresh("copy", size, 5, seed=0)
