"""The whole greedy decode as one ONNX graph: the encoder, and a loop around the decoder.

The converter knows no loop that holds another, as ours does. So encoder and decoder are converted each by itself, and
the loop is written here, in ONNX' own language (https://onnx.ai/onnx/repo-docs/Syntax.html).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import onnx
import tensorflow as tf
import tf2onnx
from onnx import compose, helper, parser

from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.export.saved_model import portable
from tasks.seq2seq.models.decoding import n_states, split_encoded
from tasks.seq2seq.models.tensors import Tensor

# The newest operations that the converter writes, and the file format of their time.
OPSET, FORMAT = 18, 8
# No token is this one: the end where sequences have none.
NO_END = -1


class _Parts(NamedTuple):
    """ONNX around the decoder: `before` the loop, `inside` it after the decoder, and `after` it.

    `B` is the batch; longer words in capitals are put in as numbers. The decoder's tensors are called `step_...`.
    """

    before: str
    inside: str
    after: str


_TOKENS = _Parts(
    before="""before () => (int32[B, 1] first_input, bool[B] first_ended, float[B] first_total) {
        rows = Shape <start = 0, end = 1> (source)
        width = Constant <value_ints = [1]> ()
        shape = Concat <axis = 0> (rows, width)
        start = Constant <value = int32[1] {START}> ()
        first_input = Expand (start, shape)
        no = Constant <value = bool[1] {0}> ()
        first_ended = Expand (no, rows)
        nothing = Constant <value = float[1] {0.0}> ()
        first_total = Expand (nothing, rows)
    }""",
    inside="""inside (int64 taken, bool goes_on, int32[B, 1] step_decoder_input, bool[B] ended, float[B] total)
    => (bool next_goes_on, int32[B, 1] next_input, bool[B] next_ended, float[B] next_total, int32[B] token) {
        axis = Constant <value_ints = [1]> ()
        logits = Squeeze (step_output, axis)
        likeliest = ArgMax <axis = 1, keepdims = 0> (logits)
        chosen = Cast <to = 6> (likeliest)
        scores = LogSoftmax <axis = 1> (logits)
        score = ReduceMax <keepdims = 0> (scores, axis)
        end = Constant <value = int32 {END}> ()
        token = Where (ended, end, chosen)
        free = Constant <value = float {0.0}> ()
        counted = Where (ended, free, score)
        next_total = Add (total, counted)
        next_ended = Equal (token, end)
        as_number = Cast <to = 6> (next_ended)
        all_ended = ReduceMin <keepdims = 0> (as_number)
        none_left = Cast <to = 9> (all_ended)
        next_goes_on = Not (none_left)
        next_input = Unsqueeze (token, axis)
    }""",
    after="""after () => (int32[batch, N_STEPS] tokens, float[batch] log_probability) {
        taken_tokens = Transpose <perm = [1, 0]> (taken_token)
        n_taken = Shape <start = 1, end = 2> (taken_tokens)
        n_steps = Constant <value_ints = [N_STEPS]> ()
        n_missing = Sub (n_steps, n_taken)
        no_other = Constant <value_ints = [0, 0, 0]> ()
        added = Concat <axis = 0> (no_other, n_missing)
        filler = Constant <value = int32 {END}> ()
        tokens = Pad (taken_tokens, added, filler)
        log_probability = Identity (last_total)
    }""",
)
_VECTORS = _Parts(
    before="""before () => (float[B, 1, FEATURES] first_input) {
        rows = Shape <start = 0, end = 1> (source)
        sizes = Constant <value_ints = [1, FEATURES]> ()
        shape = Concat <axis = 0> (rows, sizes)
        nothing = Constant <value = float[1] {0.0}> ()
        first_input = Expand (nothing, shape)
    }""",
    inside="""inside (int64 taken, bool goes_on, float[B, 1, FEATURES] step_decoder_input)
    => (bool next_goes_on, float[B, 1, FEATURES] next_input, float[B, FEATURES] vector) {
        next_goes_on = Identity (goes_on)
        next_input = Identity (step_output)
        axis = Constant <value_ints = [1]> ()
        vector = Squeeze (step_output, axis)
    }""",
    after="""after () => (float[batch, N_STEPS, FEATURES] vectors) {
        vectors = Transpose <perm = [1, 0, 2]> (taken_vector)
    }""",
)


def onnx_decode(encoder: keras.Model, decoder: keras.Model, codecs: Codecs, n_steps: int) -> onnx.ModelProto:
    """A model with the input and the outputs of `exports.DecodeModule.serve`.

    Args:
        encoder: the inference encoder.
        decoder: the inference decoder.
        codecs: of both sides.
        n_steps: time steps to decode at most.
    """
    names = [tensor.name for tensor in decoder.inputs[1:]]
    state = names[: n_states(decoder)]
    with portable(encoder, decoder):
        encode, step = _encoder_graph(encoder, decoder, state, names), _step_graph(decoder, state, names)
    before, inside, after = _parsed(codecs, n_steps)
    *outputs, scanned = inside.output
    body = helper.make_graph(
        [*step.node, *inside.node],
        "step",
        [*inside.input, *_named(step.input, [f"step_{name}" for name in state])],
        [*outputs, *_named(step.output, [f"step_next_{name}" for name in state]), scanned],
    )
    carried = [output.name for output in before.output] + [f"first_{name}" for name in state]
    limit = helper.make_node("Constant", [], ["limit"], value_int=n_steps)
    loop = helper.make_node(
        "Loop",
        ["limit", "", *carried],
        [*(name.replace("first_", "last_", 1) for name in carried), f"taken_{scanned.name}"],
        body=body,
    )
    nodes = [*encode.node, *before.node, limit, loop, *after.node]
    weights = [*encode.initializer, *step.initializer]
    graph = helper.make_graph(nodes, "decode", [_source(encode.input[0])], after.output, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=FORMAT)
    onnx.checker.check_model(model)
    return model


def _encoder_graph(encoder: keras.Model, decoder: keras.Model, state: list[str], names: list[str]) -> onnx.GraphProto:
    """`source -> [first_..., for each state, step_... for each memory]`, named as the loop takes them."""
    given = [f"first_{name}" if name in state else f"step_{name}" for name in names]
    source = encoder.inputs[0]

    def encode(source: Tensor) -> dict[str, Tensor]:
        state, memory = split_encoded(encoder(source), decoder)
        return dict(zip(given, [*state, *memory], strict=True))

    return _converted(encode, [tf.TensorSpec(source.shape, source.dtype, name="source")])


def _step_graph(decoder: keras.Model, state: list[str], names: list[str]) -> onnx.GraphProto:
    """The decoder for one time step, all its tensors named `step_...`."""
    fed, *carried = decoder.inputs

    def step(*inputs: Tensor) -> dict[str, Tensor]:
        output, *after = decoder(list(inputs))
        return {"output": output, **{f"next_{name}": after[i] for i, name in enumerate(state)}}

    one_step = tf.TensorSpec((None, 1, *fed.shape[2:]), fed.dtype, name="decoder_input")
    specs = [tf.TensorSpec(tensor.shape, tensor.dtype, name=name) for tensor, name in zip(carried, names, strict=True)]
    graph = _converted(step, [one_step, *specs])
    return compose.add_prefix_graph(graph, "step_")


def _converted(function: Callable[..., dict[str, Tensor]], specs: list[tf.TensorSpec]) -> onnx.GraphProto:
    traced = tf.function(function, input_signature=specs, autograph=False)
    model, _ = tf2onnx.convert.from_function(traced, specs, opset=OPSET)
    return model.graph


def _source(value: onnx.ValueInfoProto) -> onnx.ValueInfoProto:
    """The input with names for its sizes in place of the converter's numbers."""
    for size, name in zip(value.type.tensor_type.shape.dim, ("batch", "source_length"), strict=False):
        size.dim_param = name
    return value


def _parsed(codecs: Codecs, n_steps: int) -> list[onnx.GraphProto]:
    target = codecs.target
    if isinstance(target, Vocabulary):
        parts, numbers = _TOKENS, {"START": target.start, "END": NO_END if target.end is None else target.end}
    else:
        parts, numbers = _VECTORS, {"FEATURES": target.features}
    graphs = []
    for text in parts:
        for word, number in {**numbers, "N_STEPS": n_steps}.items():
            text = text.replace(word, str(number))  # noqa: PLW2901 - one text, word by word
        graphs.append(parser.parse_graph(text))
    return graphs


def _named(values: Any, names: list[str]) -> list[onnx.ValueInfoProto]:  # noqa: ANN401 - a list of protobuf
    by_name = {value.name: value for value in values}
    return [by_name[name] for name in names]
