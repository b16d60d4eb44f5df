"""What a side puts into its first recurrent layer: tokens by way of a table, vectors as they are."""

from __future__ import annotations

import numpy as np

from tasks.seq2seq.inference.graphs.cells import Inputs
from tasks.seq2seq.inference.graphs.graph_builder import GraphBuilder
from tasks.seq2seq.inference.graphs.tensor_types import Name
from tasks.seq2seq.inference.graphs.weights import RecurrentWeights, Weights

# Numbers of a table of products at most (16 MB): of a larger vocabulary the embeddings are looked up and multiplied,
# which a table saves.
MOST_FOLDED = 4_000_000


def first_inputs(
    graph: GraphBuilder,
    weights: RecurrentWeights,
    table: Weights | None,
    now: Name,
    fed: Name | None = None,
) -> Inputs:
    """The inputs of the first layer at a time step.

    Args:
        graph: the graph of the step.
        weights: the layer's, whose kernel takes the features first and then `fed`.
        table: embeddings `(vocabulary, width)`; None where `now` holds vectors.
        now: tokens `(rows,) int32`, or vectors `(rows, features)`.
        fed: what else the layer is given, `(rows, width)`.
    """
    kernel, bias = weights.kernel, weights.input_bias
    others = [] if fed is None else [fed]
    if table is None:
        return Inputs([now, *others], kernel, graph.constant(bias))
    width = table.shape[1]
    if len(table) * kernel.shape[1] > MOST_FOLDED:
        looked_up = graph("Gather", graph.constant(table), now)
        return Inputs([looked_up, *others], kernel, graph.constant(bias))
    folded = table.astype(np.float64) @ kernel[:width].astype(np.float64) + bias
    return Inputs(others, kernel[width:], graph("Gather", graph.constant(folded), now))


def next_inputs(graph: GraphBuilder, weights: RecurrentWeights, hidden: Name) -> Inputs:
    """The inputs of a layer on top of another one, whose output is `hidden`, `(rows, width)`."""
    return Inputs([hidden], weights.kernel, graph.constant(weights.input_bias))
