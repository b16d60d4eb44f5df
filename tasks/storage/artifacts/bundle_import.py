"""Brings a bundle from elsewhere into the store."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from tasks.storage.artifacts.bundle import check_format, load_engine, read_known
from tasks.storage.artifacts.former_bundle import FORMER, convert_bundle
from tasks.storage.artifacts.keras_archives import check_keras_models
from tasks.storage.artifacts.keras_models import load_models
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.checking import check_artifact
from tasks.storage.store.kinds import BUNDLE
from tasks.storage.store.manifest import Handle


def import_bundle(store: Store, folder: Path) -> Handle:
    """Brings a bundle from elsewhere into the store, after all of it was checked: what would not load is refused.

    Its Keras models are loaded too where TensorFlow is installed; elsewhere nothing would load them. Of one of format 1
    a new bundle is made, since it has no graphs, and the new one is given.

    Raises:
        ArtifactError: it is none, or was altered, or this version of the project does not know it; or it is of format 1
            and TensorFlow is missing.
        ExportError: the graphs of a new bundle do not answer as the model does.
    """
    manifest = check_artifact(folder)
    if manifest.kind == BUNDLE and manifest.format_version == FORMER:
        return convert_bundle(store, folder, manifest)
    if manifest.kind == BUNDLE:
        _check(Handle.of(manifest, folder))
    return store.adopt(folder, BUNDLE)


def _check(bundle: Handle) -> None:
    """Proves that all of a bundle can be used here.

    Raises:
        ArtifactError: it cannot.
    """
    check_format(bundle)
    known = read_known(bundle)
    check_keras_models(bundle.path, known)  # first: nothing larger than them is made
    load_engine(bundle.path, known.facts, known.experiment)  # its graphs are prepared, and none of them is run
    if importlib.util.find_spec("tensorflow"):
        load_models(bundle.path, known)
