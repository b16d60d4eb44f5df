"""A step of the inference decoder as a graph: what was said last and the state before, to an output and the next state.

All hypotheses of all sources go through a step together, `rows` in all, source by source. The memory is there once a
source, however many hypotheses look at it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import onnx

from tasks.seq2seq.data.quantiles import below
from tasks.seq2seq.inference.graphs.attention_scores import GRAPH_SCORES, Compared
from tasks.seq2seq.inference.graphs.cells import CELLS, Inputs
from tasks.seq2seq.inference.graphs.embedded_inputs import first_inputs, next_inputs
from tasks.seq2seq.inference.graphs.graph_builder import GraphBuilder
from tasks.seq2seq.inference.graphs.operations import dense, normalised
from tasks.seq2seq.inference.graphs.tensor_types import (
    ATTENTION,
    FED,
    OUTPUT,
    Name,
    following,
    step_inputs,
    step_outputs,
)
from tasks.seq2seq.inference.graphs.weights import ModelWeights
from tasks.seq2seq.settings.architecture import Architecture, state_names
from tasks.seq2seq.settings.model import ModelSettings

# What stands in for a score of padding: its weight is 0.
LOWEST = np.finfo(np.float32).min


class _Attended(NamedTuple):
    """The attentional vector `(rows, units)`, and the weights `(sources, hypotheses, length)`."""

    vector: Name
    weights: Name


def step_graph(architecture: Architecture, weights: ModelWeights) -> onnx.ModelProto:
    """Writes a step of the decoder.

    Its inputs are `fed`, tokens `(rows,) int32` or vectors `(rows, features) float32`, behind them what is known of the
    step beforehand, the state and the memory; its
    outputs `output`, the log-probabilities of all tokens `(rows, vocabulary) float32` or standardised vectors
    `(rows, features) float32`, of each quantile where there are any (`tasks.seq2seq.data.quantiles`); the next state;
    and with attention its weights.
    """
    graph, settings = GraphBuilder(), architecture.settings
    hidden, after = _recur(graph, settings, weights)
    results = dict(zip(map(following, state_names(settings)), after, strict=False))
    if settings.attends:
        hidden, results[ATTENTION] = _attend(graph, settings, weights, hidden)
    if settings.feeds_input:
        results[following("attentional")] = hidden
    output = dense(graph, hidden, weights.output)
    if architecture.target.vocabulary:
        output = graph("LogSoftmax", output, axis=-1)
    elif architecture.quantiles:
        output = _quantiles(graph, architecture, output)
    results[OUTPUT] = output
    for name in step_outputs(architecture):
        graph.named(name, results[name])
    return graph.model("step", step_inputs(architecture), step_outputs(architecture))


def _quantiles(graph: GraphBuilder, architecture: Architecture, raw: Name) -> Name:
    """Quantiles as `tasks.seq2seq.models.quantile_output` describes them."""
    quantiles, features = architecture.quantiles, architecture.target.features
    sizes = graph.constant([features] * len(quantiles), np.int64)
    median, *others = graph.several("Split", len(quantiles), raw, sizes, axis=1)
    gaps = [graph("Softplus", other) for other in others]
    n_below, lower, upper = len(below(quantiles)), [median], [median]
    for gap in reversed(gaps[:n_below]):
        lower.insert(0, graph("Sub", lower[0], gap))
    for gap in gaps[n_below:]:
        upper.append(graph("Add", upper[-1], gap))
    return graph("Concat", median, *lower[:-1], *upper[1:], axis=1)


def _recur(graph: GraphBuilder, settings: ModelSettings, weights: ModelWeights) -> tuple[Name, list[Name]]:
    """What the last layer puts out, and the states after the step."""
    cell, names = CELLS[settings.cell], state_names(settings)
    hidden, after = FED, list[Name]()
    for i, layer in enumerate(weights.decoder):
        (one,) = layer.directions
        before = names[i * len(cell.state) : (i + 1) * len(cell.state)]
        inputs = _inputs(graph, settings, weights, hidden) if i == 0 else next_inputs(graph, one, hidden)
        new = cell.step(graph, one, inputs, before)
        after += new
        output = graph("Add", hidden, new[0]) if settings.residual and i else new[0]
        hidden = normalised(graph, layer, output)
    return hidden, after


def _inputs(graph: GraphBuilder, settings: ModelSettings, weights: ModelWeights, fed: Name) -> Inputs:
    (first,) = weights.decoder[0].directions
    attentional = "attentional" if settings.feeds_input else None
    return first_inputs(graph, first, weights.target_table, fed, attentional)


def _attend(graph: GraphBuilder, settings: ModelSettings, weights: ModelWeights, query: Name) -> _Attended:
    """Attention as `tasks.seq2seq.models.attention` describes it."""
    sources = graph("Shape", "memory", start=0, end=1)

    def by_source(tensor: Name, width: int) -> Name:
        sizes = graph("Concat", sources, graph.constant([-1, width], np.int64), axis=0)
        return graph("Reshape", tensor, sizes)

    keys = "memory_keys" if weights.memory_keys else None
    units = settings.decoder_width
    compared = Compared(query, by_source(query, units), "memory", keys, units, by_source)
    scores = GRAPH_SCORES[settings.attention](graph, compared, weights.attention)
    is_there = graph("Unsqueeze", "memory_mask", graph.constant([1], np.int64))
    shares = graph("Softmax", graph("Where", is_there, scores, graph.constant(LOWEST)), axis=-1)
    context = graph("MatMul", shares, "memory")  # sources x hypotheses x features
    rows = graph("Reshape", context, graph.constant([-1, settings.memory_width], np.int64))
    joined = graph("Concat", rows, query, axis=1)
    return _Attended(graph("Tanh", graph("MatMul", joined, graph.constant(weights.attention["kernel"]))), shares)
