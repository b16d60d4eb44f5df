"""Hand-written time steps: `E` is the end."""

import numpy as np
import pytest

from tasks.seq2seq.inference.search.hypotheses import Decoded, Turn
from tests.helpers.tables import rows_of

E = 9


def turn(hypotheses, tokens, scores):
    return Turn(np.array(hypotheses), np.array(tokens, np.int32), np.array(scores, np.float32))


# The first says 4 5 and ends, the second ends at once.
TURNS = [turn([0, 1], [4, E], [-1, -8]), turn([0], [5], [-2]), turn([0], [E], [-4])]


def test_a_sequence_ends_before_its_end_and_the_ends_score_counts():
    decoded = Decoded.of_turns(TURNS, 2, 9, E)
    assert rows_of(decoded.tokens) == [(4, 5), ()]
    assert rows_of(decoded.scores) == [(-1, -2, -4), (-8,)]
    assert decoded.log_probability.tolist() == [-7, -8]
    assert decoded.at_limit.tolist() == [False, False]
    assert decoded.counts.tolist() == [1, 1]


def test_what_takes_all_steps_without_an_end_is_cut_by_a_token():
    """An end in the last step is an end."""
    turns = [turn([0, 1], [4, 4], [-1, -1]), turn([0, 1], [5, 5], [-2, -2]), turn([0, 1], [6, E], [-4, -4])]
    decoded = Decoded.of_turns(turns, 2, 3, E)
    assert rows_of(decoded.tokens) == [(4, 5), (4, 5)]
    assert rows_of(decoded.scores) == [(-1, -2), (-1, -2, -4)]
    assert decoded.log_probability.tolist() == [-3, -7]
    assert decoded.at_limit.tolist() == [True, False]


def test_of_one_step_without_an_end_nothing_is_left():
    decoded = Decoded.of_turns([turn([0, 1], [4, E], [-1, -2])], 2, 1, E)
    assert rows_of(decoded.tokens) == [(), ()]
    assert (decoded.log_probability.tolist(), decoded.at_limit.tolist()) == ([0, -2], [True, False])


def test_without_an_end_nothing_is_cut():
    decoded = Decoded.of_turns([turn([0], [4], [-1]), turn([0], [E], [-2]), turn([0], [6], [-4])], 1, 3, None)
    assert (rows_of(decoded.tokens), decoded.at_limit.tolist()) == ([(4, E, 6)], [False])


def test_steps_of_hypotheses_in_any_order_are_put_together():
    turns = [turn([2, 0, 1], [7, 4, 6], [-5, -1, -3]), turn([1, 2], [E, 8], [-4, -6]), turn([2], [E], [-7])]
    decoded = Decoded.of_turns([*turns[:2], turn([2, 0], [E, 5], [-7, -2]), turn([0], [E], [-9])], 3, 9, E)
    assert rows_of(decoded.tokens) == [(4, 5), (6,), (7, 8)]
    assert rows_of(decoded.scores) == [(-1, -2, -9), (-3, -4), (-5, -6, -7)]


def test_hypotheses_are_ranked_by_their_penalised_score():
    """-7 of 3 tokens and -8 of one, the end counted: the first is divided by (8 / 6) ** 2, the other by 1."""
    decoded = Decoded.of_turns(TURNS, 2, 9, E, penalty=2.0)
    assert decoded.rank == pytest.approx([-7 / (8 / 6) ** 2, -8])
    assert decoded.log_probability.tolist() == [-7, -8]


def test_hypotheses_are_taken_by_source_and_the_best_by_itself():
    four = Decoded.of_turns([turn(range(4), [4, 5, 6, 7], [-1, -2, -3, -4]), turn(range(4), [E] * 4, [0] * 4)], 4, 9, E)
    two_each = four.take_hypotheses(np.array([1, 0, 3]), np.array([2, 1]))
    assert (rows_of(two_each.tokens), two_each.counts.tolist()) == ([(5,), (4,), (7,)], [2, 1])
    decoded = two_each.take(np.array([1, 0, 1]))
    assert rows_of(decoded.tokens) == [(7,), (5,), (4,), (7,)]
    assert decoded.counts.tolist() == [1, 2, 1]
    assert decoded.log_probability.tolist() == [-4, -2, -1, -4]
    assert rows_of(decoded.best().tokens) == [(7,), (5,), (7,)]
    assert decoded.best().counts.tolist() == [1, 1, 1]


def test_parts_are_put_together_in_order_and_nothing_is_nothing():
    decoded = Decoded.of_turns(TURNS, 2, 9, E)
    twice = Decoded.concatenate([decoded, decoded])
    assert rows_of(twice.tokens) == 2 * rows_of(decoded.tokens)
    assert rows_of(twice.scores) == 2 * rows_of(decoded.scores)
    for name in ("counts", "log_probability", "rank", "at_limit"):
        assert getattr(twice, name).tolist() == 2 * getattr(decoded, name).tolist()
    assert len(Decoded.nothing().tokens) == len(Decoded.nothing().take(np.zeros(0, np.int64)).rank) == 0
    assert rows_of(Decoded.concatenate([Decoded.nothing(), decoded]).tokens) == rows_of(decoded.tokens)
