"""The inference encoder as a graph: sources to the decoder's first state and the memory.

Each layer reads the steps one after the other (`Scan`), a bidirectional one from both ends. The first step of a layer
is written before the loop, since its state is zeros. On padding a layer keeps its state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import onnx
from onnx import helper

from tasks.seq2seq.inference.graphs.cells import CELLS, Cell, Inputs
from tasks.seq2seq.inference.graphs.embedded_inputs import first_inputs, next_inputs
from tasks.seq2seq.inference.graphs.graph_builder import GraphBuilder
from tasks.seq2seq.inference.graphs.operations import dense, normalised
from tasks.seq2seq.inference.graphs.tensor_types import (
    BOOL,
    FLOAT,
    INT32,
    SOURCE,
    SOURCES,
    Name,
    Type,
    encoded_types,
    source_type,
)
from tasks.seq2seq.inference.graphs.weights import LayerWeights, ModelWeights, RecurrentWeights, Weights
from tasks.seq2seq.settings.architecture import Architecture, memory_names, state_names
from tasks.seq2seq.settings.model import ModelSettings


class _Sequence(NamedTuple):
    """Steps, `(length, batch)` tokens or `(length, batch, width)` vectors, and which are there, `(length, batch, 1)`.

    is_single: whether there is one step and never more.
    """

    steps: Name
    mask: Name | None
    is_single: bool = False

    def turns(self, graph: GraphBuilder, *, is_backward: bool) -> tuple[list[Name], list[Name]]:
        """Of the steps, and of the mask: the one that is read first, and all the others."""
        at, begin, end = (-1, 0, -1) if is_backward else (0, 1, np.iinfo(np.int64).max)
        limits = [graph.constant([value], np.int64) for value in (begin, end, 0)]
        parts = [self.steps, *([] if self.mask is None else [self.mask])]
        return (
            [graph("Gather", part, graph.constant(at, np.int64), axis=0) for part in parts],
            [] if self.is_single else [graph("Slice", part, *limits) for part in parts],
        )


def encoder_graph(architecture: Architecture, weights: ModelWeights, *, is_single: bool = False) -> onnx.ModelProto:
    """Writes the encoder.

    Its input is `source`, `(sources, length) int32`, or `(sources, length, features) float32`, with one feature more
    where it is masked, which is 1 on steps that are there. The first step of each source is there. Unless `is_single`,
    there are at least two steps, since the runtime knows no loop over none: a shorter source is padded. Its outputs
    are those of `tasks.seq2seq.models.encoder_decoder.Models`.

    Args:
        architecture: sides and settings of the model.
        weights: what it has learned.
        is_single: whether sources are of one step and never more.
    """
    graph, settings = GraphBuilder(), architecture.settings
    hidden, states = _steps(graph, architecture, weights)._replace(is_single=is_single), list[list[Name]]()
    for i, layer in enumerate(weights.encoder):
        is_last = i == len(weights.encoder) - 1
        table = weights.source_table if i == 0 else None
        outputs, state = _layer(graph, settings, layer, hidden, table, with_outputs=settings.attends or not is_last)
        states.append(state)
        if outputs is not None:
            outputs = graph("Add", hidden.steps, outputs) if settings.residual and i else outputs
            hidden = hidden._replace(steps=normalised(graph, layer, outputs))
    found = dict(zip(state_names(settings), _first_state(graph, settings, weights, states), strict=True))
    if settings.attends:
        found |= _memory(graph, settings, weights, hidden)
    for name, tensor in found.items():
        graph.named(name, tensor)
    return graph.model("encoder", source_type(architecture), encoded_types(architecture))


def _steps(graph: GraphBuilder, architecture: Architecture, weights: ModelWeights) -> _Sequence:
    """The source with its time steps first, and its mask."""
    if architecture.source.vocabulary:
        steps = graph("Transpose", SOURCE, perm=[1, 0])
        if not architecture.masked:
            return _Sequence(steps, None)
        is_there = graph("Cast", steps, to=BOOL)  # padding is 0
        return _Sequence(steps, graph("Unsqueeze", is_there, graph.constant([2], np.int64)))
    steps = graph("Transpose", SOURCE, perm=[1, 0, 2])
    if not architecture.masked:
        return _Sequence(steps, None)
    marks = graph("Gather", steps, graph.constant([-1], np.int64), axis=2)
    if weights.series_table is not None:
        steps = _with_series(graph, architecture, weights.series_table, steps, marks)
    return _Sequence(steps, graph("Cast", marks, to=BOOL))


def _with_series(graph: GraphBuilder, architecture: Architecture, table: Weights, steps: Name, marks: Name) -> Name:
    """The steps with an embedding in place of their series' number, which stands before the mark."""
    at = architecture.source.features - 1
    number = graph("Cast", graph("Gather", steps, graph.constant(at, np.int64), axis=2), to=INT32)
    limits = [graph.constant([value], np.int64) for value in (0, at, 2)]
    return graph(
        "Concat",
        *([graph("Slice", steps, *limits)] if at else []),
        graph("Gather", graph.constant(table), number, axis=0),
        marks,
        axis=2,
    )


def _layer(
    graph: GraphBuilder,
    settings: ModelSettings,
    layer: LayerWeights,
    sequence: _Sequence,
    table: Weights | None,
    *,
    with_outputs: bool,
) -> tuple[Name | None, list[Name]]:
    """All outputs of a layer `(length, batch, features)`, or None, and its last state, both directions side by side."""
    sides = []
    for i, weights in enumerate(layer.directions):

        def inputs(graph: GraphBuilder, now: Name, weights: RecurrentWeights = weights) -> Inputs:
            if table is None:
                return next_inputs(graph, weights, now)
            return first_inputs(graph, weights, table, now)

        now: Type = (INT32, (SOURCES,)) if table is not None else (FLOAT, (SOURCES, len(weights.kernel)))
        read = _Read(weights, inputs, now, is_backward=i > 0)
        sides.append(_direction(graph, CELLS[settings.cell], read, sequence, with_outputs=with_outputs))
    if len(sides) == 1:
        return sides[0]
    outputs, states = zip(*sides, strict=True)
    joined = graph("Concat", *outputs, axis=2) if with_outputs else None
    return joined, [graph("Concat", *both, axis=1) for both in zip(*states, strict=True)]


class _Read(NamedTuple):
    """How a layer reads in one direction: its weights, what makes inputs of a step, and that step's type."""

    weights: RecurrentWeights
    inputs: Callable[[GraphBuilder, Name], Inputs]
    now: Type
    is_backward: bool


def _direction(
    graph: GraphBuilder, cell: Cell, read: _Read, sequence: _Sequence, *, with_outputs: bool
) -> tuple[Name | None, list[Name]]:
    """All outputs of a layer in one direction, or None, and its last state."""
    firsts, rests = sequence.turns(graph, is_backward=read.is_backward)
    state = cell.step(graph, read.weights, read.inputs(graph, firsts[0]), None)
    if sequence.mask is not None and read.is_backward:  # forward, the first step is there
        state = [graph("Where", firsts[1], part, graph.constant(0.0)) for part in state]
    first = graph("Unsqueeze", state[0], graph.constant([0], np.int64)) if with_outputs else None
    if sequence.is_single:
        return first, state

    body, state_type = graph.body(state[0]), (FLOAT, (SOURCES, read.weights.units))
    before: dict[Name, Type] = {body.local(part): state_type for part in cell.state}
    given: dict[Name, Type] = {body.local("now"): read.now}
    after = cell.step(body, read.weights, read.inputs(body, body.local("now")), list(before))
    if sequence.mask is not None:
        given[body.local("mask")] = (BOOL, (SOURCES, 1))
        after = [body("Where", body.local("mask"), new, old) for new, old in zip(after, before, strict=True)]
    results = [*after, body("Identity", after[0])] if with_outputs else after
    repeated = body.graph("step", {**before, **given}, dict.fromkeys(results, state_type))
    direction = int(read.is_backward)
    loop = graph.several(
        "Scan",
        len(results),
        *state,
        *rests,
        body=repeated,
        num_scan_inputs=len(rests),
        scan_input_directions=[direction] * len(rests),
        **({"scan_output_directions": [direction]} if with_outputs else {}),
    )
    if first is None:
        return None, loop
    *last, outputs = loop
    ordered = [outputs, first] if read.is_backward else [first, outputs]
    return graph("Concat", *ordered, axis=0), last


def _first_state(
    graph: GraphBuilder, settings: ModelSettings, weights: ModelWeights, states: list[list[Name]]
) -> list[Name]:
    """The decoder's first state; which layer starts from which is told in `tasks.seq2seq.models.encoder_decoder`."""
    depth, first = settings.decoder_depth, list[Name]()
    for i in range(depth):
        first += states[max(0, i + len(states) - depth)]
    if weights.bridge:
        first = [graph("Tanh", dense(graph, part, bridge)) for part, bridge in zip(first, weights.bridge, strict=True)]
    if settings.feeds_input:
        first.append(graph("Mul", first[0], graph.constant(0.0)))
    return first


def _memory(graph: GraphBuilder, settings: ModelSettings, weights: ModelWeights, hidden: _Sequence) -> dict[Name, Name]:
    """What the decoder looks back at, by name: 0 on padding, batch first."""
    outputs, mask = hidden.steps, hidden.mask
    if mask is None:
        sizes = graph("Concat", graph("Shape", outputs, start=0, end=2), graph.constant([1], np.int64), axis=0)
        mask = graph("ConstantOfShape", sizes, value=helper.make_tensor("all", BOOL, [1], [True]))
    else:
        outputs = graph("Where", mask, outputs, graph.constant(0.0))
    memory = graph("Transpose", outputs, perm=[1, 0, 2])
    tensors = [memory, *([dense(graph, memory, weights.memory_keys)] if weights.memory_keys else [])]
    tensors.append(graph("Transpose", graph("Squeeze", mask, graph.constant([2], np.int64)), perm=[1, 0]))
    return dict(zip(memory_names(settings), tensors, strict=True))
