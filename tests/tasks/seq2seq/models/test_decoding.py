import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.seq2seq.models.decoding import StepByStep, greedy, likeliest, sampler
from tasks.seq2seq.models.tensors import UNROLLED_STEPS

# The probability of each next token (column) after each token (row): from 0 the greedy path is 2, 1, 3, 0, 2 ...
NEXT = np.array([[0.1, 0.2, 0.6, 0.1], [0.2, 0.1, 0.2, 0.5], [0.3, 0.4, 0.2, 0.1], [0.7, 0.1, 0.1, 0.1]], np.float32)
# What each step of a greedy path adds, by its token: 2 from 0, 1 from 2, 3 from 1, 0 from 3.
LIKELY = {2: 0.6, 1: 0.4, 3: 0.5, 0: 0.7}


def table_step(tokens, state, _memory):
    """Logits are log-probabilities but for a constant, as a model's are."""
    return tf.math.log(tf.gather(NEXT, tokens)) + 5, state


class Counted:
    """A table that counts the steps taken from it, in a graph too."""

    def __init__(self):
        self.steps = tf.Variable(0)

    def __call__(self, tokens, state, memory):
        self.steps.assign_add(1)
        return table_step(tokens, state, memory)


def ids(*tokens):
    return np.array(tokens, np.int32)


def decoded(start, n_steps, end=None, step=table_step, *, graph=False):
    """Tokens and probabilities."""
    decode = tf.function(greedy, autograph=False) if graph else greedy
    tokens, log_probability = decode(step, [], tf.constant(ids(*start)), n_steps, end)
    return np.asarray(tokens).tolist(), np.exp(log_probability)


def test_greedy_takes_the_likeliest_token_at_each_step():
    tokens, _ = greedy(table_step, [], ids(0), n_steps=3)
    assert np.asarray(tokens).tolist() == [[2, 1, 3]]
    assert np.asarray(tokens).dtype == np.int32


def test_the_log_probability_is_the_sum_along_the_path():
    _, log_probability = greedy(table_step, [], ids(0), n_steps=3)
    assert np.asarray(log_probability) == pytest.approx([math.log(0.6 * 0.4 * 0.5)])


def test_each_sequence_of_a_batch_goes_its_own_way():
    tokens, probability = decoded((0, 1, 3), 2)
    assert tokens == [[2, 1], [3, 0], [0, 2]]
    assert probability == pytest.approx([0.6 * 0.4, 0.5 * 0.7, 0.7 * 0.6])


def test_the_step_function_is_given_its_last_tokens_and_state():
    seen = []

    def step(tokens, state, memory):
        seen.append((np.asarray(tokens).tolist(), state))
        return table_step(tokens, state + 1, memory)

    greedy(step, 0, ids(0, 1), n_steps=3)
    assert seen == [([0, 1], 0), ([2, 3], 1), ([1, 0], 2)]


@pytest.mark.parametrize("n_steps", [UNROLLED_STEPS, UNROLLED_STEPS + 1, 2 * UNROLLED_STEPS])
def test_a_long_decode_goes_on_as_a_short_one_begins(n_steps):
    """Beyond some steps a loop takes over."""
    (tokens,), probability = decoded((0,), n_steps, graph=True)
    assert tokens == [[2, 1, 3, 0][i % 4] for i in range(n_steps)]
    assert probability == pytest.approx([math.prod(LIKELY[token] for token in tokens)], rel=1e-4)


def test_the_loop_hands_the_state_on():
    """A state that counts down picks the token; without an end and with one."""

    def step(tokens, state, memory):
        return tf.one_hot(tf.minimum(state, 3), 4) * 9, state - 1

    for end, n_steps in ((None, 20), (0, 20)):
        tokens, _ = greedy(step, tf.constant([5, 2]), tf.constant(ids(1, 1)), n_steps, end)
        assert np.asarray(tokens)[:, :6].tolist() == [[3, 3, 3, 2, 1, 0], [2, 1, 0, 0, 0, 0]]


@pytest.mark.parametrize("graph", [False, True])
def test_a_sequence_that_has_ended_keeps_its_end_and_its_log_probability(graph):
    """With 3 as the end, one takes three steps, one a single step, and one four; the end's own step counts."""
    tokens, probability = decoded((0, 1, 3), 6, end=3, graph=graph)
    assert tokens == [[2, 1, 3, 3, 3, 3], [3, 3, 3, 3, 3, 3], [0, 2, 1, 3, 3, 3]]
    assert probability == pytest.approx([0.6 * 0.4 * 0.5, 0.5, 0.7 * 0.6 * 0.4 * 0.5])


@pytest.mark.parametrize(("n_steps", "tokens"), [(2, [2, 1]), (3, [2, 1, 3]), (4, [2, 1, 3, 3])])
def test_an_end_at_the_last_step_is_an_end_and_a_missing_one_is_none(n_steps, tokens):
    """Where the end and the largest length meet in one step, the sequence still ends."""
    found, probability = decoded((0,), n_steps, end=3)
    assert found == [tokens]
    assert probability == pytest.approx([0.6 * 0.4 if n_steps == 2 else 0.6 * 0.4 * 0.5])


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize(("start", "steps"), [((1,), 1), ((0, 1), 3), ((3, 0), 4)])
def test_no_step_is_taken_once_all_have_ended(start, steps, graph):
    counted = Counted()
    tokens, _ = decoded(start, 50, end=3, step=counted, graph=graph)
    assert int(counted.steps) == steps
    assert np.shape(tokens) == (len(start), 50)


def test_no_more_steps_are_taken_than_asked_for():
    counted = Counted()
    decoded((0,), 2, end=3, step=counted)
    assert int(counted.steps) == 2


def test_without_an_end_every_step_is_taken():
    """The token 3 ends nothing here, in the loop as little as before it."""
    for n_steps in (5, 30):
        counted = Counted()
        decoded((0,), n_steps, step=counted, graph=True)
        assert int(counted.steps) == n_steps


# Logits whose softmax is 0.4, 0.3, 0.2, 0.1, in no order.
LOGITS = np.log(np.array([0.2, 0.4, 0.1, 0.3])).astype(np.float32) + 7
EVENLY = (np.arange(10_000) + 0.5) / 10_000
LARGEST = 1 - 2.0**-53


def drawn(choose, logits, uniform=EVENLY):
    """Tokens and log-probabilities by one row of logits for each number."""
    tokens, scores = choose(tf.tile(tf.constant(logits)[None], (len(uniform), 1)), tf.constant(uniform, tf.float64))
    return np.asarray(tokens), np.asarray(scores)


def shares(choose, logits=LOGITS):
    tokens, _ = drawn(choose, logits)
    return np.bincount(tokens, minlength=len(logits)) / len(tokens)


def test_tokens_are_drawn_by_their_probabilities():
    """Evenly spread numbers give every token its share."""
    assert shares(sampler()) == pytest.approx([0.2, 0.4, 0.1, 0.3], abs=2e-4)


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_a_temperature_raises_probabilities_to_a_power(temperature):
    expected = np.array([0.2, 0.4, 0.1, 0.3]) ** (1 / temperature)
    assert shares(sampler(temperature)) == pytest.approx(expected / expected.sum(), abs=2e-4)


def test_only_the_likeliest_are_drawn_from():
    assert shares(sampler(top_k=2)) == pytest.approx([0, 4 / 7, 0, 3 / 7], abs=2e-4)
    assert shares(sampler(top_k=3)) == pytest.approx([2 / 9, 4 / 9, 0, 3 / 9], abs=2e-4)
    assert shares(sampler(top_k=99)) == pytest.approx([0.2, 0.4, 0.1, 0.3], abs=2e-4)


def test_the_log_probability_of_a_drawn_token_is_the_models_own():
    """Whatever the temperature, and however few it was drawn from."""
    for choose in (sampler(), sampler(0.3), sampler(2.0, 2)):
        tokens, scores = drawn(choose, LOGITS)
        assert np.exp(scores) == pytest.approx(np.array([0.2, 0.4, 0.1, 0.3])[tokens], abs=1e-6)


@pytest.mark.parametrize("temperature", [5e-324, 1e-3])
def test_at_a_temperature_of_nearly_nothing_the_likeliest_token_is_drawn(temperature):
    assert shares(sampler(temperature)).tolist() == [0, 1, 0, 0]


@given(
    logits=arrays(np.float32, st.integers(2, 40), elements=st.floats(-80, 80, width=32)),
    impossible=st.sets(st.integers(0, 39)),
    temperature=st.floats(0.01, 100),
    top_k=st.none() | st.integers(1, 50),
)
def test_no_impossible_token_is_drawn_even_by_the_largest_number(logits, impossible, temperature, top_k):
    """Nor one that is not among the likeliest, nor by the smallest number; nor where sums are rounded."""
    logits[[i for i in impossible if i < len(logits) - 1]] = -np.inf
    tokens, scores = drawn(sampler(temperature, top_k), logits, np.array([0.0, 0.5, LARGEST]))
    assert np.isfinite(scores).all()
    likely = np.sort(logits)[::-1][: top_k or len(logits)]
    assert (logits[tokens] >= likely[-1]).all()
    assert (logits[tokens] > -np.inf).all()


def test_of_many_tokens_the_last_is_drawn_by_the_largest_number_alone():
    logits = np.zeros(50_000, np.float32)
    tokens, _ = drawn(sampler(), logits, np.array([0, 0.5, 1 - 1.5 / 50_000, LARGEST]))
    assert tokens.tolist() == [0, 25_000, 49_998, 49_999]


def test_no_impossible_token_is_drawn_where_sums_are_made_side_by_side():
    """As XLA makes them: by rounding, they grow over tokens that have no weight. Such places are aimed at."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, 3000).astype(np.float32)
    logits[rng.random(3000) < 0.5] = -np.inf
    weights = np.exp(logits.astype(np.float64) - logits.max())
    sums = tf.function(lambda rows: tf.cumsum(rows, axis=1), jit_compile=True)(weights[None]).numpy()[0]
    before = np.maximum.accumulate(sums)[:-1]
    uniform = before[(weights[1:] == 0) & (sums[1:] > before)] / sums.max()
    assert len(uniform) > 5
    tokens, _ = drawn(tf.function(sampler(), jit_compile=True), logits, uniform)
    assert (weights[tokens] > 0).all()


@given(arrays(np.float32, (5, 7), elements=st.integers(-3, 3).map(float)))
def test_to_draw_from_one_token_is_greedy(logits):
    """Also where several are equally likely."""
    logits += 0.0  # no -0.0
    uniform = tf.constant(np.linspace(0, LARGEST, 5))
    for found, expected in zip(
        sampler(top_k=1)(tf.constant(logits), uniform), likeliest(tf.constant(logits)), strict=True
    ):
        assert np.asarray(found) == pytest.approx(np.asarray(expected), abs=1e-6)


@pytest.mark.parametrize(("n_steps", "end"), [(3, None), (20, None), (20, 3)])
def test_each_step_of_each_row_draws_by_its_own_number(n_steps, end):
    """Of a table that says the same after every token."""
    uniform = np.random.default_rng(0).random((50, n_steps))
    step = lambda tokens, state, _: (tf.tile(tf.constant(LOGITS)[None], (tf.size(tokens), 1)), state)  # noqa: E731
    search = StepByStep(step, sampler(), n_steps, end)
    segment = tf.function(search.begin, autograph=False)(
        [], [], tf.zeros((50,), tf.int32), tf.constant(uniform[:, :16])
    )
    steps = min(n_steps, 16)
    expected = np.searchsorted(np.cumsum([0.2, 0.4, 0.1, 0.3]), uniform[:, :steps], side="right")
    if end is not None:
        expected[np.cumsum(expected == end, axis=1) > 0] = end
    assert segment.tokens.numpy()[:, 0, :steps].tolist() == expected.tolist()
