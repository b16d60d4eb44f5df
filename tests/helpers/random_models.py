"""Models of random weights, made without Keras: they say something else of each source, and always the same."""

from tests.helpers.engines import engine_of
from tests.helpers.random_weights import random_weights


def random_engine(architecture, seed=0, scale=1.0, *, is_single=False, bias=None):
    """A model of random weights, ready to run; with a bias, `{token: number}`, these numbers are the output's."""
    weights = random_weights(architecture, seed, scale)
    if bias:
        weights.output.bias[list(bias)] = list(bias.values())
    return engine_of(architecture, weights, is_single=is_single)


def no_special_tokens(vocabulary, lowest=-30.0):
    """A bias by which a model says no special token but the end."""
    return {token: lowest for token in (vocabulary.padding, vocabulary.start, vocabulary.unknown) if token is not None}
