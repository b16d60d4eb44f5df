"""Brings a bundle from elsewhere into the store."""

from __future__ import annotations

from pathlib import Path

from tasks.storage.artifacts.bundle import check_bundle
from tasks.storage.artifacts.former_bundle import FORMER, convert_bundle
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.checking import check_artifact
from tasks.storage.store.kinds import BUNDLE
from tasks.storage.store.manifest import Handle


def import_bundle(store: Store, folder: Path) -> Handle:
    """Brings a bundle from elsewhere into the store, checked: its files, its format, its settings, codecs and graphs.

    Of one of format 1 a new bundle is made, since it has no graphs, and the new one is given.

    Raises:
        ArtifactError: it is none, or was altered, or this version of the project does not know it; or it is of format 1
            and TensorFlow is missing.
        ExportError: the graphs of a new bundle do not answer as the model does.
    """
    manifest = check_artifact(folder)
    if manifest.kind == BUNDLE and manifest.format_version == FORMER:
        return convert_bundle(store, folder, manifest)
    if manifest.kind == BUNDLE:
        check_bundle(Handle.of(manifest, folder))
    return store.adopt(folder, BUNDLE)
