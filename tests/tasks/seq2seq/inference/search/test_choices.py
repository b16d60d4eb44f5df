import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.seq2seq.inference.search.choices import BLOCK, FEW, largest_of, likeliest, sampler

# Of probabilities in no order.
SCORES = np.log(np.array([0.2, 0.4, 0.1, 0.3])).astype(np.float32)
EVENLY = (np.arange(10_000) + 0.5) / 10_000
LARGEST = 1 - 2.0**-53


def drawn(choose, scores, uniform=EVENLY):
    """Tokens and log-probabilities by one row of scores for each number."""
    return choose(np.tile(scores, (len(uniform), 1)), np.asarray(uniform))


def shares(choose, scores=SCORES):
    tokens, _ = drawn(choose, scores)
    return np.bincount(tokens, minlength=len(scores)) / len(tokens)


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
        tokens, scores = drawn(choose, SCORES)
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


@given(arrays(np.float32, (5, 7), elements=st.integers(-3, 3).map(float)))
def test_to_draw_from_one_token_is_greedy(logits):
    """Also where several are equally likely."""
    logits += 0.0  # no -0.0
    for found, expected in zip(sampler(top_k=1)(logits, np.linspace(0, LARGEST, 5)), likeliest(logits), strict=True):
        assert found == pytest.approx(expected, abs=1e-6)


def test_of_equally_likely_tokens_the_first_is_the_likeliest():
    tokens, scores = likeliest(np.array([[0, 3, 1, 3], [2, 2, 2, 2]], np.float32))
    assert (tokens.tolist(), tokens.dtype) == ([1, 0], np.int32)
    assert (scores.tolist(), scores.dtype) == ([3, 2], np.float32)


@pytest.mark.parametrize("n_values", [FEW * BLOCK, FEW * BLOCK + 1, 20 * BLOCK, 50_000])
@pytest.mark.parametrize("k", [1, 5, FEW, FEW + 1])
@pytest.mark.parametrize("most", [2, 2**20])
def test_the_largest_of_a_large_vocabulary_are_those_of_a_sort_also_where_many_are_equal(n_values, k, most):
    values = np.random.default_rng(k).integers(0, most, (3, n_values)).astype(np.float32)
    assert np.array_equal(largest_of(values, k)[1], np.argsort(-values, axis=1, kind="stable")[:, :k])


@given(arrays(np.float32, (3, 30), elements=st.integers(-3, 3).map(float)), st.integers(1, 30))
def test_the_largest_come_in_order_and_of_equals_the_first(values, k):
    """However many are asked for: few are found in another way than many."""
    found, places = largest_of(values, k)
    assert places.tolist() == [np.argsort(-row, kind="stable")[:k].tolist() for row in values]
    assert np.array_equal(found, np.take_along_axis(values, places, axis=1))


def test_what_is_looked_through_for_its_largest_stays_as_it_is():
    values = np.arange(12, dtype=np.float32).reshape(2, 6)
    largest_of(values, 3)
    assert values.tolist() == np.arange(12).reshape(2, 6).tolist()


@pytest.mark.parametrize("size", [FEW * BLOCK + 1, FEW * BLOCK + BLOCK, FEW * BLOCK + 300])
@pytest.mark.parametrize("k", [1, 5, FEW])
@pytest.mark.parametrize("digits", [0, 6])
def test_the_largest_of_a_large_vocabulary_are_those_of_sorting_it(size, k, digits):
    """Few of which are equal, or many; also where the last ones are the largest, and where most are impossible."""
    values = np.random.default_rng(size).normal(0, 1, (4, size)).round(digits).astype(np.float32)
    values[1, -3:] = 9
    values[2, k:] = -np.inf
    values[3] = 0
    found, places = largest_of(values, k)
    assert places.tolist() == np.argsort(-values, axis=1, kind="stable")[:, :k].tolist()
    assert np.array_equal(found, np.take_along_axis(values, places, axis=1))
