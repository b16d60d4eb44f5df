"""Keras models on disk: the weights of a training, and the two models of a bundle with the graphs written from them.

Apart from `bundle`, which reads what predicts, so that nothing that predicts reaches Keras. Models load after
`keras_archives` has found them to be ours, with `safe_mode=True`, and of custom objects only the layers of
`tasks.seq2seq.models.attention`, `input_feeding` and `quantile_output` are known.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.seq2seq.errors import ArtifactError
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.shown import shown
from tasks.storage.artifacts.bundle import GRAPHS, KERAS_MODELS, BundleFacts, Known, checked_folder, read_known
from tasks.storage.artifacts.keras_archives import check_keras_models
from tasks.storage.files.atomic import check_room
from tasks.storage.files.json_files import write_json
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.manifest import Handle

if TYPE_CHECKING:
    import keras

WEIGHTS = "model.weights.h5"
_SHOWN = 300  # characters of what Keras says
_HDF5_BYTES = 4096  # more than what it writes of each array and layer beside the values


def weights_digest(model: keras.Model) -> str:
    """What identifies a model: its layers and weights, not the bytes of a save."""
    digest = hashlib.sha256(_architecture(model).encode())
    for variable in model.weights:  # without the state of random generators, which is none of the model
        value = variable.numpy()
        digest.update(f"{variable.path}\0{value.dtype}\0{value.shape}\0".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def _architecture(model: keras.Model) -> str:
    """The layers as JSON, each called by its place: the names that Keras makes up count what was built before.

    How the model was compiled is left out: it is none of its answers, and the optimizer's name counts too.
    """
    config = json.loads(model.to_json())["config"]
    names = {layer["name"]: str(i) for i, layer in enumerate(config["layers"])}

    def named(value: Any) -> Any:  # noqa: ANN401 - JSON
        if isinstance(value, dict):
            return {key: named(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [named(inner) for inner in value]
        return names.get(value, value) if isinstance(value, str) else value

    return json.dumps(named(config))


def save_weights(model: keras.Model, folder: Path) -> None:
    """Writes the weights as HDF5.

    Raises:
        OSError: there is no room. HDF5 itself, once a write has failed, may end the process later on.
    """
    sizes = [variable.numpy().nbytes for variable in model.variables]
    check_room(folder, sum(sizes) + _HDF5_BYTES * (len(sizes) + len(model.layers) + 1))
    model.save_weights(folder / WEIGHTS)


def load_weights(model: keras.Model, folder: Path) -> None:
    """Fills `model` with the weights that `save_weights` wrote.

    Raises:
        ArtifactError: they are of another architecture.
    """
    try:
        model.load_weights(folder / WEIGHTS)
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise ArtifactError(f"{folder / WEIGHTS} does not fit the model: {shown(error, _SHOWN)}") from error


def save_bundle(
    folder: Path, encoder: keras.Model, decoder: keras.Model, facts: BundleFacts, experiment: Experiment
) -> None:
    """Writes the models of a bundle, in Keras' format and as graphs, its facts and the experiment.

    Raises:
        ExportError: the model is too large for a file of ONNX.
    """
    encoder.save(folder / KERAS_MODELS[0])
    decoder.save(folder / KERAS_MODELS[1])
    save_graphs(folder, encoder, decoder, facts, experiment)
    write_json(folder / "bundle.json", {**facts.model_dump(), "experiment": experiment.model_dump(mode="json")})


def save_graphs(
    folder: Path, encoder: keras.Model, decoder: keras.Model, facts: BundleFacts, experiment: Experiment
) -> None:
    """Writes the inference models as graphs.

    Raises:
        ExportError: the model is too large for a file of ONNX.
    """
    from tasks.seq2seq.export.keras_weights import keras_weights  # noqa: PLC0415 - loads TensorFlow
    from tasks.seq2seq.inference.graphs.encoder import encoder_graph  # noqa: PLC0415 - loads ONNX
    from tasks.seq2seq.inference.graphs.graph_check import serialised  # noqa: PLC0415 - likewise
    from tasks.seq2seq.inference.graphs.step import step_graph  # noqa: PLC0415 - likewise

    architecture = facts.architecture(experiment.model, experiment.training.forecast_quantiles)
    weights = keras_weights(architecture, encoder, decoder)
    graphs = encoder_graph(architecture, weights, is_single=facts.is_single), step_graph(architecture, weights)
    for name, graph in zip(GRAPHS, graphs, strict=True):
        (folder / name).write_bytes(serialised(graph, name))


def load_keras_models(handle: Handle, store: Store) -> tuple[keras.Model, keras.Model]:
    """Checks a bundle's files and loads its inference encoder and decoder into Keras.

    Raises:
        ArtifactError: as of `load_bundle`, and as of `load_models`.
    """
    return load_models(checked_folder(handle, store), read_known(handle))


def load_models(folder: Path, known: Known) -> tuple[keras.Model, keras.Model]:
    """Encoder and decoder of a bundle whose files were checked, or are being made, and which says so much of itself.

    Raises:
        ArtifactError: they are not such as this project writes, Keras does not load them, or not in its safe mode, or
            they are of another architecture.
    """
    check_keras_models(folder, known)
    try:
        models = load_into_keras(folder)
    except Exception as error:  # its errors, and those of TensorFlow and HDF5, have no other class in common
        raise ArtifactError(f"{folder} holds models that Keras does not load: {shown(error, _SHOWN)}") from error
    _check_architecture(folder, known, *models)
    return models


def load_into_keras(folder: Path) -> tuple[keras.Model, keras.Model]:
    """Encoder and decoder, which `check_keras_models` has looked at."""
    import keras  # noqa: PLC0415 - reading a bundle's facts must not load TensorFlow

    from tasks.seq2seq.models import attention, input_feeding, quantile_output  # noqa: F401, PLC0415 - Keras finds layers that were imported

    encoder, decoder = (keras.saving.load_model(folder / name, compile=False, safe_mode=True) for name in KERAS_MODELS)
    return encoder, decoder


def _check_architecture(folder: Path, known: Known, encoder: keras.Model, decoder: keras.Model) -> None:
    """Refuses models that are not of the architecture that the bundle says: graphs are written by it."""
    from tasks.seq2seq.models.encoder_decoder import build_models  # noqa: PLC0415 - loads TensorFlow

    settings, quantiles = known.experiment.model, known.experiment.training.forecast_quantiles
    expected = build_models(known.facts.architecture(settings, quantiles).without_dropout())
    for name, found, own in zip(KERAS_MODELS, (encoder, decoder), (expected.encoder, expected.decoder), strict=True):
        there, ours = _weights(found), _weights(own)
        if there != ours:
            raise ArtifactError(
                f"{folder / name} has layers with the weights {there}, expected {ours} by the bundle's settings; train "
                f"it again"
            )


def _weights(model: keras.Model) -> dict[str, list[tuple[int, ...]]]:
    """The shapes of the weights by layer; what has none bears a name that Keras makes up."""
    shapes = {layer.name: [weight.shape for weight in layer.get_weights()] for layer in model.layers}
    return {name: found for name, found in shapes.items() if found}
