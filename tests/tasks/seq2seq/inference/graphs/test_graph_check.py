"""Graphs of our own, each with one thing that ours never have."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tasks.seq2seq.errors import ArtifactError, ExportError
from tasks.seq2seq.inference.graphs import graph_check
from tasks.seq2seq.inference.graphs.encoder import encoder_graph
from tasks.seq2seq.inference.graphs.graph_check import check_graph, serialised
from tasks.seq2seq.inference.graphs.step import step_graph
from tasks.seq2seq.inference.graphs.tensor_types import source_type
from tasks.seq2seq.inference.graphs.weight_shapes import Zeros, make_weights
from tasks.seq2seq.settings.architecture import Architecture, Side
from tests.helpers.kinds import KINDS, settings_of
from tests.helpers.random_weights import random_weights

PATH = Path("bundle/encoder.onnx")
SIDE = Side(9)
ATTENDING = Architecture(SIDE, SIDE, True, settings_of({"attention": "bahdanau", "layers": 2}))
UNMASKED = Architecture(SIDE, SIDE, False, settings_of({"attention": "luong_dot"}))


def encoder(architecture=ATTENDING):
    return encoder_graph(architecture, random_weights(architecture))


def check(model, architecture=ATTENDING, write=encoder_graph):
    check_graph(model.SerializeToString(), write(architecture, make_weights(architecture, Zeros())), PATH)


def refused(model, expected, architecture=ATTENDING, write=encoder_graph):
    """It is refused with these words, of which file, and what to do."""
    with pytest.raises(ArtifactError) as error:
        check(model, architecture, write)
    message = str(error.value)
    assert message.startswith(f"{PATH} ")
    assert expected in message
    assert message.endswith("only graphs that this project wrote are run, make the bundle again")


def loop(model):
    """The body of the encoder's first loop."""
    (scan, *_) = [node for node in model.graph.node if node.op_type == "Scan"]
    return next(attribute.g for attribute in scan.attribute if attribute.name == "body")


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("masked", [True, False])
def test_graphs_of_every_kind_are_ours(name, masked):
    architecture = Architecture(SIDE, SIDE, masked, settings_of(KINDS[name]))
    check(encoder(architecture), architecture)
    check(step_graph(architecture, random_weights(architecture)), architecture, step_graph)


@pytest.mark.parametrize("sides", [(Side(features=2), Side(features=3)), (SIDE, Side(features=3))])
def test_graphs_of_vectors_are_ours(sides):
    source, target = sides
    architecture = Architecture(source, target, True, settings_of({}))
    check(encoder(architecture), architecture)
    single = encoder_graph(architecture, random_weights(architecture), is_single=True)
    check(single, architecture)


@pytest.mark.parametrize("operator", ["ReduceSum", "If", "Loop", "StringNormalizer", "gemm", ""])
@pytest.mark.parametrize("is_inside", [False, True], ids=["outside", "inside a loop"])
def test_an_operator_that_ours_never_hold_is_refused_by_name(operator, is_inside):
    model = encoder()
    graph = loop(model) if is_inside else model.graph
    graph.node.append(helper.make_node(operator, [], ["other"]))
    refused(model, f"holds the operator {operator!r}")


def test_an_operator_inside_a_loop_inside_a_loop_is_refused():
    model = encoder()
    inner = loop(encoder())
    inner.node.append(helper.make_node("Loop", [], ["other"]))
    loop(model).node.append(helper.make_node("Scan", [], ["another"], body=inner, num_scan_inputs=1))
    refused(model, "holds the operator 'Loop'")


@pytest.mark.parametrize("is_inside", [False, True], ids=["outside", "inside a loop"])
def test_an_operator_of_another_domain_is_refused_though_its_name_is_ours(is_inside):
    model = encoder()
    graph = loop(model) if is_inside else model.graph
    graph.node[0].domain = "com.microsoft"
    refused(model, f"holds the operator {'com.microsoft' + graph.node[0].op_type!r}")


@pytest.mark.parametrize(
    "opsets", [[("", 19)], [("", 17)], [], [("", 18), ("com.microsoft", 1)], [("ai.onnx.ml", 18)], [("", 18), ("", 19)]]
)
def test_operators_of_other_versions_are_refused(opsets):
    model = encoder()
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(*opset) for opset in opsets)
    refused(model, f"is of version 8 with operators {opsets}, expected 8 with [('', 18)]")


@pytest.mark.parametrize("version", [7, 9, 10])
def test_a_file_of_another_version_is_refused(version):
    model = encoder()
    model.ir_version = version
    refused(model, f"is of version {version} with operators [('', 18)], expected 8 with [('', 18)]")


def external(tensor, *, location=True):
    """Makes a tensor say that its numbers are in another file."""
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    if location:
        tensor.data_location = onnx.TensorProto.EXTERNAL


@pytest.mark.parametrize("location", [True, False])
def test_numbers_in_another_file_are_refused(location):
    model = encoder()
    external(model.graph.initializer[2], location=location)
    refused(model, "keeps the numbers of 'constant_2' in another file")


def test_numbers_that_are_only_said_to_be_elsewhere_are_refused():
    model = encoder()
    model.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    refused(model, "keeps the numbers of 'constant_0' in another file")


def test_numbers_of_a_loop_in_another_file_are_refused():
    model = encoder()
    tensor = numpy_helper.from_array(np.zeros(2, np.float32), "hidden")
    external(tensor)
    loop(model).initializer.append(tensor)
    refused(model, "keeps the numbers of 'hidden' in another file")


@pytest.mark.parametrize("location", [True, False])
def test_an_attribute_in_another_file_is_refused(location):
    model = encoder(UNMASKED)
    (node,) = [node for node in model.graph.node if node.op_type == "ConstantOfShape"]
    external(node.attribute[0].t, location=location)
    refused(model, "keeps the numbers of 'value' in another file", UNMASKED)


@pytest.mark.parametrize("is_inside", [False, True], ids=["outside", "inside a loop"])
def test_sparse_numbers_are_refused(is_inside):
    model = encoder()
    values, indices = (numpy_helper.from_array(np.ones(1, kind), name) for kind, name in (("f4", "a"), ("i8", "b")))
    graph = loop(model) if is_inside else model.graph
    graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [3]))
    refused(model, "holds sparse or quantised numbers")


def test_quantised_numbers_are_refused():
    model = encoder()
    model.graph.quantization_annotation.add().tensor_name = "constant_0"
    refused(model, "holds sparse or quantised numbers")


def test_functions_are_refused():
    model = encoder()
    model.functions.append(
        helper.make_function("", "Gemm", ["a"], ["b"], [helper.make_node("Loop", ["a"], ["b"])], model.opset_import)
    )
    refused(model, "defines functions or a training of its own")


def test_a_training_is_refused():
    model = encoder()
    model.training_info.add()
    refused(model, "defines functions or a training of its own")


@pytest.mark.parametrize("value", ["text", ["text"], loop(encoder()), [loop(encoder())], [1.5, 2.5]])
def test_an_attribute_of_another_kind_is_refused(value):
    model = encoder()
    model.graph.node[0].attribute.append(helper.make_attribute("other", value))
    refused(model, f"holds the operator {model.graph.node[0].op_type!r} with an attribute 'other' of another kind")


def test_an_attribute_that_does_not_say_its_kind_is_refused():
    model = encoder()
    model.graph.node[0].attribute.add(name="other", s=b"text")
    refused(model, "with an attribute 'other' of another kind")


WRITERS = {"encoder": encoder_graph, "step": step_graph}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("more", [-1, 1])
def test_learned_numbers_of_another_shape_are_refused(name, write, more):
    """Each of them, a number shorter or longer along each of its sides: a table of fewer symbols, a narrower product.

    The vocabulary is of a size from which no width of a layer is a number away.
    """
    side = Side(60)
    architecture = Architecture(side, side, True, settings_of(KINDS[name]))
    written = write(architecture, random_weights(architecture))
    sizes = [(i, axis) for i, tensor in enumerate(written.graph.initializer) for axis in range(len(tensor.dims))]
    for i, axis in [(i, axis) for i, axis in sizes if written.graph.initializer[i].data_type == onnx.TensorProto.FLOAT]:
        model = onnx.ModelProto.FromString(written.SerializeToString())
        array = numpy_helper.to_array(model.graph.initializer[i])
        shape = tuple(size + more * (axis == side) for side, size in enumerate(array.shape))
        if 0 not in shape:
            held = model.graph.initializer[i].name
            model.graph.initializer[i].CopyFrom(numpy_helper.from_array(np.resize(array, shape), held))
            refused(model, f"holds {held!r} of the shape {shape}, expected one of [", architecture, write)


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("content", [lambda held: held[:-4], lambda held: held + bytes(4), lambda _held: b""])
def test_fewer_or_more_bytes_than_the_shape_says_are_refused(number, content):
    model = encoder()
    tensor = model.graph.initializer[number]
    tensor.raw_data = content(tensor.raw_data)
    refused(model, f"holds 'constant_{number}' of {len(tensor.raw_data)} bytes, expected ")


def test_numbers_of_another_kind_are_refused():
    model = encoder()
    tensor = model.graph.initializer[0]
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))
    refused(model, "holds 'constant_0' of ")


def test_numbers_inside_a_loop_are_refused():
    model = encoder()
    loop(model).initializer.append(numpy_helper.from_array(np.zeros(2, np.float32), "hidden"))
    refused(model, "keeps the numbers of 'hidden' inside a loop")


def renamed(values):
    values[0].name = "other"


def retyped(values):
    values[0].type.tensor_type.elem_type = onnx.TensorProto.DOUBLE


def resized(values):
    values[0].type.tensor_type.shape.dim[1].dim_value = 77


def of_more_dimensions(values):
    values[0].type.tensor_type.shape.dim.add().dim_value = 1


def without_a_type(values):
    values[0].ClearField("type")


def of_a_sequence(values):
    values[0].CopyFrom(helper.make_tensor_sequence_value_info(values[0].name, onnx.TensorProto.FLOAT, ["sources", 8]))


def added(values):
    values.append(helper.make_tensor_value_info("other", onnx.TensorProto.FLOAT, [1]))


def missing(values):
    del values[0]


def in_another_order(values):
    values.reverse()


CHANGES = [renamed, retyped, resized, of_more_dimensions, without_a_type, of_a_sequence, added, missing]


@pytest.mark.parametrize("change", CHANGES)
def test_other_inputs_are_refused(change):
    model = encoder()
    change(model.graph.input)
    refused(model, "has the inputs {")


@pytest.mark.parametrize("change", [*CHANGES, in_another_order])
def test_other_outputs_are_refused(change):
    model = encoder()
    change(model.graph.output)
    refused(model, "has the outputs {")


def test_the_message_of_other_inputs_says_both(tmp_path):
    model = encoder()
    renamed(model.graph.input)
    refused(model, f"has the inputs {{'other': (6, ('sources', 'source_length'))}}, expected {source_type(ATTENDING)}")


@pytest.mark.parametrize("content", [b"\xff not a graph", encoder().SerializeToString()[:-7]])
def test_bytes_that_are_no_graph_are_refused(content):
    with pytest.raises(ArtifactError, match=r"bundle/encoder.onnx is not a graph of ONNX: .*; make the bundle again"):
        check_graph(content, encoder(), PATH)


def test_an_empty_file_is_refused():
    refused(onnx.ModelProto(), "is of version 0 with operators []")


def test_what_is_checked_is_not_run(run_python):
    """Not even loaded by what would run it."""
    run_python("""
        import sys
        from pathlib import Path
        import onnx
        import pytest
        from tasks.seq2seq.errors import ArtifactError
        from tasks.seq2seq.inference.graphs.graph_check import check_graph

        with pytest.raises(ArtifactError):
            check_graph(b"", onnx.ModelProto(), Path("encoder.onnx"))
        assert "onnxruntime" not in sys.modules
    """)


def test_a_graph_that_fits_into_a_file_is_written_whole():
    assert serialised(encoder(), "the encoder") == encoder().SerializeToString()


def test_a_graph_too_large_for_a_file_is_refused_with_what_to_do(monkeypatch):
    model = encoder()
    monkeypatch.setattr(graph_check, "MOST_BYTES", model.ByteSize() - 1)
    with pytest.raises(ExportError, match=r"the encoder would be [\d,]+ bytes, .*; choose fewer units"):
        serialised(model, "the encoder")
