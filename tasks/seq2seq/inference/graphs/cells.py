"""A time step of a recurrent layer, written out.

The inputs of a step stand side by side with the state before one product. What does not depend on the state, the
embedding of a token times the kernel plus the bias, is a row of a table that is looked up (`Inputs.base`), so that a
token costs one product a step. In the first step of a state of zeros there is no product with it.

Sources: S. Hochreiter, J. Schmidhuber, "Long short-term memory" (1997), with forget gates; K. Cho et al., "Learning
phrase representations using RNN encoder-decoder" (2014), in the form that cuDNN and Keras (`reset_after`) compute.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tasks.seq2seq.inference.graphs.graph_builder import GraphBuilder
from tasks.seq2seq.inference.graphs.tensor_types import Name
from tasks.seq2seq.inference.graphs.weights import RecurrentWeights, Weights
from tasks.seq2seq.settings.architecture import PARTS


class Inputs(NamedTuple):
    """What goes into a layer at a time step, except for its state.

    parts: tensors `(rows, width)`, in the order of the kernel's rows.
    kernel: `(widths together, gates * units)`; no rows where all inputs are in `base`.
    base: what is added to the product, `(rows, gates * units)` or `(gates * units,)`: the bias, and the share of a
        token that was looked up.
    """

    parts: list[Name]
    kernel: Weights
    base: Name


# The state after a step, of the inputs and the state before; None for a state of zeros. The first part is the output.
Step = Callable[[GraphBuilder, RecurrentWeights, Inputs, list[Name] | None], list[Name]]


def lstm(graph: GraphBuilder, weights: RecurrentWeights, inputs: Inputs, state: list[Name] | None) -> list[Name]:
    """Output and cell state, `(rows, units)` each."""
    parts, kernel = inputs.parts, inputs.kernel
    if state is not None:
        parts, kernel = [*parts, state[0]], np.concatenate([kernel, weights.recurrent])
    gates = _product(graph, parts, kernel, inputs.base)
    sizes = graph.constant([weights.units] * 4, np.int64)
    into, keep, candidate, out = graph.several("Split", 4, gates, sizes, axis=1)
    cell = graph("Mul", graph("Sigmoid", into), graph("Tanh", candidate))
    if state is not None:
        cell = graph("Add", graph("Mul", graph("Sigmoid", keep), state[1]), cell)
    return [graph("Mul", graph("Sigmoid", out), graph("Tanh", cell)), cell]


def gru(graph: GraphBuilder, weights: RecurrentWeights, inputs: Inputs, state: list[Name] | None) -> list[Name]:
    """The output, which is the state, `(rows, units)`."""
    units, bias = weights.units, weights.bias[1]
    sizes = graph.constant([2 * units, units], np.int64)
    given, given_candidate = graph.several(
        "Split", 2, _product(graph, inputs.parts, inputs.kernel, inputs.base), sizes, axis=1
    )
    if state is None:
        kept, kept_candidate = graph.constant(bias[: 2 * units]), graph.constant(bias[2 * units :])
    else:
        product = _product(graph, state, weights.recurrent, graph.constant(bias))
        kept, kept_candidate = graph.several("Split", 2, product, sizes, axis=1)
    update, reset = graph.several(
        "Split", 2, graph("Sigmoid", graph("Add", given, kept)), graph.constant([units, units], np.int64), axis=1
    )
    candidate = graph("Tanh", graph("Add", given_candidate, graph("Mul", reset, kept_candidate)))
    new = graph("Mul", graph("Sub", graph.constant(1.0), update), candidate)
    return [new if state is None else graph("Add", graph("Mul", update, state[0]), new)]


def _product(graph: GraphBuilder, parts: list[Name], kernel: Weights, base: Name) -> Name:
    """The parts side by side times the kernel, plus `base`."""
    if not parts:
        return base
    joined = parts[0] if len(parts) == 1 else graph("Concat", *parts, axis=1)
    return graph("Gemm", joined, graph.constant(kernel), base)


class Cell(NamedTuple):
    """A kind of recurrent layer: the names of its state's parts, of which the first is its output, and a time step."""

    state: tuple[str, ...]
    step: Step


CELLS = {"lstm": Cell(PARTS["lstm"], lstm), "gru": Cell(PARTS["gru"], gru)}
