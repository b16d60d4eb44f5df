"""Trained weights and model bundles on disk.

A bundle holds everything that prediction needs and nothing that comes after:

    encoder.keras        inference encoder: source -> [state_h, state_c]
    decoder.keras        inference decoder: [decoder_input, state_h, state_c] -> [output, state_h, state_c]
    bundle.json          lengths, encodings, the experiment
    codecs.json          symbols and ids, or means and deviations, of both sides
    profile.json         lengths and symbol counts of the training pairs
    saved_model/1/       the whole greedy decode, for others: our predictor never executes it (`storage.exports`)

Nothing here is ever unpickled: models load with `safe_mode=True`, and of custom objects only the layers of
`tasks.seq2seq.models.attention` and `input_feeding` are known.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.errors import ArtifactError, DataError
from tasks.seq2seq.settings.experiment import Experiment
from tasks.storage.artifacts.dataset import SideFacts, read_codecs
from tasks.storage.files.atomic import read_json, write_json
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.kinds import BUNDLE
from tasks.storage.store.manifest import Handle, first_fault

if TYPE_CHECKING:
    import keras

WEIGHTS = "model.weights.h5"


class BundleFacts(BaseModel):
    """What a reader needs to know of a bundle without loading it; lengths in time steps."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    units: int
    parameters: int
    source: SideFacts
    target: SideFacts
    masked: bool
    relative: bool


@dataclass(frozen=True)
class Bundle:
    """A bundle in memory."""

    encoder: keras.Model
    decoder: keras.Model
    codecs: Codecs
    facts: BundleFacts

    @property
    def n_steps(self) -> int:
        """Time steps to decode at most."""
        return n_steps(self.facts, self.codecs)


def n_steps(facts: BundleFacts, codecs: Codecs) -> int:
    """Time steps that the longest target takes to decode, the end included where there is one."""
    return steps_of(facts.target.length, codecs)


def steps_of(length: int, codecs: Codecs) -> int:
    """Time steps that a target of this length takes to decode, the end included where there is one."""
    return length + codecs.target.has_end


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
    """Writes the weights as HDF5."""
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
    folder: Path,
    encoder: keras.Model,
    decoder: keras.Model,
    facts: BundleFacts,
    experiment: dict[str, Any],
) -> None:
    """Writes the models of a bundle, its facts and the experiment."""
    encoder.save(folder / "encoder.keras")
    decoder.save(folder / "decoder.keras")
    write_json(folder / "bundle.json", {**facts.model_dump(), "experiment": experiment})


def read_experiment(handle: Handle) -> Experiment:
    """The experiment that a bundle was made by.

    Raises:
        ArtifactError: this version of the project does not know its settings.
    """
    try:
        return Experiment.model_validate(read_json(handle.path / "bundle.json")["experiment"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtifactError(
            f"{handle.path} was made with settings that this version of the project does not know; train it again "
            f"({first_fault(error)})"
        ) from error


def check_bundle(handle: Handle) -> None:
    """Proves that this version of the project can read a bundle, without loading its models.

    Raises:
        ArtifactError: it cannot.
    """
    read_experiment(handle)
    try:
        BundleFacts.model_validate(handle.facts)
        read_codecs(handle.path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, DataError) as error:
        raise ArtifactError(
            f"{handle.path} holds no bundle that this version of the project knows: {first_fault(error)}"
        ) from error


def load_bundle(handle: Handle, store: Store) -> Bundle:
    """Checks a bundle's files and loads its models.

    Raises:
        ArtifactError: it is missing, altered, of a newer format, or lies outside the store.
    """
    folder = store.open(BUNDLE, handle.digest).path
    if not folder.resolve().is_relative_to(store.root.resolve()):
        raise ArtifactError(f"{folder} leads out of the store {store.root}; import the bundle instead")
    return Bundle(*load_models(folder), read_codecs(folder), BundleFacts.model_validate(handle.facts))


def load_models(folder: Path) -> tuple[keras.Model, keras.Model]:
    """Encoder and decoder of a bundle whose files were checked, or are being made.

    Raises:
        ArtifactError: Keras does not load them, or not in its safe mode.
    """
    import keras  # noqa: PLC0415 - reading a bundle's facts must not load TensorFlow

    from tasks.seq2seq.models import attention, input_feeding  # noqa: F401, PLC0415 - Keras finds layers that were imported

    try:
        encoder, decoder = (
            keras.saving.load_model(folder / name, compile=False, safe_mode=True)
            for name in ("encoder.keras", "decoder.keras")
        )
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise ArtifactError(f"{folder} holds models that Keras does not load: {error}") from error
    return encoder, decoder
