"""Engines of random weights: models that say something else of each source, without Keras and without training."""

from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.inference.engine import Engine
from tasks.seq2seq.inference.graphs.encoder import encoder_graph
from tasks.seq2seq.inference.graphs.step import step_graph
from tasks.seq2seq.inference.graphs.weights import ModelWeights
from tasks.seq2seq.settings.architecture import Architecture, Side
from tests.helpers.random_weights import random_weights


def side(codec):
    """What a step of a side is, whose codec is given."""
    return Side(codec.size, codec.features)


def architecture_of(codecs, settings, *, masked=True):
    """The architecture of settings on data of these codecs."""
    return Architecture(side(codecs.source), side(codecs.target), masked, settings)


def engine_of(architecture, weights):
    """An engine of what is learned."""
    encoder, step = (write(architecture, weights).SerializeToString() for write in (encoder_graph, step_graph))
    return Engine(architecture, encoder, step)


def random_engine(codecs, settings, *, masked=True, seed=0, scale=1.0, bias=None):
    """An engine of random weights; with a bias, that is the output's, by token."""
    architecture = architecture_of(codecs, settings, masked=masked)
    weights = random_weights(architecture, seed, scale)
    return engine_of(architecture, weights if bias is None else with_output_bias(weights, bias))


def with_output_bias(weights: ModelWeights, bias):
    """The weights with some other numbers as the output's bias, `{token: number}`."""
    array = weights.output.bias.copy()
    array[list(bias)] = list(bias.values())
    return weights._replace(output=weights.output._replace(bias=array))


def no_special_tokens(vocabulary: Vocabulary, lowest=-30.0):
    """A bias by which a model says no special token but the end."""
    return {token: lowest for token in (vocabulary.padding, vocabulary.start, vocabulary.unknown) if token is not None}
