"""Bundles of format 1, which held Keras models only, made into bundles of the present format.

The Keras models, the facts, the experiment, the codecs and the profile are kept as they are; a SavedModel that lay
inside is left out. The graphs are written from the weights, and verified against the Keras models. There is no dataset
at hand, so that the sources are drawn at random.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasks.seq2seq.errors import ArtifactError
from tasks.storage.artifacts.bundle import GRAPHS, KERAS_MODELS, Known, load_engine, read_known, steps_of
from tasks.storage.artifacts.keras_archives import check_keras_models
from tasks.storage.artifacts.keras_models import load_models, save_graphs, weights_digest
from tasks.storage.artifacts.shapes import ProfileFile
from tasks.storage.files.digests import file_digest
from tasks.storage.files.json_files import read_json
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.kinds import BUNDLE, format_version
from tasks.storage.store.making import Made, StepInputs
from tasks.storage.store.manifest import Handle, Manifest

if TYPE_CHECKING:
    import keras

FORMER = 1  # the format that is read here
KEPT = (*KERAS_MODELS, "bundle.json", "codecs.json", "profile.json")
LIBRARIES = ("keras", "onnx", "onnxruntime", "tensorflow")


def convert_bundle(store: Store, folder: Path, manifest: Manifest) -> Handle:
    """Makes a bundle of the present format of one of format 1, and gives it; an earlier conversion is found.

    Args:
        store: where the new bundle goes.
        folder: the old one, every file of which was checked.
        manifest: what it says of itself.

    Raises:
        ArtifactError: TensorFlow is missing, or the bundle is not what this project writes.
        ExportError: the graphs answer otherwise than the Keras models, or would be too large.
    """
    known = read_known(Handle.of(manifest, folder))
    if importlib.util.find_spec("tensorflow") is None:
        raise ArtifactError(
            f"{folder} is a bundle of format {FORMER}, this version of the project predicts by format "
            f"{format_version(BUNDLE)}; it is made into one only where TensorFlow is installed, and here it is not: "
            f"import it on a machine that is set up by requirements.lock, and bring the new bundle here"
        )
    _check_kept(folder, manifest)
    check_keras_models(folder, known)  # before anything is written
    inputs = StepInputs(
        BUNDLE,
        depends_on={"converted_from_format": FORMER},
        made_from={**manifest.made_from, "bundle": manifest.digest},
        experiment=manifest.experiment,
        versions={name: importlib.metadata.version(name) for name in LIBRARIES},
    )
    with store.lock(inputs):
        found = store.find(inputs)
        if isinstance(found, Handle):
            return found
        return store.make(inputs, lambda making: _write(making, folder, manifest, known))


def _write(making: Path, folder: Path, manifest: Manifest, known: Known) -> Made:
    """Fills `making` with the new bundle."""
    _copy(making, folder, manifest)
    models = load_models(making, known)
    save_graphs(making, *models, known.facts, known.experiment)
    n_verified = _verify(making, known, *models)
    alike = {name: weights_digest(model) for name, model in zip(KERAS_MODELS, models, strict=True)}
    return Made(manifest.facts, alike=alike, figures={"verified": n_verified})


def _check_kept(folder: Path, manifest: Manifest) -> None:
    for name in KEPT:
        if name not in manifest.files:
            raise ArtifactError(f"{folder} holds no {name}, which a bundle of format {FORMER} has; train it again")


def _copy(making: Path, folder: Path, manifest: Manifest) -> None:
    """Copies what is kept; the copies are what is loaded, and so they are what is checked."""
    for name in KEPT:
        shutil.copyfile(folder / name, making / name)
        if file_digest(making / name) != manifest.files[name].sha256:
            raise ArtifactError(f"{folder / name} changed while it was copied; try again")


def _verify(making: Path, known: Known, encoder: keras.Model, decoder: keras.Model) -> int:
    """Verifies the graphs on sources drawn at random; gives how many."""
    from tasks.seq2seq.export.drawn_sources import draw_sources  # noqa: PLC0415 - loads TensorFlow
    from tasks.seq2seq.export.verification import N_VERIFIED, Samples, Verifier, engine_decode, inference  # noqa: PLC0415 - likewise

    n_steps = steps_of(known.experiment.decoding.max_length or known.facts.target.length, known.codecs)
    sources = draw_sources(known.codecs.source, _lengths(making), N_VERIFIED, np.random.default_rng(0))
    engine = load_engine(making, known.facts, known.experiment)
    verifier = Verifier(inference(encoder, decoder), known.codecs, Samples(sources), n_steps)
    verifier.check(" with ".join(GRAPHS), engine_decode(engine, known.codecs, n_steps))
    return len(sources)


def _lengths(making: Path) -> list[int]:
    """The lengths of training's sources, in time steps."""
    try:
        lengths = [int(length) for length in read_json(making / "profile.json", ProfileFile)["source"]["lengths"]]
    except ValueError as error:
        raise ArtifactError(f"{making / 'profile.json'} does not say how long sources are; train it again") from error
    if not lengths:
        raise ArtifactError(f"{making / 'profile.json'} names no length of a source; train it again")
    return lengths
