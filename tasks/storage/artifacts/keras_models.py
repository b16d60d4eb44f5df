"""Keras models on disk: the weights of a training, and the two models of a bundle with the graphs written from them.

Apart from `bundle`, which reads what predicts, so that nothing that predicts reaches Keras. Models load with
`safe_mode=True`, and of custom objects only the layers of `tasks.seq2seq.models.attention`, `input_feeding` and
`quantile_output` are known.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.seq2seq.errors import ArtifactError
from tasks.seq2seq.settings.experiment import Experiment
from tasks.storage.artifacts.bundle import GRAPHS, KERAS_MODELS, BundleFacts, checked_folder
from tasks.storage.files.atomic import check_room
from tasks.storage.files.json_files import write_json
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.manifest import Handle

if TYPE_CHECKING:
    import keras

WEIGHTS = "model.weights.h5"
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
    except ValueError as error:
        raise ArtifactError(f"{folder / WEIGHTS} does not fit the model: {error}") from error


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
        ArtifactError: as of `load_bundle`, or Keras does not load them, or not in its safe mode.
    """
    return load_models(checked_folder(handle, store))


def load_models(folder: Path) -> tuple[keras.Model, keras.Model]:
    """Encoder and decoder of a bundle whose files were checked, or are being made.

    Raises:
        ArtifactError: Keras does not load them, or not in its safe mode.
    """
    import keras  # noqa: PLC0415 - reading a bundle's facts must not load TensorFlow

    from tasks.seq2seq.models import attention, input_feeding, quantile_output  # noqa: F401, PLC0415 - Keras finds layers that were imported

    try:
        encoder, decoder = (
            keras.saving.load_model(folder / name, compile=False, safe_mode=True) for name in KERAS_MODELS
        )
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise ArtifactError(f"{folder} holds models that Keras does not load: {error}") from error
    return encoder, decoder
