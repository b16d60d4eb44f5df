"""Trained weights and model bundles on disk.

A bundle holds everything that prediction needs and nothing that comes after:

    encoder.keras        inference encoder: source -> [state_h, state_c]
    decoder.keras        inference decoder: [decoder_input, state_h, state_c] -> [logits, state_h, state_c]
    bundle.json          lengths, encodings, the decoder's start, the experiment
    vocabulary.json      symbols and ids of both sides
    profile.json         lengths and symbol counts of the training pairs
    saved_model/         the whole greedy decode, for others: our predictor never executes it

Nothing here is ever unpickled: models load with `safe_mode=True` and without custom objects.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from tasks.seq2seq.errors import ArtifactError
from tasks.seq2seq.vocabulary import Vocabularies
from tasks.storage.atomic import write_json
from tasks.storage.datasets import read_vocabularies
from tasks.storage.manifest import Handle
from tasks.storage.store import Store

if TYPE_CHECKING:
    import keras

KIND = "bundle"
WEIGHTS = "model.weights.h5"


class BundleFacts(BaseModel):
    """What a reader needs to know of a bundle without loading it; lengths in time steps."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    units: int
    parameters: int
    source_encoding: str
    target_encoding: str
    source_length: int
    target_length: int
    start: int


@dataclass(frozen=True)
class Bundle:
    """A bundle in memory."""

    encoder: keras.Model
    decoder: keras.Model
    vocabularies: Vocabularies
    facts: BundleFacts


def weights_digest(model: keras.Model) -> str:
    """What identifies a model: its layers and weights, not the bytes of a save."""
    digest = hashlib.sha256(model.to_json().encode())
    for variable in model.weights:  # without the state of random generators, which is none of the model
        value = variable.numpy()
        digest.update(f"{variable.path}\0{value.dtype}\0{value.shape}\0".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


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
    dataset: Path,
    experiment: dict[str, Any],
) -> None:
    """Fills `folder` with a bundle; vocabulary and profile are the training dataset's."""
    encoder.save(folder / "encoder.keras")
    decoder.save(folder / "decoder.keras")
    write_json(folder / "bundle.json", {**facts.model_dump(), "experiment": experiment})
    for name in ("vocabulary.json", "profile.json"):
        (folder / name).write_bytes((dataset / name).read_bytes())


def save_decode(folder: Path, encoder: keras.Model, decoder: keras.Model, facts: BundleFacts) -> None:
    """Exports the greedy decode as a SavedModel.

    Its signature `serving_default` takes `source` `(batch, source_length) int32` and gives `tokens`
    `(batch, target_length) int32` and `log_probability` `(batch,) float32`.
    """
    import tensorflow as tf  # noqa: PLC0415 - reading a bundle's facts must not load TensorFlow

    from tasks.seq2seq.decoding import decode_graph  # noqa: PLC0415 - likewise

    decode = decode_graph(encoder, decoder, facts.start, facts.target_length)
    signature = tf.TensorSpec((None, None), tf.int32, name="source")
    module = tf.Module()
    module.models = [encoder, decoder]  # so that the weights are saved
    module.serve = tf.function(lambda source: decode(source)._asdict(), input_signature=[signature])
    tf.saved_model.save(module, str(folder / "saved_model"), signatures=module.serve)


def load_bundle(handle: Handle, store: Store) -> Bundle:
    """Checks a bundle's files and loads its models.

    Raises:
        ArtifactError: it is missing, altered, of a newer format, or lies outside the store.
    """
    import keras  # noqa: PLC0415 - see above

    folder = store.open(KIND, handle.digest).path
    if not folder.resolve().is_relative_to(store.root.resolve()):
        raise ArtifactError(f"{folder} leads out of the store {store.root}; import the bundle instead")
    try:
        models = [
            keras.saving.load_model(folder / name, compile=False, safe_mode=True)
            for name in ("encoder.keras", "decoder.keras")
        ]
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise ArtifactError(f"{folder} holds models that Keras does not load: {error}") from error
    return Bundle(models[0], models[1], read_vocabularies(folder), BundleFacts.model_validate(handle.facts))
