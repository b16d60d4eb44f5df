"""Greedy decoding of one table that all sources share, and of tables whose sequences end after 0 to 60 steps."""

import math

import numpy as np
import pytest

from tasks.seq2seq.arrays.hashing import mix
from tasks.seq2seq.arrays.random_draws import drawn_numbers
from tasks.seq2seq.inference.search.choices import sampler
from tasks.seq2seq.inference.search.step_by_step import decode_step_by_step, forecast
from tasks.seq2seq.inference.search.step_function import Encoded
from tests.helpers.tables import Counted, Tables, by_source, greedy_in_python, rows_of

# The probability of each next token (column) after each token (row): from 0 the greedy path is 2, 1, 3, 0, 2 ...
NEXT = np.array([[0.1, 0.2, 0.6, 0.1], [0.2, 0.1, 0.2, 0.5], [0.3, 0.4, 0.2, 0.1], [0.7, 0.1, 0.1, 0.1]], np.float32)
# What each step of a greedy path adds, by its token: 2 from 0, 1 from 2, 3 from 1, 0 from 3.
LIKELY = {2: 0.6, 1: 0.4, 3: 0.5, 0: 0.7}
NO_STATE = Encoded([np.zeros((1, 0))], [])


def next_token(tokens, state, _memory):
    return np.log(NEXT[tokens]), state


def decoded(start, n_steps, end=None):
    """Tokens and log-probabilities of one source."""
    return decode_step_by_step(next_token, NO_STATE, start, n_steps, end)


def test_greedy_takes_the_likeliest_token_at_each_step():
    tokens = decoded(0, 3).tokens
    assert rows_of(tokens) == [(2, 1, 3)]
    assert tokens.values.dtype == np.int32


@pytest.mark.parametrize("n_steps", [1, 3, 40])
def test_the_log_probability_is_the_sum_along_the_path(n_steps):
    found = decoded(0, n_steps)
    expected = [[2, 1, 3, 0][i % 4] for i in range(n_steps)]
    assert rows_of(found.tokens) == [tuple(expected)]
    assert found.scores.values == pytest.approx(np.log([LIKELY[token] for token in expected]), abs=1e-6)
    assert found.log_probability == pytest.approx([math.log(math.prod(LIKELY[token] for token in expected))], rel=1e-5)


def test_the_step_function_is_given_its_last_tokens_state_and_memory():
    seen = []

    def step(tokens, state, memory):
        seen.append((tokens.tolist(), state[0].tolist(), memory))
        return next_token((tokens + state[0]) % 4, state, memory)[0], [state[0] + 2]

    memory = [np.array([7, 8])]
    decode_step_by_step(step, Encoded([np.array([0, 1])], memory), 0, n_steps=3)
    assert seen == [([0, 0], [0, 1], memory), ([2, 3], [2, 3], memory), ([2, 1], [4, 5], memory)]


@pytest.mark.parametrize(
    ("start", "tokens", "probability"),
    [(0, (2, 1), 0.6 * 0.4 * 0.5), (1, (), 0.5), (3, (0, 2, 1), 0.7 * 0.6 * 0.4 * 0.5)],
)
def test_a_sequence_ends_before_its_end_whose_probability_counts(start, tokens, probability):
    found = decoded(start, 6, end=3)
    assert (rows_of(found.tokens), found.at_limit.tolist()) == ([tokens], [False])
    assert found.scores.lengths.tolist() == [len(tokens) + 1]
    assert np.exp(found.log_probability) == pytest.approx([probability])


@pytest.mark.parametrize(
    ("n_steps", "tokens", "is_cut", "probability"),
    [(1, (), True, 1), (2, (2,), True, 0.6), (3, (2, 1), False, 0.12), (4, (2, 1), False, 0.12)],
)
def test_an_end_at_the_last_step_is_an_end_and_a_missing_one_cuts_a_token(n_steps, tokens, is_cut, probability):
    """Where the end and the largest length meet in one step, the sequence still ends."""
    found = decoded(0, n_steps, end=3)
    assert (rows_of(found.tokens), found.at_limit.tolist()) == ([tokens], [is_cut])
    assert np.exp(found.log_probability) == pytest.approx([probability])


def test_without_an_end_every_step_is_taken_and_nothing_is_cut():
    found = decoded(0, 30)
    assert (found.tokens.lengths.tolist(), found.at_limit.tolist()) == ([30], [False])


def counted(steps, n_steps, end, *, n_histories=1009):
    """The rows of each step, of sources that each end at their own step, if ever."""
    table = Counted(len(steps), 4, n_histories, spread=0).favour(2, -50).favour(1, 9)
    for source, step in enumerate(steps):
        code = 0
        for _ in range(step):
            code = table.after(code, 1)
        table.logits[source, code, 2] = 50
    found = decode_step_by_step(table.step, table.encoded(), 0, n_steps, end)
    assert found.tokens.lengths.tolist() == [min(step, n_steps - 1) for step in steps]
    return table.rows


@pytest.mark.parametrize(("steps", "taken"), [([0], 1), ([0, 2], 3), ([3, 0, 1], 4)])
def test_no_step_is_taken_once_all_have_ended(steps, taken):
    assert len(counted(steps, 50, end=2)) == taken


def test_no_more_steps_are_taken_than_asked_for():
    assert len(counted([9, 1], 4, end=2)) == 4


def test_sources_that_have_ended_are_dropped_once_they_are_a_quarter():
    """Of 8, one ends in the second step and is kept; with another they are dropped; then each one of those left."""
    assert counted([1, 2, 4, 4, 4, 4, 6, 9], 20, end=2) == [8, 8, 8, 6, 6, 2, 2, 1, 1, 1]


END, N_STEPS, N = 2, 60, 120


class Drawn:
    """120 sources decoded by a method, and which of them."""

    def __init__(self, method):
        self.table = Tables(N, 9, 1009, seed=2).favour(END, np.tile(np.linspace(-4, 2, 40), 3))
        self.options = {"choose": sampler(1.2, 5)} if method == "sample" else {}
        self.keys = mix(np.arange(N, dtype=np.uint64))
        self.whole = self.decode(np.arange(N))

    def decode(self, sources):
        options = self.options | ({"keys": self.keys[sources]} if self.options else {})
        return decode_step_by_step(self.table.step, self.table.encoded(sources), 0, N_STEPS, END, **options)


@pytest.fixture(scope="module", params=["greedy", "sample"])
def drawn(request):
    return Drawn(request.param)


def assert_same(found, expected):
    """To the last bit."""
    for name in ("tokens", "scores"):
        assert rows_of(getattr(found, name)) == rows_of(getattr(expected, name))
    for name in ("counts", "log_probability", "rank", "at_limit"):
        assert getattr(found, name).tolist() == getattr(expected, name).tolist()


def test_the_lengths_differ_so_that_a_mistake_would_be_seen(drawn):
    steps = drawn.whole.scores.lengths
    assert min(np.bincount(steps // 16, minlength=4)[:4]) >= 3
    assert 0.02 < drawn.whole.at_limit.mean() < 0.6
    assert len(set(rows_of(drawn.whole.tokens))) > 0.6 * N


def test_a_source_alone_is_decoded_as_among_others(drawn):
    for source in range(0, N, 5):
        assert_same(drawn.decode(np.array([source])), drawn.whole.take(np.array([source])))


@pytest.mark.parametrize("seed", range(4))
def test_sources_are_decoded_the_same_in_any_order_and_company(drawn, seed):
    rng = np.random.default_rng(seed)
    sources = rng.choice(N, rng.integers(2, N), replace=seed % 2 == 0)
    assert_same(drawn.decode(sources), drawn.whole.take(sources))


@pytest.mark.parametrize("end", [END, None])
def test_greedy_decoding_is_that_of_a_plain_loop(end):
    table = Drawn("greedy").table
    whole = decode_step_by_step(table.step, table.encoded(), 0, N_STEPS, end)
    for source, ((tokens, rank, cut),) in enumerate(by_source(whole)):
        expected, scores, expected_cut = greedy_in_python(table, source, N_STEPS, end)
        assert (tokens, cut) == (expected, expected_cut)
        assert whole.scores[source] == pytest.approx(scores, abs=1e-5)
        assert rank == whole.log_probability[source] == pytest.approx(sum(scores), abs=1e-4)


@pytest.mark.parametrize(("n_steps", "end"), [(3, None), (20, None), (20, 3)])
def test_each_step_of_each_row_draws_by_its_own_number(n_steps, end):
    """Of a table that says the same after every token; also once others have ended and were dropped."""
    shares, keys = np.array([0.2, 0.4, 0.1, 0.3]), mix(np.arange(50, dtype=np.uint64))
    step = lambda tokens, state, _: (np.tile(np.log(shares).astype(np.float32), (len(tokens), 1)), state)  # noqa: E731
    found = decode_step_by_step(step, Encoded([np.zeros(50)], []), 0, n_steps, end, sampler(), keys)
    expected = np.searchsorted(np.cumsum(shares), drawn_numbers(keys, 0, n_steps), side="right")
    for row, tokens in zip(expected.tolist(), rows_of(found.tokens), strict=True):
        ends = row.index(end) if end in row else n_steps - (end is not None)
        assert tokens == tuple(row[:ends])


def test_a_forecast_feeds_back_what_it_predicted_and_begins_with_zeros():
    def step(vectors, state, memory):
        return 2 * vectors + state[0] + memory[0], [state[0] + 1]

    encoded = Encoded([np.array([[0.0], [1.0]], np.float32)], [np.array([[0.0, 0.5], [0.0, 0.0]], np.float32)])
    found = forecast(step, encoded, 2, 3)
    assert found.tolist() == [[[0, 0.5], [1, 2.5], [4, 7.5]], [[1, 1], [4, 4], [11, 11]]]
    assert found.dtype == np.float32
