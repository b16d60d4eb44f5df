"""Operations that encoder and decoder share."""

from __future__ import annotations

from tasks.seq2seq.inference.graphs.graph_builder import GraphBuilder
from tasks.seq2seq.inference.graphs.tensor_types import Name
from tasks.seq2seq.inference.graphs.weights import DenseWeights, LayerWeights


def dense(graph: GraphBuilder, tensor: Name, weights: DenseWeights) -> Name:
    """A product with a bias, along the last dimension."""
    return graph("Add", graph("MatMul", tensor, graph.constant(weights.kernel)), graph.constant(weights.bias))


def normalised(graph: GraphBuilder, layer: LayerWeights, outputs: Name) -> Name:
    """A layer's outputs, normalised where the layer has a norm."""
    if layer.norm is None:
        return outputs
    gamma, beta = graph.constant(layer.norm.gamma), graph.constant(layer.norm.beta)
    return graph("LayerNormalization", outputs, gamma, beta, epsilon=layer.norm.epsilon)
