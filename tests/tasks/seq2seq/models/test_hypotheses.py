"""Hand-written segments: `E` is the end."""

import numpy as np
import pytest

from tasks.seq2seq.models.hypotheses import Decoded, Part, rank_hypotheses
from tests.helpers.tables import rows_of

E = 9
NO = -np.inf


def part(rows, tokens, scores, origin=None):
    return Part(
        np.array(rows), np.array(tokens, np.int32), np.array(scores, np.float32),
        None if origin is None else np.array(origin, np.int32),
    )  # fmt: skip


def test_a_sequence_ends_before_its_end_and_the_ends_score_counts():
    decoded = rank_hypotheses([part([0, 1], [[[4, 5, E]], [[E, E, E]]], [[[-1, -2, -4]], [[-8, 0, 0]]])], 2, 3, E)
    assert rows_of(decoded.tokens) == [(4, 5), ()]
    assert rows_of(decoded.scores) == [(-1, -2, -4), (-8,)]
    assert decoded.log_probability.tolist() == [-7, -8]
    assert decoded.at_limit.tolist() == [False, False]


def test_what_takes_all_steps_without_an_end_is_cut_by_a_token():
    decoded = rank_hypotheses([part([0, 1], [[[4, 5, 6]], [[4, 5, E]]], [[[-1, -2, -4]], [[-1, -2, -4]]])], 2, 3, E)
    assert rows_of(decoded.tokens) == [(4, 5), (4, 5)]
    assert rows_of(decoded.scores) == [(-1, -2), (-1, -2, -4)]
    assert decoded.log_probability.tolist() == [-3, -7]
    assert decoded.at_limit.tolist() == [True, False]


def test_without_an_end_nothing_is_cut():
    decoded = rank_hypotheses([part([0], [[[4, E, 6]]], [[[-1, -2, -4]]])], 1, 3, None)
    assert (rows_of(decoded.tokens), decoded.at_limit.tolist()) == ([(4, E, 6)], [False])


def test_segments_of_fewer_and_fewer_sources_are_put_together():
    decoded = rank_hypotheses(
        [
            part([0, 1, 2], [[[4, 5]], [[6, E]], [[7, 8]]], [[[-1, -2]], [[-3, -4]], [[-5, -6]]]),
            part([0, 2], [[[E, E]], [[4, 5]]], [[[-7, 0]], [[-8, -9]]]),
            part([2], [[[6, E]]], [[[-10, -11]]]),
        ],
        3, 6, E,
    )  # fmt: skip
    assert rows_of(decoded.tokens) == [(4, 5), (6,), (7, 8, 4, 5, 6)]
    assert rows_of(decoded.scores) == [(-1, -2, -7), (-3, -4), (-5, -6, -8, -9, -10, -11)]
    assert decoded.log_probability.tolist() == [-10, -7, -49]
    assert not decoded.at_limit.any()


BEAM = [
    part([0, 1], [[[4], [5]], [[6], [7]]], [[[-1], [-2]], [[-1], [-4]]]),
    part([0, 1], [[[4], [E]], [[E], [E]]], [[[-3], [-4]], [[-2], [-5]]], [[1, 0], [0, 1]]),
    part([0], [[[E], [E]]], [[[0], [-8]]], [[1, 0]]),
]


def test_a_hypothesis_is_followed_back_through_its_origins():
    """Of the first source, one goes 4 end, the other 5 4 end; the second source's end a segment before."""
    decoded = rank_hypotheses(BEAM, 2, 5, E, n_best=2)
    assert rows_of(decoded.tokens) == [(4,), (5, 4), (6,), (7,)]
    assert rows_of(decoded.scores) == [(-1, -4), (-2, -3, -8), (-1, -2), (-4, -5)]
    assert decoded.counts.tolist() == [2, 2]


def test_hypotheses_are_ranked_by_their_penalised_score():
    """-5 and -13 of 2 and 3 tokens: by length to the power of 8, the longer is the better."""
    decoded = rank_hypotheses(BEAM, 2, 5, E, penalty=8.0)
    assert rows_of(decoded.tokens) == [(5, 4), (6,)]
    assert decoded.log_probability.tolist() == [-13, -3]
    assert decoded.rank == pytest.approx([-13 / (8 / 6) ** 8, -3 / (7 / 6) ** 8])


def test_a_hypothesis_that_does_not_exist_is_left_out_also_where_a_later_step_tells():
    parts = [
        part([0], [[[4], [E], [E]]], [[[-1], [-2], [-2]]]),
        part([0], [[[E], [E], [E]]], [[[-3], [0], [NO]]], [[0, 1, 1]]),
    ]
    decoded = rank_hypotheses(parts, 1, 5, E, n_best=3)
    assert (rows_of(decoded.tokens), decoded.counts.tolist()) == ([(), (4,)], [2])


def test_hypotheses_are_taken_by_source_and_the_best_by_itself():
    decoded = rank_hypotheses(BEAM, 2, 5, E, n_best=2).take(np.array([1, 0, 1]))
    assert rows_of(decoded.tokens) == [(6,), (7,), (4,), (5, 4), (6,), (7,)]
    assert rows_of(decoded.best().tokens) == [(6,), (4,), (6,)]
    assert decoded.best().counts.tolist() == [1, 1, 1]
    twice = Decoded.concatenate([decoded, decoded])
    assert rows_of(twice.tokens) == 2 * rows_of(decoded.tokens)
    assert twice.rank.tolist() == 2 * decoded.rank.tolist()
    assert len(Decoded.nothing().tokens) == len(Decoded.nothing().take(np.zeros(0, np.int64)).rank) == 0
