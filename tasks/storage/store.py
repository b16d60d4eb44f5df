"""The artifact store: folders named by the digest of what they hold, and an index by step keys.

    <store>/<kind>/<digest>/        an artifact: its files, and manifest.json, written last
    <store>/keys/<kind>-<key>.json  which digest a step with this key made
    <store>/locks/                  one lock a step, let go by the kernel

An artifact never changes. Making one again under the same key points the index to the new digest and
leaves the old folder, which a promoted name may still need.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.seq2seq.errors import ArtifactError
from tasks.storage.atomic import (
    aside,
    explain_os_errors,
    file_digest,
    flush,
    flush_tree,
    locked,
    remove_tree,
    write_atomically,
)
from tasks.storage.manifest import FORMAT_VERSION, MANIFEST, FileEntry, Handle, Manifest, canonical_digest

DIGEST_CHARACTERS = 16  # of a digest in a folder's name; the manifest holds it whole


@dataclass(frozen=True)
class Made:
    """What making an artifact gives back beside its files.

    Args:
        facts: a few values that readers need without opening a file.
        identity: what makes the artifact the same as another; None means the bytes of its files.
    """

    facts: dict[str, Any]
    identity: str | None = None


@dataclass(frozen=True)
class Recipe:
    """What an artifact is made of and recorded with; its `key` covers all but `experiment`.

    Args:
        kind: of the artifact, a folder's name.
        depends_on: the settings, versions and code digest that its content depends on.
        made_from: digests of the artifacts and files that it is made from.
        experiment: the whole experiment, for the record.
        versions: of the libraries that compute it.
    """

    kind: str
    depends_on: dict[str, Any]
    made_from: dict[str, str]
    experiment: dict[str, Any]
    versions: dict[str, str]

    @property
    def key(self) -> str:
        """The digest of everything that the result depends on, and nothing else."""
        return canonical_digest([self.kind, FORMAT_VERSION, self.depends_on, self.made_from, self.versions])


class Store:
    """A folder of artifacts."""

    def __init__(self, root: Path) -> None:
        """Takes any path; `prepare` creates it."""
        self.root = root.expanduser().absolute()

    def prepare(self) -> None:
        """Creates the store and proves that it can be written.

        Raises:
            ArtifactError: it cannot.
        """
        with explain_os_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            probe = aside(self.root / "probe")
            probe.write_bytes(b"x")
            probe.unlink()

    def peek(self, recipe: Recipe) -> str | None:
        """The digest that a recipe made, from the index alone; the artifact is not checked."""
        try:
            digest = json.loads(self._index(recipe).read_text(encoding="utf-8"))["digest"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return digest if isinstance(digest, str) else None

    def find(self, recipe: Recipe) -> Handle | str:
        """The checked artifact of a recipe, or the reason why there is none."""
        digest = self.peek(recipe)
        if digest is None:
            return "not made yet"
        try:
            return self.open(recipe.kind, digest)
        except ArtifactError as error:
            return str(error)

    def open(self, kind: str, digest: str) -> Handle:
        """The artifact with this digest, every file checked.

        Raises:
            ArtifactError: it is missing, cut short or altered.
        """
        folder = self.folder(kind, digest)
        manifest = check_artifact(folder)
        if (manifest.kind, manifest.digest) != (kind, digest):
            raise ArtifactError(
                f"{folder} holds {manifest.kind} {manifest.digest[:DIGEST_CHARACTERS]}, expected {kind} "
                f"{digest[:DIGEST_CHARACTERS]}"
            )
        return Handle.of(manifest, folder)

    def make(self, recipe: Recipe, write: Callable[[Path], Made], clock: Callable[[], float]) -> Handle:
        """Makes an artifact: `write` fills a folder, which then appears in the store as a whole.

        Hold `lock(recipe)` around it.

        Raises:
            ArtifactError: the store cannot be written; nothing of the attempt is left.
        """
        making = self.root / recipe.kind / f".making-{recipe.key[:DIGEST_CHARACTERS]}"
        began = clock()
        with explain_os_errors(making):
            remove_tree(making)  # what a killed run left
            making.mkdir(parents=True)
            try:
                made = write(making)
                manifest = self._describe(recipe, made, making, clock() - began)
                flush_tree(making)
                (making / MANIFEST).write_text(manifest.model_dump_json(indent=1), encoding="utf-8")
                flush(making / MANIFEST)
                flush(making)
                folder = self._publish(making, manifest)
            finally:
                remove_tree(making)
        write_atomically(self._index(recipe), json.dumps({"digest": manifest.digest}))
        return self.open(recipe.kind, manifest.digest) if folder is None else Handle.of(manifest, folder)

    def adopt(self, folder: Path, kind: str) -> Handle:
        """Takes a copy of an artifact from elsewhere, after every file of it was checked.

        Raises:
            ArtifactError: it is of another kind or a newer format, altered, or leads out of its folder.
        """
        manifest = check_artifact(folder)
        if manifest.kind != kind:
            raise ArtifactError(f"{folder} is an artifact of kind {manifest.kind!r}, expected a {kind}")
        making = self.root / kind / f".making-{manifest.digest[:DIGEST_CHARACTERS]}"
        with explain_os_errors(making), locked(self.root / "locks" / f"{kind}-adopt"):
            remove_tree(making)
            try:
                for name in (*manifest.files, MANIFEST):
                    (making / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(folder / name, making / name)
                flush_tree(making)
                check_artifact(making)  # the copy is what counts
                self._publish(making, manifest)
            finally:
                remove_tree(making)
        return self.open(kind, manifest.digest)

    def lock(self, recipe: Recipe) -> Any:  # noqa: ANN401 - a context manager
        """One process at a time makes what this recipe says."""
        return locked(self.root / "locks" / f"{recipe.kind}-{recipe.key[:DIGEST_CHARACTERS]}")

    def folder(self, kind: str, digest: str) -> Path:
        """Where the artifact with this digest lies, or would."""
        return self.root / kind / digest[:DIGEST_CHARACTERS]

    def _index(self, recipe: Recipe) -> Path:
        return self.root / "keys" / f"{recipe.kind}-{recipe.key[:32]}.json"

    def _describe(self, recipe: Recipe, made: Made, making: Path, seconds: float) -> Manifest:
        files = {
            path.relative_to(making).as_posix(): FileEntry(sha256=file_digest(path), bytes=path.stat().st_size)
            for path in sorted(making.rglob("*"))
            if path.is_file()
        }
        content = made.identity or {name: entry.sha256 for name, entry in files.items()}
        return Manifest(
            kind=recipe.kind,
            format_version=FORMAT_VERSION,
            digest=canonical_digest([recipe.kind, FORMAT_VERSION, content]),
            key=recipe.key,
            files=files,
            made_from=recipe.made_from,
            depends_on=recipe.depends_on,
            experiment=recipe.experiment,
            versions=recipe.versions,
            facts=json.loads(json.dumps(made.facts)),  # as a reader will find them: no tuples
            made_at=datetime.now(UTC),
            made_in_seconds=seconds,
        ).sealed()

    def _publish(self, making: Path, manifest: Manifest) -> Path | None:
        """Renames the folder into place; gives None where the same artifact stands there already."""
        folder = self.folder(manifest.kind, manifest.digest)
        with locked(self.root / "locks" / f"{manifest.kind}-publish"):
            if folder.is_symlink():  # an artifact is never a link, and a folder cannot take its place
                folder.unlink()
            if folder.exists():
                try:
                    check_artifact(folder)
                except ArtifactError:
                    remove_tree(folder)
                else:
                    return None
            making.rename(folder)
            flush(folder.parent)
        return folder


def check_artifact(folder: Path) -> Manifest:
    """Reads the manifest and compares every file with it.

    Raises:
        ArtifactError: a file is missing, cut short, altered, or leads out of the folder.
    """
    manifest = Manifest.read(folder)
    inside = folder.resolve()
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    if added := present - {MANIFEST, *manifest.files}:
        raise ArtifactError(f"{folder} was altered: it holds {min(added)}, which its manifest does not name")
    for name, entry in manifest.files.items():
        path = folder / name
        if not path.resolve().is_relative_to(inside):
            raise ArtifactError(f"{path} leads out of its artifact")
        if not path.is_file():
            raise ArtifactError(f"{path} is missing")
        size = path.stat().st_size
        if size != entry.bytes:
            raise ArtifactError(f"{path} has {size} bytes, expected {entry.bytes}: it was cut or altered")
        if file_digest(path) != entry.sha256:
            raise ArtifactError(f"{path} was altered: its digest does not fit the manifest")
    return manifest
