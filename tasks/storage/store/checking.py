"""Whether an artifact is what its manifest says."""

from __future__ import annotations

import os
from pathlib import Path

from tasks.seq2seq.errors import ArtifactError
from tasks.storage.files.digests import file_digest
from tasks.storage.store.manifest import MANIFEST, FileEntry, Manifest, short


def check_is(manifest: Manifest, kind: str, digest: str, where: Path | str) -> Manifest:
    """The manifest of what lies `where`, if it is that of this artifact.

    Raises:
        ArtifactError: it is another's.
    """
    if (manifest.kind, manifest.digest) != (kind, digest):
        raise ArtifactError(f"{where} holds {manifest.kind} {short(manifest.digest)}, expected {kind} {short(digest)}")
    return manifest


def check_artifact(folder: Path) -> Manifest:
    """Reads the manifest and compares every file with it.

    Raises:
        ArtifactError: a file is missing, cut short, altered, or leads out of the folder.
    """
    manifest = Manifest.read(folder)
    inside = os.path.realpath(folder)  # not `resolve`, which ends with an error of its own at links in a circle
    for name, entry in manifest.files.items():
        path = folder / name
        if not Path(os.path.realpath(path)).is_relative_to(inside):
            raise ArtifactError(f"{path} leads out of its artifact")
        try:
            _check_file(path, entry)
        except OSError as error:
            raise ArtifactError(f"{path} cannot be read: {error.strerror}") from error
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not _is_folder(path)}
    if added := present - {MANIFEST, *manifest.files}:
        raise ArtifactError(f"{folder} was altered: it holds {min(added)!r}, which its manifest does not name")
    return manifest


def _is_folder(path: Path) -> bool:
    """Whether it is one itself, and no link to one."""
    return path.is_dir() and not path.is_symlink()


def _check_file(path: Path, entry: FileEntry) -> None:
    if not path.is_file():
        raise ArtifactError(f"{path} is missing")
    size = path.stat().st_size
    if size != entry.bytes:
        raise ArtifactError(f"{path} has {size} bytes, expected {entry.bytes}: it was cut or altered")
    if file_digest(path) != entry.sha256:
        raise ArtifactError(f"{path} was altered: its digest does not fit the manifest")
