"""Whether a graph is one that this project writes; no other is ever run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from tasks.seq2seq.errors import ArtifactError, ExportError
from tasks.seq2seq.inference.graphs.graph_builder import IR_VERSION, OPSET
from tasks.seq2seq.inference.graphs.tensor_types import BYTES, FLOAT, Name, Type

OPERATORS = {
    *(
        "Add",
        "Mul",
        "Sub",
        "Gemm",
        "MatMul",
        "Sigmoid",
        "Tanh",
        "Softmax",
        "Softplus",
        "LogSoftmax",
        "LayerNormalization",
        "Where",
        "Scan",
    ),
    *("Cast", "Concat", "ConstantOfShape", "Gather", "Identity", "Reshape", "Shape", "Slice", "Split", "Squeeze"),
    *("Transpose", "Unsqueeze"),
}
# What protocol buffers, and so a file of ONNX, hold at most.
MOST_BYTES = 2**31 - 1


def serialised(graph: onnx.ModelProto, name: str) -> bytes:
    """The bytes of a graph.

    Raises:
        ExportError: they are too many for one file.
    """
    if graph.ByteSize() > MOST_BYTES:
        raise ExportError(
            f"{name} would be {graph.ByteSize():,} bytes, a file of ONNX holds {MOST_BYTES:,}; choose fewer units, or "
            f"a smaller vocabulary or embedding"
        )
    content: bytes = graph.SerializeToString()
    return content


def check_graph(content: bytes, like: onnx.ModelProto, path: Path) -> None:
    """Refuses a graph that this project does not write.

    Args:
        content: the graph's bytes.
        like: the graph that is written of such a model, of any weights: the inputs and outputs must be its, and numbers
            that are learned must be of shapes that are in it.
        path: where it lies, for the message.

    Raises:
        ArtifactError: with what it has that ours never have.
    """
    try:
        model = onnx.load_model_from_string(content)
    except (DecodeError, ValueError) as error:
        raise ArtifactError(f"{path} is not a graph of ONNX: {error}; make the bundle again") from error
    fault = next(_faults(model, like), None)
    if fault:
        raise ArtifactError(f"{path} {fault}; only graphs that this project wrote are run, make the bundle again")


def _faults(model: onnx.ModelProto, like: onnx.ModelProto) -> Iterator[str]:
    opsets = [(opset.domain, opset.version) for opset in model.opset_import]
    if model.ir_version != IR_VERSION or opsets != [("", OPSET)]:
        yield f"is of version {model.ir_version} with operators {opsets}, expected {IR_VERSION} with {[('', OPSET)]}"
    if model.functions or model.training_info:
        yield "defines functions or a training of its own"
    yield from _graph_faults(model.graph)
    for word, found, expected in (
        ("inputs", model.graph.input, like.graph.input),
        ("outputs", model.graph.output, like.graph.output),
    ):
        there, wanted = _types(found), _types(expected)
        if list(there.items()) != list(wanted.items()):
            yield f"has the {word} {there}, expected {wanted}"
    yield from _shape_faults(model.graph, like.graph)


def _shape_faults(graph: onnx.GraphProto, like: onnx.GraphProto) -> Iterator[str]:
    shapes = {tuple(tensor.dims) for tensor in like.initializer if tensor.data_type == FLOAT}
    for tensor in graph.initializer:
        shape, size = tuple(tensor.dims), BYTES.get(tensor.data_type, 0)
        if tensor.data_type == FLOAT and shape not in shapes:
            yield f"holds {tensor.name!r} of the shape {shape}, expected one of {sorted(shapes)}"
        there, wanted = len(tensor.raw_data), math.prod(shape) * size
        if there != wanted:
            yield f"holds {tensor.name!r} of {there} bytes, expected {wanted} for its shape {shape}"


def _graph_faults(graph: onnx.GraphProto) -> Iterator[str]:
    if graph.sparse_initializer or graph.quantization_annotation:
        yield "holds sparse or quantised numbers"
    for tensor in graph.initializer:
        if tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL:
            yield f"keeps the numbers of {tensor.name!r} in another file"
    for node in graph.node:
        if node.op_type not in OPERATORS or node.domain:
            yield f"holds the operator {node.domain + node.op_type!r}"
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH and node.op_type == "Scan":
                yield from _graph_faults(attribute.g)
                yield from (f"keeps the numbers of {held.name!r} inside a loop" for held in attribute.g.initializer)
            elif attribute.type not in _PLAIN:
                yield f"holds the operator {node.op_type!r} with an attribute {attribute.name!r} of another kind"
            elif attribute.t.external_data:
                yield f"keeps the numbers of {attribute.name!r} in another file"


_PLAIN = (
    onnx.AttributeProto.INT,
    onnx.AttributeProto.INTS,
    onnx.AttributeProto.FLOAT,
    onnx.AttributeProto.TENSOR,
)


def _types(values: Iterable[onnx.ValueInfoProto]) -> dict[Name, Type]:
    return {value.name: _type(value) for value in values}


def _type(value: onnx.ValueInfoProto) -> Type:
    tensor = value.type.tensor_type
    return tensor.elem_type, tuple(size.dim_param or size.dim_value for size in tensor.shape.dim)
