import numpy as np
import pytest

from tasks.seq2seq.models.attention import GlobalAttention
from tasks.seq2seq.models.attention_scores import SCORES
from tasks.seq2seq.settings.attention import ATTENTION_SCORES, NO_ATTENTION
from tasks.seq2seq.settings.model import ModelSettings

RNG = np.random.default_rng(0)
QUERY = RNG.normal(size=(2, 3, 4)).astype(np.float32)  # batch x target x units
MEMORY = RNG.normal(size=(2, 5, 4)).astype(np.float32)  # batch x source x features
KEYS = RNG.normal(size=(2, 5, 4)).astype(np.float32)
KERNEL = RNG.normal(size=(4, 4)).astype(np.float32)
VECTOR = RNG.normal(size=(4, 1)).astype(np.float32)


def test_the_settings_know_the_scores_of_the_table():
    assert list(SCORES) == list(ATTENTION_SCORES)


@pytest.mark.parametrize("name", [NO_ATTENTION, *ATTENTION_SCORES])
def test_each_name_is_one_that_the_settings_take(name):
    assert ModelSettings(attention=name).attends is (name != NO_ATTENTION)


def by_hand(name, query, memory, key):
    """The published formula, of one query and one step of the memory."""
    return {
        "luong_dot": lambda: query @ memory,
        "luong_general": lambda: (query @ KERNEL) @ memory,
        "bahdanau": lambda: (np.tanh(query @ KERNEL + key) @ VECTOR)[0],
    }[name]()


@pytest.mark.parametrize("name", SCORES)
def test_a_score_is_its_formula(name):
    score = SCORES[name]
    given = {"query_kernel": KERNEL, "score_kernel": VECTOR}
    weights = {weight: given[weight] for weight in score.weights(4, 4)}
    result = np.array(score.compare(QUERY, MEMORY, KEYS if ATTENTION_SCORES[score.name].has_keys else None, weights))
    assert result.shape == (2, 3, 5)
    for batch, target, source in np.ndindex(result.shape):
        expected = by_hand(name, QUERY[batch, target], MEMORY[batch, source], KEYS[batch, source])
        assert result[batch, target, source] == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("luong_dot", {"kernel": (7, 4)}),
        ("luong_general", {"query_kernel": (4, 3), "kernel": (7, 4)}),
        ("bahdanau", {"query_kernel": (4, 4), "score_kernel": (4, 1), "kernel": (7, 4)}),
    ],
)
def test_the_weights_of_the_layer_are_those_of_saved_models(name, weights):
    """In this order: a saved layer keeps them by number."""
    layer = GlobalAttention(4, name)
    layer.build([(None, None, 4), (None, None, 3), (None, None)])
    assert {weight.name: tuple(weight.shape) for weight in layer.weights} == weights
    assert [weight.name for weight in layer.weights] == list(weights)
