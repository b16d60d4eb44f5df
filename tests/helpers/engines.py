"""Engines of given weights, without Keras."""

from tasks.seq2seq.inference.engine import Engine
from tasks.seq2seq.inference.graphs.encoder import encoder_graph
from tasks.seq2seq.inference.graphs.step import step_graph
from tasks.seq2seq.settings.architecture import Architecture, Side


def architecture_of(codecs, settings, *, masked=True):
    """The architecture of settings on data of these codecs."""
    source, target = (Side(codec.size, codec.features) for codec in (codecs.source, codecs.target))
    return Architecture(source, target, masked, settings)


def engine_of(architecture, weights, *, is_single=False):
    """An engine of what is learned; `is_single`: of sources of one step and never more."""
    encoder = encoder_graph(architecture, weights, is_single=is_single)
    return Engine(architecture, encoder.SerializeToString(), step_graph(architecture, weights).SerializeToString())
