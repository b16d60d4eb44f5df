"""The attention scores as operations of a graph; `tasks.seq2seq.models.attention_scores` has them in Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tasks.seq2seq.inference.graphs.graph_builder import GraphBuilder
from tasks.seq2seq.inference.graphs.tensor_types import Name
from tasks.seq2seq.inference.graphs.weights import Weights


class Compared(NamedTuple):
    """What a score compares.

    query: `(rows, units)` of the decoder, `rows` being all hypotheses of the sources, source by source.
    queries: the same as `(sources, hypotheses, units)`.
    memory: `(sources, length, features)`.
    keys: `(sources, length, units)`, or None.
    units: the width of a query.
    by_source: makes `(sources, hypotheses, width)` of `(rows, width)`, given the width.
    """

    query: Name
    queries: Name
    memory: Name
    keys: Name | None
    units: int
    by_source: Callable[[Name, int], Name]


# The scores `(sources, hypotheses, length)`, of the learned weights by name.
GraphScore = Callable[[GraphBuilder, Compared, dict[str, Weights]], Name]


def _luong_dot(graph: GraphBuilder, compared: Compared, _weights: dict[str, Weights]) -> Name:
    return _products(graph, compared.queries, compared.memory)


def _luong_general(graph: GraphBuilder, compared: Compared, weights: dict[str, Weights]) -> Name:
    return _products(graph, _projected(graph, compared, weights["query_kernel"]), compared.memory)


def _products(graph: GraphBuilder, queries: Name, memory: Name) -> Name:
    return graph("MatMul", queries, graph("Transpose", memory, perm=[0, 2, 1]))


def _projected(graph: GraphBuilder, compared: Compared, kernel: Weights) -> Name:
    """The queries times a kernel, `(sources, hypotheses, width)`."""
    return compared.by_source(graph("MatMul", compared.query, graph.constant(kernel)), kernel.shape[1])


def _bahdanau(graph: GraphBuilder, compared: Compared, weights: dict[str, Weights]) -> Name:
    assert compared.keys is not None
    projected = _projected(graph, compared, weights["query_kernel"])
    second, third = (graph.constant([axis], np.int64) for axis in (1, 2))
    both = graph("Add", graph("Unsqueeze", projected, third), graph("Unsqueeze", compared.keys, second))
    scores = graph("MatMul", graph("Tanh", both), graph.constant(weights["score_kernel"]))
    return graph("Squeeze", scores, graph.constant([3], np.int64))  # of sources x hypotheses x length x 1


# The shapes of what a score learns, by name, of the widths of a query and of the memory; of those that learn something.
SCORE_SHAPES: dict[str, Callable[[int, int], dict[str, tuple[int, int]]]] = {
    "luong_general": lambda units, memory: {"query_kernel": (units, memory)},
    "bahdanau": lambda units, _memory: {"query_kernel": (units, units), "score_kernel": (units, 1)},
}

GRAPH_SCORES: dict[str, GraphScore] = {
    "luong_dot": _luong_dot,
    "luong_general": _luong_general,
    "bahdanau": _bahdanau,
}
