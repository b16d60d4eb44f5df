"""Ways in which somebody may change a bundle to do harm; its manifest and digests are then made anew.

Each change is given the bundle's folder, and a folder outside of it: a process that executes what the bundle brings
makes the file `canary` there, and `secret` is what nobody may read.
"""

import base64
import json
import marshal
import os
import zipfile
from pathlib import Path

import onnx
from onnx import TensorProto

ENCODER = "encoder.keras"
CONFIG, WEIGHTS = "config.json", "model.weights.h5"


def members_of(path):
    """The members of an archive, by name."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_archive(path, members, compression=zipfile.ZIP_STORED):
    """An archive of members, in order; a name may be a `ZipInfo`, and so be there twice."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)


def with_member(name, content):
    """Adds a member to the encoder's archive, or replaces one."""

    def change(folder, outside):
        members = {**members_of(folder / ENCODER), name: content(outside) if callable(content) else content}
        write_archive(folder / ENCODER, members.items())

    return change


def with_layer(make):
    """Adds a layer to the encoder's configuration."""

    def change(folder, outside):
        config = json.loads(members_of(folder / ENCODER)[CONFIG])
        config["config"]["layers"].append(make(outside))
        with_member(CONFIG, json.dumps(config).encode())(folder, outside)

    return change


def with_initializer(make):
    """Has something else in place of each initializer of the encoder's layers."""

    def replaced(value, outside):
        if isinstance(value, list):
            return [replaced(one, outside) for one in value]
        if not isinstance(value, dict):
            return value
        return {
            name: make(outside) if name.endswith("_initializer") else replaced(one, outside)
            for name, one in value.items()
        }

    def change(folder, outside):
        config = replaced(json.loads(members_of(folder / ENCODER)[CONFIG]), outside)
        with_member(CONFIG, json.dumps(config).encode())(folder, outside)

    return change


def layer(module, name, registered_name=None, **config):
    """A layer as Keras writes it."""
    return {
        "module": module,
        "class_name": name,
        "registered_name": registered_name,
        "config": {"name": "more", **config},
        "name": "more",
        "inbound_nodes": [],
        "build_config": {"input_shape": [None, 3]},
    }


def lambda_layer(outside):
    """Python as bytes, which makes the canary."""
    code = compile(f"open({str(outside / 'canary')!r}, 'w')", "", "eval")
    function = {
        "class_name": "__lambda__",
        "config": {"code": base64.b64encode(marshal.dumps(code)).decode(), "defaults": None, "closure": None},
    }
    return layer("keras.layers", "Lambda", function=function, arguments={})


def module_layer(outside):
    """A module that anybody who has it can import: it makes the canary."""
    (outside / "evil.py").write_text(f"open({str(outside / 'canary')!r}, 'w')\n")
    return layer("evil", "Layer", "evil>Layer")


def number(name, value):
    """Sets a number wherever the encoder's configuration has it."""

    def replaced(config):
        if isinstance(config, list):
            return [replaced(one) for one in config]
        if not isinstance(config, dict):
            return config
        return {key: value if key == name else replaced(one) for key, one in config.items()}

    def change(folder, outside):
        config = replaced(json.loads(members_of(folder / ENCODER)[CONFIG]))
        with_member(CONFIG, json.dumps(config).encode())(folder, outside)

    return change


def compressed(content):
    """A member that is a thousand times as large as it looks."""

    def change(folder, _outside):
        members = {**members_of(folder / ENCODER), CONFIG: content}
        write_archive(folder / ENCODER, members.items(), zipfile.ZIP_DEFLATED)

    return change


def twice(folder, _outside):
    members = members_of(folder / ENCODER)
    again = zipfile.ZipInfo(CONFIG)
    write_archive(folder / ENCODER, [*members.items(), (again, b"{}")])


def member_link(folder, outside):
    """A member that an unpacking program would make a link."""
    link = zipfile.ZipInfo("assets")
    link.external_attr = 0o120777 << 16
    write_archive(folder / ENCODER, [*members_of(folder / ENCODER).items(), (link, str(outside / "secret"))])


def hdf5(write):
    """Weights that `write` has changed."""

    def change(folder, outside):
        import h5py  # type: ignore[import-untyped]

        path = folder / WEIGHTS
        path.write_bytes(members_of(folder / ENCODER)[WEIGHTS])
        with h5py.File(path, "r+") as file:
            write(file, outside)
        content = path.read_bytes()
        path.unlink()
        with_member(WEIGHTS, content)(folder, outside)

    return change


def _weights_of(file):
    """The first array of the file, and the group that has it."""
    found = []
    file.visititems(lambda name, item: found.append(name) if hasattr(item, "shape") else None)
    return file[found[0]].parent, found[0].rsplit("/", 1)[1]


def external_weights(file, outside):
    """An array whose numbers lie in another file."""
    group, name = _weights_of(file)
    shape = group[name].shape
    del group[name]
    group.create_dataset(name, shape, "float32", external=[(str(outside / "secret"), 0, 2**20)])


def linked_weights(file, outside):
    """An array that is in another file."""
    import h5py

    group, name = _weights_of(file)
    del group[name]
    group[name] = h5py.ExternalLink(str(outside / "secret"), "/secret")


def linked_group(file, outside):
    """A group that is in another file."""
    import h5py

    del file["layers"]
    file["layers"] = h5py.ExternalLink(str(outside / "secret"), "/layers")


def file_link(name):
    """A file that is a link to one outside."""

    def change(folder, outside):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(outside / "secret")

    return change


def folder_link(folder, outside):
    (folder / "more").symlink_to(outside)


def circle(folder, _outside):
    (folder / "profile.json").unlink()
    (folder / "profile.json").symlink_to("profile.json")


def pipe(folder, _outside):
    """Whoever opens it waits for ever."""
    (folder / "profile.json").unlink()
    os.mkfifo(folder / "profile.json")


def text(name, content):
    """Replaces a file."""
    return lambda folder, _outside: (folder / name).write_bytes(content)


def settings(**model):
    """Settings of a model that is far larger than what is there."""

    def change(folder, _outside):
        path = folder / "bundle.json"
        content = json.loads(path.read_text())
        content["experiment"]["model"] |= model
        path.write_text(json.dumps(content))

    return change


def graph(change_graph):
    """Changes the graph of a step."""

    def change(folder, outside):
        path = folder / "step.onnx"
        model = onnx.load_model(path)
        change_graph(model, outside)
        path.write_bytes(model.SerializeToString())

    return change


def external_tensor(where):
    """The numbers of a tensor lie in another file."""

    def change(model, outside):
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=where(outside))

    return change


def custom_operator(model, _outside):
    model.graph.node[0].domain = "evil"


DEEP = b'{"a":' * 50_000 + b"1" + b"}" * 50_000
MIB = 2**20
# How the bundle is changed, and what is said of it.
CHANGES = {
    "a Lambda layer": (with_layer(lambda_layer), "holds 'Lambda' of 'keras.layers'"),
    "a TFSMLayer": (
        with_layer(lambda outside: layer("keras.layers", "TFSMLayer", filepath=str(outside), call_endpoint="serve")),
        "holds 'TFSMLayer' of 'keras.layers'",
    ),
    "a layer by its module": (with_layer(module_layer), "holds 'Layer' of 'evil'"),
    "a layer that reads a file": (
        with_layer(lambda outside: layer("keras.layers", "StringLookup", vocabulary=str(outside / "secret"))),
        "holds 'StringLookup' of 'keras.layers'",
    ),
    "a layer of ours by another module": (
        with_layer(lambda _: layer("evil", "GlobalAttention", "seq2seq>GlobalAttention")),
        "holds 'GlobalAttention' of 'evil'",
    ),
    "a layer whose name is a list": (with_layer(lambda _: layer("keras.layers", ["Dense"])), "holds .*Dense"),
    "a function": (
        with_initializer(
            lambda _: {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}
        ),
        "holds 'function' of 'os'",
    ),
    "a member above": (with_member("../../canary", b"!"), "holds the members"),
    "a member by an absolute name": (
        lambda folder, outside: with_member(str(outside / "canary"), b"!")(folder, outside),
        "holds the members",
    ),
    "a member more": (with_member("assets/vocabulary.txt", b"!"), "holds the members"),
    "a member that is a link": (member_link, "holds the members"),
    "a member twice": (twice, "two of its members have one name"),
    "a bomb": (compressed(b" " * (200 * MIB)), "is compressed or encrypted"),
    "a large configuration": (with_member(CONFIG, b" " * (8 * MIB)), "bytes of configuration, expected"),
    "a deep configuration": (with_member(CONFIG, DEEP), "nested too deep"),
    "a configuration of no UTF-8": (with_member(CONFIG, b"\xff"), "not UTF-8"),
    "a layer of many units": (number("units", 10**9), r"configured with the number 1000000000"),
    "a shape of many steps": (number("batch_shape", [10**12]), "configured with the number 1000000000000"),
    "no HDF5": (with_member(WEIGHTS, b"\x80\x04junk"), "are no HDF5"),
    "an archive that is none": (text(ENCODER, b"junk"), "is not a Keras model"),
    "no archive": (lambda folder, _: (folder / ENCODER).unlink(), "cannot be read: No such file|holds no encoder.keras"),
    "weights in another file": (hdf5(external_weights), "Keras does not load"),
    "weights by a link": (hdf5(linked_weights), "Keras does not load"),
    "groups by a link": (hdf5(linked_group), "Keras does not load"),
    "weights that are cut": (with_member(WEIGHTS, b"\x89HDF\r\n\x1a\n".ljust(4096)), "Keras does not load"),
    "a file that is a link": (file_link("profile.json"), "leads out of its artifact"),
    "a model that is a link": (file_link(ENCODER), "leads out of its artifact"),
    "a folder that is a link": (folder_link, "holds 'more', which its manifest does not name"),
    "a circle of links": (circle, "holds 'profile.json', which its manifest does not name"),
    "a pipe": (pipe, "holds 'profile.json', which its manifest does not name"),
    "a model of many units": (settings(units=16_384, layers=64), "by its settings .* bytes of weights"),
    "a model of other units": (settings(units=3), "has the outputs|layers with the weights"),
    "deep settings": (text("bundle.json", DEEP), "nested too deep"),
    "settings that are text": (text("bundle.json", b'{"experiment": "text"}'), "'experiment' is 'text'"),
    "deep codecs": (text("codecs.json", DEEP), "nested too deep"),
    "a deep profile": (text("profile.json", DEEP), "nested too deep"),
    "a number of many digits": (text("profile.json", b'{"source": ' + b"9" * 100_000 + b"}"), "cannot be read"),
    "numbers of a graph inside": (
        graph(external_tensor(lambda _: "profile.json")),
        "keeps the numbers of .* in another file",
    ),
    "numbers of a graph outside": (
        graph(external_tensor(lambda outside: str(outside / "secret"))),
        "keeps the numbers of .* in another file",
    ),
    "an operator of others": (graph(custom_operator), "holds the operator 'evil"),
}  # fmt: skip


def outside_of(folder):
    """A folder with a secret that nobody may read: whoever opens the pipe beside it waits for ever."""
    outside = Path(folder) / "outside"
    outside.mkdir()
    (outside / "secret").write_text("a secret of mine")
    return outside
