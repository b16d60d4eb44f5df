"""Keras' archives, looked at without Keras: only what this project writes is ever given to it.

Keras' safe mode keeps code out of what it loads. It still has layers that read any file, or load a TensorFlow program,
and builds whatever sizes it is told. So an archive is looked at here first: its members, which are stored and hence no
larger than the file, and each class and each number that its configuration names.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

from tasks.seq2seq.errors import ArtifactError
from tasks.seq2seq.shown import shown
from tasks.storage.artifacts.bundle import KERAS_MODELS, Known
from tasks.storage.files.archives import stored_members
from tasks.storage.files.json_files import parse_json
from tasks.storage.files.limits import KERAS_CONFIG_BYTES

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_MEMBERS = ["config.json", "metadata.json", "model.weights.h5"]
_HDF5 = b"\x89HDF\r\n\x1a\n"
_SHOWN_NAME = 60
_ANY_NUMBER = 4096  # in a configuration, however small the model
_NO_SIZES = ("seed", "shared_object_id")
_BYTES = 4  # of a weight
_COUNTED_TWICE = 2  # at most: tables that both sides share

# Module, class and registered name of all that models are made of.
_CLASSES = {
    (None, "__keras_tensor__", None),
    ("keras", "DTypePolicy", None),
    *(("keras.initializers", name, None) for name in ("GlorotUniform", "Identity", "Ones", "Orthogonal", "Zeros")),
    ("keras.initializers", "RandomUniform", None),
    *(("keras.layers", name, None) for name in ("Add", "Bidirectional", "Concatenate", "Dense", "Dropout", "GRU")),
    *(("keras.layers", name, None) for name in ("Embedding", "Identity", "InputLayer", "LSTM", "LayerNormalization")),
    ("keras.layers", "ReversibleEmbedding", None),
    ("keras.src.models.functional", "Functional", "Functional"),
    *(("keras.src.ops.numpy", name, name) for name in ("ExpandDims", "Max", "NotEqual", "OnesLike", "Split")),
    *(("keras.src.ops.numpy", name, name) for name in ("Where", "ZerosLike")),
    ("tasks.seq2seq.models.attention", "GlobalAttention", "seq2seq>GlobalAttention"),
    ("tasks.seq2seq.models.input_feeding", "InputFeedingDecoder", "seq2seq>InputFeedingDecoder"),
    ("tasks.seq2seq.models.quantile_output", "QuantileOutput", "seq2seq>QuantileOutput"),
}


def check_keras_models(folder: Path, known: Known) -> None:
    """Refuses a bundle whose Keras models are not such as this project writes, before anything of their sizes is made.

    Raises:
        ArtifactError: with what they hold that ours never do.
    """
    architecture = known.facts.architecture(known.experiment.model, known.experiment.training.forecast_quantiles)
    from tasks.seq2seq.inference.graphs.weight_shapes import weight_sizes  # noqa: PLC0415 - it takes onnx

    sizes = weight_sizes(architecture)
    lengths = (known.facts.source.length, known.facts.target.length)
    largest = max(_ANY_NUMBER, *lengths, *(size for shape in sizes for size in shape))
    for name in KERAS_MODELS:
        _check_archive(folder / name, largest)
    there = sum((folder / name).stat().st_size for name in KERAS_MODELS)
    wanted = _BYTES * sum(map(prod, sizes))
    if wanted > _COUNTED_TWICE * there:
        raise ArtifactError(
            f"{folder} holds {there:,} bytes of Keras models, and by its settings {wanted:,} bytes of weights; make "
            f"the bundle again"
        )


def _check_archive(path: Path, largest: int) -> None:
    try:
        fault = next(_faults(path, largest), None)
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, zipfile.BadZipFile) as error:
        raise ArtifactError(f"{path} is not a Keras model: {shown(error)}; make the bundle again") from error
    if fault:
        raise ArtifactError(f"{path} {fault}; only models that this project wrote are loaded, make the bundle again")


def _faults(path: Path, largest: int) -> Iterator[str]:
    with zipfile.ZipFile(path) as archive:
        members = stored_members(archive)
        if sorted(members) != _MEMBERS:
            yield f"holds the members {shown(sorted(members), 200)}, expected {_MEMBERS}"
        if members[_CONFIG].file_size > KERAS_CONFIG_BYTES:
            yield f"has {members[_CONFIG].file_size:,} bytes of configuration, expected {KERAS_CONFIG_BYTES:,} at most"
        with archive.open(_WEIGHTS) as weights:
            if weights.read(len(_HDF5)) != _HDF5:
                yield f"holds weights that are no HDF5, in {_WEIGHTS}"
        yield from _config_faults(parse_json(archive.read(_CONFIG)), largest)


def _config_faults(value: Any, largest: int) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    """Of a configuration: classes that are not ours, and numbers by which a layer would be larger than the model."""
    if isinstance(value, dict):
        named = (value.get("module"), value.get("class_name"), value.get("registered_name"))
        if "class_name" in value and not (all(map(_is_name, named)) and named in _CLASSES):
            yield f"holds {shown(repr(named[1]), _SHOWN_NAME)} of {shown(repr(named[0]), _SHOWN_NAME)}"
        for name, inner in value.items():
            if name not in _NO_SIZES:
                yield from _config_faults(inner, largest)
    elif isinstance(value, list):
        for inner in value:
            yield from _config_faults(inner, largest)
    elif isinstance(value, int) and value > largest:
        yield f"is configured with the number {shown(value, _SHOWN_NAME)}, expected {largest:,} at most"


def _is_name(value: object) -> bool:
    return value is None or isinstance(value, str)
