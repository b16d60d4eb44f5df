"""Writes ONNX graphs, one operation at a time; see https://onnx.ai/onnx/operators for what each operation does."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from tasks.seq2seq.inference.graphs.tensor_types import Name, Type

OPSET = 18
IR_VERSION = 8  # of the file; older programs refuse newer ones


class GraphBuilder:
    """A graph in the making; what is called on it appends an operation and gives the name of its result.

    A body that an operation repeats is a builder of its own (`body`). It sees all tensors around it, and its constants
    are kept outside, where the runtime prepares them once.
    """

    def __init__(self, prefix: str = "", constants: dict[str, onnx.TensorProto] | None = None) -> None:
        """Takes what all names of the graph begin with; `constants` is what a body shares with the graph around it."""
        self._prefix, self._nodes, self._n = prefix, list[onnx.NodeProto](), 0
        self._constants = {} if constants is None else constants
        self._renamed: dict[Name, Name] = {}

    def body(self, name: str) -> GraphBuilder:
        """A graph inside this one."""
        return GraphBuilder(f"{self._prefix}{name}_", self._constants)

    def local(self, name: str) -> Name:
        """A name of this graph's own."""
        return f"{self._prefix}{name}"

    def constant(self, value: Any, kind: Any = np.float32) -> Name:  # noqa: ANN401 - what numpy takes
        """An array that the graph holds; equal ones are held once."""
        array: NDArray[Any] = np.asarray(value, kind, order="C")
        key = f"{array.dtype} {array.shape} {hashlib.sha256(array.tobytes()).hexdigest()}"
        if key not in self._constants:
            self._constants[key] = numpy_helper.from_array(array, f"constant_{len(self._constants)}")
        name: Name = self._constants[key].name
        return name

    def __call__(self, operation: str, *inputs: Name, **attributes: Any) -> Name:  # noqa: ANN401 - the operation's own
        """Appends an operation with one result."""
        (result,) = self.several(operation, 1, *inputs, **attributes)
        return result

    def several(self, operation: str, n: int, *inputs: Name, **attributes: Any) -> list[Name]:  # noqa: ANN401 - likewise
        """Appends an operation with `n` results."""
        results = [f"{self._prefix}{operation.lower()}_{self._n + i}" for i in range(n)]
        self._n += n
        self._nodes.append(helper.make_node(operation, inputs, results, **attributes))
        return results

    def named(self, name: str, tensor: Name) -> Name:
        """Gives a tensor a name of one's own, as outputs have it, or a second one."""
        tensor = self._renamed.get(tensor, tensor)
        is_ours = any(tensor in node.output for node in self._nodes)
        if not is_ours or tensor in self._renamed.values():
            self._nodes.append(helper.make_node("Identity", [tensor], [name]))
            return name
        for node in self._nodes:
            node.input[:] = [name if one == tensor else one for one in node.input]
            node.output[:] = [name if one == tensor else one for one in node.output]
        self._renamed[tensor] = name
        return name

    def include(self, graph: onnx.GraphProto) -> None:
        """Appends another graph's operations, and keeps its constants; names must not meet those of this one."""
        self._nodes += graph.node
        self._constants |= {tensor.name: tensor for tensor in graph.initializer}

    def graph(self, name: str, inputs: dict[Name, Type], outputs: dict[Name, Type]) -> onnx.GraphProto:
        """What was written, with its inputs and outputs; without the constants, which belong to the outermost."""
        described = (
            [helper.make_tensor_value_info(key, *kind) for key, kind in side.items()] for side in (inputs, outputs)
        )
        return helper.make_graph(self._nodes, name, *described)

    def model(self, name: str, inputs: dict[Name, Type], outputs: dict[Name, Type]) -> onnx.ModelProto:
        """The whole as a model; the outermost graph's."""
        graph = self.graph(name, inputs, outputs)
        graph.initializer.extend(self._constants.values())
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
