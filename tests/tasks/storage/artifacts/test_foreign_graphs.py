"""Bundles whose graphs are not ours: refused by name before one is run, in an import and in a prediction."""

import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from flows.import_bundle import main
from tasks.predict import load_predictor
from tasks.seq2seq.errors import ArtifactError
from tasks.storage.artifacts.bundle import load_bundle
from tasks.storage.artifacts.bundle_import import import_bundle
from tasks.storage.store.artifact_store import Store
from tests.helpers.model_bundles import reseal
from tests.helpers.small_bundles import make
from tests.helpers.small_models import write_models
from tests.helpers.stored import digest, listing


def changed(name, change):
    """What changes a graph of a bundle that is being made."""

    def write(folder):
        model = onnx.load_model(folder / name)
        change(model)
        (folder / name).write_bytes(model.SerializeToString())

    return write


def rewrite(name, content):
    """What puts something else in a graph's place."""
    return lambda folder: (folder / name).write_bytes(content)


def add(operator, domain="", **attributes):
    """Appends an operator, which stays unused."""
    return lambda model: model.graph.node.append(
        helper.make_node(operator, [model.graph.output[0].name], ["more"], domain=domain, **attributes)
    )


def add_loop(model):
    body = helper.make_graph([], "body", [], [])
    model.graph.node.append(helper.make_node("Loop", ["", ""], ["more"], body=body))


def add_inside(model):
    (loop,) = (node for node in model.graph.node if node.op_type == "Scan")
    loop.attribute[0].g.node.append(helper.make_node("Exp", ["x"], ["more"]))


def add_function(model):
    model.functions.append(
        helper.make_function("own", "f", ["x"], ["y"], [helper.make_node("Exp", ["x"], ["y"])], model.opset_import)
    )


def keep_elsewhere(model):
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../etc/passwd")


def keep_elsewhere_in_an_attribute(model):
    tensor = helper.make_tensor("value", TensorProto.FLOAT, [1], [0.0])
    tensor.external_data.add(key="location", value="/etc/passwd")
    add("ConstantOfShape", value=tensor)(model)


def widen(model):
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 99


def rename(model):
    model.graph.input[0].name = "another"


def retype(model):
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.STRING


def add_input(model):
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))


def of_opset(version):
    """Sets the version of the operators."""

    def change(model):
        model.opset_import[0].version = version

    return change


def remove_the_last(model):
    del model.graph.node[-1]


def shorten_a_constant(model):
    """Only the runtime looks whether sizes fit one another."""
    tensor = next(one for one in model.graph.initializer if len(one.dims) == 2)
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor)[:, :-1], tensor.name))


def of_domain(model):
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


FOREIGN = {
    "junk": (rewrite("step.onnx", b"junk"), r"step\.onnx is not a graph of ONNX"),
    "empty": (rewrite("encoder.onnx", b""), r"encoder\.onnx is of version 0 with operators \[\]"),
    "swapped": (
        lambda folder: (folder / "encoder.onnx").replace(folder / "step.onnx"),
        r"encoder\.onnx cannot be read",
    ),
    "missing": (lambda folder: (folder / "step.onnx").unlink(), r"step\.onnx cannot be read: No such file"),
    "an operator": (changed("step.onnx", add("Exp")), r"step\.onnx holds the operator 'Exp'"),
    "an operator of a runtime": (
        changed("encoder.onnx", add("Gelu", domain="com.microsoft")),
        r"encoder\.onnx holds the operator 'com\.microsoftGelu'",
    ),
    "a loop": (changed("step.onnx", add_loop), "holds the operator 'Loop'"),
    "an operator in a loop": (changed("encoder.onnx", add_inside), "holds the operator 'Exp'"),
    "an attribute": (changed("step.onnx", add("Cast", to="string")), "'Cast' with an attribute 'to' of another kind"),
    "a function": (changed("step.onnx", add_function), "defines functions"),
    "another file": (changed("step.onnx", keep_elsewhere), "keeps the numbers of '.*' in another file"),
    "another file in an attribute": (
        changed("encoder.onnx", keep_elsewhere_in_an_attribute),
        "keeps the numbers of 'value' in another file",
    ),
    "a shape": (changed("step.onnx", widen), r"has the outputs .*99.*, expected .*7"),
    "a name": (changed("encoder.onnx", rename), "has the inputs .*another"),
    "a type": (changed("step.onnx", retype), "has the inputs"),
    "an input": (changed("encoder.onnx", add_input), "has the inputs .*more"),
    "a tensor that is nowhere": (changed("step.onnx", remove_the_last), "holds graphs that ONNX Runtime refuses"),
    "sizes that do not fit": (changed("encoder.onnx", shorten_a_constant), r"holds 'constant_\d+' of the shape"),
    "a newer opset": (changed("step.onnx", of_opset(25)), r"with operators \[\('', 25\)\], expected"),
    "operators of a runtime": (changed("step.onnx", of_domain), "com.microsoft"),
}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.mark.parametrize(("change", "said"), FOREIGN.values(), ids=FOREIGN)
def test_a_graph_that_is_not_ours_is_not_brought_in(store, tmp_path, change, said):
    folder = make(Store(tmp_path / "elsewhere"), change=change).path
    before = listing(tmp_path)
    with pytest.raises(ArtifactError, match=said):
        import_bundle(store, folder)
    assert listing(tmp_path) == before


@pytest.mark.parametrize(("change", "said"), FOREIGN.values(), ids=FOREIGN)
def test_a_graph_that_is_not_ours_does_not_predict(store, change, said):
    bundle = make(store, made_from={"dataset": digest("dataset")}, change=change)
    with pytest.raises(ArtifactError, match=said):
        load_bundle(bundle, store)
    with pytest.raises(ArtifactError, match=said):
        load_predictor(bundle.digest, store.root)


def test_graphs_of_ours_are_brought_in_and_predict(store, tmp_path):
    """What all cases above begin with."""
    folder = make(Store(tmp_path / "elsewhere"), made_from={"dataset": digest("dataset")}, change=write_models).path
    bundle = import_bundle(store, folder)
    assert load_predictor(bundle.digest, store.root).predict([[1, 2, 3]]) == [
        [None] * 3
    ]  # all say id 0, which is no symbol


@pytest.mark.parametrize("name", ["encoder.onnx", "step.onnx"])
def test_a_graph_that_was_altered_is_refused_by_its_digest(store, tmp_path, name):
    folder = make(Store(tmp_path / "elsewhere")).path
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ArtifactError, match=rf"{name} was altered: its digest does not fit"):
        import_bundle(store, folder)


def test_the_command_refuses_a_newer_format_and_says_what_to_do(store, tmp_path, capsys):
    folder = make(Store(tmp_path / "elsewhere")).path
    reseal(folder, format_version=3)
    assert main([str(folder), "--store", str(store.root)]) == 2
    assert "is of format 3, this version of the project reads up to 2; update the project" in capsys.readouterr().err
    assert not list((store.root / "bundle").glob("*"))


def test_codecs_of_other_sizes_than_the_facts_say_are_refused(store, tmp_path):
    """Their ids would lead outside of the graphs' tables."""
    folder = make(Store(tmp_path / "elsewhere")).path
    manifest = {"facts": {"source": {"encoding": "integers", "vocabulary": 5, "length": 3}}}
    facts = {**make(store, seed=2).facts, **manifest["facts"]}
    reseal(folder, facts=facts)
    with pytest.raises(ArtifactError, match="has 7 ids and 0 features of the source in its codecs, and 5 and 0"):
        import_bundle(store, folder)
