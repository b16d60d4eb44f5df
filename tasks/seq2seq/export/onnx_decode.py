"""The whole greedy decode as one ONNX graph, for programs without our code: our encoder, and a loop around our step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx

from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.quantiles import output_names
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.inference.graphs.graph_builder import GraphBuilder
from tasks.seq2seq.inference.graphs.tensor_types import (
    BOOL,
    FED,
    FLOAT,
    INT32,
    INT64,
    OUTPUT,
    SOURCE,
    Name,
    Type,
    following,
    source_type,
)
from tasks.seq2seq.settings.architecture import Architecture, memory_names, state_names

AHEAD = "ahead"  # the input of what is known of each step beforehand
ENCODER, STEP = "encoder_", "step_"  # what the names of the two graphs begin with, inside this one


def onnx_decode(
    architecture: Architecture, encoder: onnx.ModelProto, step: onnx.ModelProto, codecs: Codecs, n_steps: int
) -> onnx.ModelProto:
    """A model with the input and the outputs of `tasks.seq2seq.export.saved_model.DecodeModule.serve`.

    Args:
        architecture: what the two graphs are of.
        encoder: a bundle's encoder.
        step: a step of its decoder.
        codecs: of both sides.
        n_steps: time steps to decode at most, an end's included.
    """
    graph, target = GraphBuilder(), codecs.target
    sizes = graph("Shape", SOURCE, start=0, end=2)
    graph.include(_renamed(encoder, ENCODER, {ENCODER + SOURCE: _filled_up(graph, architecture, sizes)}))
    for name in memory_names(architecture.settings):
        graph.named(STEP + name, ENCODER + name)
    n_sources = graph("Shape", ENCODER + state_names(architecture.settings)[0], start=0, end=1)
    if isinstance(target, Vocabulary):
        results = _decode_tokens(graph, architecture, step, target, n_steps, n_sources)
        types: dict[Name, Type] = {"tokens": (INT32, ("batch", n_steps)), "log_probability": (FLOAT, ("batch",))}
    else:
        ahead = _filled_up_ahead(graph, sizes) if architecture.ahead else None
        results = _decode_vectors(graph, architecture, step, n_steps, n_sources, ahead)
        types = dict.fromkeys(results, (FLOAT, ("batch", n_steps, target.features)))
    batch = graph("Slice", sizes, *(graph.constant([value], np.int64) for value in (0, 1)))
    begin, axis = graph.constant([0], np.int64), graph.constant([0], np.int64)
    for name in types:
        graph.named(name, graph("Slice", results[name], begin, batch, axis))
    ((kind, (_, *rest)),) = source_type(architecture).values()
    given: dict[Name, Type] = {SOURCE: (kind, ("batch", *rest))}
    if architecture.ahead:
        given[AHEAD] = (FLOAT, ("batch", n_steps, architecture.ahead))
    model = graph.model("decode", given, types)
    onnx.checker.check_model(model)
    return model


def _filled_up(graph: GraphBuilder, architecture: Architecture, sizes: Name) -> Name:
    """The source with a row where there is none, as the runtime cannot take one without; and with two steps at least.

    What is added is padding, and what comes of a row that is added is cut off again.
    """
    least = graph.constant([1, 2 if architecture.masked else 0], np.int64)
    missing = graph("Max", graph("Sub", least, sizes), graph.constant([0, 0], np.int64))
    n_axes = 2 if architecture.source.vocabulary else 3
    rest = [graph.constant([0], np.int64)] * (n_axes - 2)
    pads = graph("Concat", graph.constant([0] * n_axes, np.int64), missing, *rest, axis=0)
    return graph("Pad", SOURCE, pads)


def _filled_up_ahead(graph: GraphBuilder, sizes: Name) -> Name:
    """What is known beforehand, with a row where there is none."""
    rows = graph("Slice", sizes, *(graph.constant([value], np.int64) for value in (0, 1)))
    missing = graph("Max", graph("Sub", graph.constant([1], np.int64), rows), graph.constant([0], np.int64))
    pads = graph("Concat", graph.constant([0, 0, 0], np.int64), missing, graph.constant([0, 0], np.int64), axis=0)
    return graph("Pad", AHEAD, pads)


def _decode_tokens(
    graph: GraphBuilder, architecture: Architecture, step: onnx.ModelProto, target: Vocabulary, n_steps: int, n: Name
) -> dict[Name, Name]:
    """Tokens and log-probability, by name; the likeliest token at each step, until all sequences have ended."""
    first = [
        graph("Expand", graph.constant([target.start], np.int32), n),
        graph("Expand", graph.constant([False], np.bool_), n),
        graph("Expand", graph.constant([0.0]), n),
        *(ENCODER + name for name in state_names(architecture.settings)),
    ]
    body = _token_step(graph.body("loop"), architecture, step, target.end, n_steps)
    limit = graph.constant(n_steps, np.int64)
    _, _, total, *_, taken = graph.several("Loop", len(first) + 1, limit, "", *first, body=body)
    tokens = graph("Transpose", taken, perm=[1, 0])
    n_taken = graph("Shape", tokens, start=1, end=2)
    missing = graph("Sub", graph.constant([n_steps], np.int64), n_taken)
    pads = graph("Concat", graph.constant([0, 0, 0], np.int64), missing, axis=0)
    filler = graph.constant(0 if target.end is None else target.end, np.int32)
    return {"tokens": graph("Pad", tokens, pads, filler), "log_probability": total}


def _token_step(
    body: GraphBuilder, architecture: Architecture, step: onnx.ModelProto, end: int | None, n_steps: int
) -> onnx.GraphProto:
    """What the loop repeats: a step, and the choice of a token, with which rows have ended and what they add up to."""
    i, goes_on, ended, total = (body.local(name) for name in ("i", "goes_on", "ended", "total"))
    number, truth, token_type, score_type = (INT64, ()), (BOOL, ()), (INT32, ("rows",)), (FLOAT, ("rows",))
    state_type, is_ended = (FLOAT, ("rows", architecture.settings.decoder_width)), (BOOL, ("rows",))
    names = state_names(architecture.settings)
    given: dict[Name, Type] = {i: number, goes_on: truth, STEP + FED: token_type, ended: is_ended, total: score_type}
    body.include(_renamed(step, STEP, {}))
    token, score = _likeliest(body, STEP + OUTPUT)
    still, over = body("Identity", goes_on), ended
    if end is not None:
        last, none = body.constant(end, np.int32), body.constant(0.0)
        is_last = body("Equal", i, body.constant(n_steps - 1, np.int64))
        is_cut = body("And", is_last, body("Not", body("Equal", token, last)))  # one that has not ended by itself
        is_over = body("Or", ended, is_cut)
        token, score = body("Where", is_over, last, token), body("Where", is_over, none, score)
        over = body("Equal", token, last)
        all_over = body("ReduceMin", body("Cast", over, to=INT32), keepdims=0)
        still = body("Not", body("Cast", all_over, to=BOOL))
    after: dict[Name, Type] = {
        still: truth,
        token: token_type,
        body("Identity", over): is_ended,
        body("Add", total, score): score_type,
        **{STEP + following(name): state_type for name in names},
        body("Identity", token): token_type,
    }
    return body.graph("loop", {**given, **{STEP + name: state_type for name in names}}, after)


def _likeliest(graph: GraphBuilder, scores: Name) -> tuple[Name, Name]:
    """The likeliest token of each row, and its log-probability."""
    token = graph("Cast", graph("ArgMax", scores, axis=1, keepdims=0), to=INT32)
    return token, graph("ReduceMax", scores, graph.constant([1], np.int64), keepdims=0)


def _decode_vectors(
    graph: GraphBuilder, architecture: Architecture, step: onnx.ModelProto, n_steps: int, n: Name, ahead: Name | None
) -> dict[Name, Name]:
    """The vectors, by name; each step is given the one before, the first one zeros, and what is known of it.

    Of a model with quantiles the one before is the median.
    """
    states, features = state_names(architecture.settings), architecture.target.features
    names = output_names(architecture.quantiles)
    body = graph.body("loop")
    vector = STEP + FED if ahead is None else body.local("vector")
    given: dict[Name, Type] = {
        body.local("i"): (INT64, ()),
        body.local("goes_on"): (BOOL, ()),
        vector: (FLOAT, ("rows", features)),
        **{STEP + name: (FLOAT, ("rows", architecture.settings.decoder_width)) for name in states},
    }
    if ahead is not None:
        now = body("Gather", ahead, body.local("i"), axis=1)  # rows x known
        body.named(STEP + FED, body("Concat", vector, now, axis=1))
    body.include(_renamed(step, STEP, {}))
    median = STEP + OUTPUT
    if architecture.quantiles:
        first, last, axis = (body.constant([value], np.int64) for value in (0, features, 1))
        median = body("Slice", STEP + OUTPUT, first, last, axis)
    after: dict[Name, Type] = {
        body("Identity", body.local("goes_on")): (BOOL, ()),
        median: (FLOAT, ("rows", features)),
        **{STEP + following(name): (FLOAT, ("rows", architecture.settings.decoder_width)) for name in states},
        body("Identity", STEP + OUTPUT): (FLOAT, ("rows", architecture.outputs)),
    }
    sizes = graph("Concat", n, graph.constant([features], np.int64), axis=0)
    zeros = [graph("Expand", graph.constant([[0.0]]), sizes), *(ENCODER + name for name in states)]
    limit = graph.constant(n_steps, np.int64)
    *_, taken = graph.several("Loop", len(zeros) + 1, limit, "", *zeros, body=body.graph("loop", given, after))
    vectors = graph("Transpose", taken, perm=[1, 0, 2])
    if len(names) == 1:
        return {names[0]: vectors}
    parts = graph.several("Split", len(names), vectors, graph.constant([features] * len(names), np.int64), axis=2)
    return dict(zip(names, parts, strict=True))


def _renamed(model: onnx.ModelProto, prefix: str, inputs: dict[Name, Name]) -> onnx.GraphProto:
    """A model's graph with its names behind a prefix, and with inputs taken from the graph around it."""
    graph = onnx.GraphProto()
    graph.CopyFrom(model.graph)
    _rename(graph, lambda name: inputs.get(prefix + name, prefix + name))
    return graph


def _rename(graph: onnx.GraphProto, rename: Callable[[Name], Name]) -> None:
    """Renames all tensors of a graph, and of those inside it, which see them."""
    for named in (*graph.input, *graph.output, *graph.initializer):
        named.name = rename(named.name)
    for node in graph.node:
        node.input[:] = [rename(name) for name in node.input]
        node.output[:] = [rename(name) for name in node.output]
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                _rename(attribute.g, rename)
