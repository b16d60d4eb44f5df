"""The artifacts of a store in an object store, of which the local folders are a cache.

    <store>/<kind>/<digest>/manifest.json           created last: without it there is no artifact
    <store>/<kind>/<digest>/<checksum>/<file>       the files of the manifest with this checksum
    <store>/keys/, <store>/promotions/              as in a folder

The files of two runs that make the same artifact at once lie apart, since no two manifests have one checksum: whoever
creates the manifest has made it, and the other takes it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from tasks.seq2seq.errors import ArtifactError
from tasks.storage.files.atomic import folder_aside, locked, remove_tree, temporary_folder
from tasks.storage.files.cache import make_room
from tasks.storage.files.object_places import ObjectPlace
from tasks.storage.files.places import Entry
from tasks.storage.store.checking import check_artifact, check_is
from tasks.storage.store.manifest import DIGEST_PATTERN, MANIFEST, Manifest
from tasks.storage.store.use import hold, unused


class RemoteArtifacts:
    """Artifacts in an object store."""

    def __init__(self, place: ObjectPlace, root: Path) -> None:
        """Takes where they lie, and the folder that they are fetched to, as a local store would have them."""
        self._place, self._root = place, root

    def prepare(self) -> None:
        """Proves that they can be written safely.

        Raises:
            SettingsError: the server ignores conditions.
        """
        self._place.prove()

    def shown(self, kind: str, digest: str) -> str:
        """Where one lies, as people are shown it."""
        return self._place.shown(f"{kind}/{digest}")

    def sizes(self, kind: str) -> dict[str, tuple[int, float]]:
        """Of each artifact of a kind, by its digest: its bytes, and when it was written."""
        entries: dict[str, list[Entry]] = {}
        for entry in self._place.entries(kind):
            entries.setdefault(entry.name.split("/")[1], []).append(entry)
        found = {}
        for digest, files in sorted(entries.items()):
            changed = [file.changed for file in files if file.name == f"{kind}/{digest}/{MANIFEST}"]
            if changed and re.fullmatch(DIGEST_PATTERN, digest):
                found[digest] = (sum(file.size for file in files), changed[0])
        return found

    def has(self, kind: str, digest: str) -> bool:
        """Whether there is one, sound or not."""
        return self._place.look(f"{kind}/{digest}/{MANIFEST}") is not None

    def manifest(self, kind: str, digest: str) -> Manifest:
        """The manifest of one.

        Raises:
            ArtifactError: there is none, or it was altered, or is another's.
        """
        where = self.shown(kind, digest)
        found = self._place.read(f"{kind}/{digest}/{MANIFEST}")
        if found is None:
            raise ArtifactError(f"{where} is not an artifact: it has no {MANIFEST}")
        return check_is(Manifest.parse(found.content, where), kind, digest, where)

    def bring(self, kind: str, digest: str, folder: Path, *, again: bool = False) -> None:
        """Has one lie in its local folder as the object store has it, held by this process.

        Args:
            kind: of the artifact.
            digest: its digest.
            folder: the local one.
            again: whether what lies there is known not to be sound.

        Raises:
            ArtifactError: it is not there, or was altered.
        """
        manifest = self.manifest(kind, digest)
        with locked(self._root / "locks" / f"fetch-{kind}"):
            if not again:
                hold(folder)
                if _is_of(folder, manifest):
                    os.utime(folder)
                    return
            make_room(self._kept(), sum(entry.bytes for entry in manifest.files.values()), unused)
            with folder_aside(folder) as made:
                self._fetch(manifest, made)
                hold(made)
                remove_tree(folder)
                made.rename(folder)

    def _kept(self) -> list[Path]:
        return [path for path in self._root.glob("*/*") if re.fullmatch(DIGEST_PATTERN, path.name)]

    def _fetch(self, manifest: Manifest, folder: Path) -> None:
        """Fetches an artifact; what is fetched is what the manifest says."""
        for name, entry in manifest.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            there = _file(manifest, name)
            try:
                digest = self._place.fetch(Entry(there, entry.bytes, "", 0.0), path)
            except FileNotFoundError as error:
                raise ArtifactError(f"{self._place.shown(there)} is missing, or was cut") from error
            if digest != entry.sha256:
                raise ArtifactError(f"{self._place.shown(there)} was altered: its digest does not fit the manifest")
        (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1), encoding="utf-8")

    def check(self, kind: str, digest: str) -> Manifest:
        """Holds every file of one against its manifest, as they are in the object store.

        Raises:
            ArtifactError: one is missing, cut short or altered.
        """
        manifest = self.manifest(kind, digest)
        with temporary_folder("verify") as folder:
            self._fetch(manifest, folder)
            return check_artifact(folder)

    def publish(self, making: Path, manifest: Manifest) -> Manifest:
        """Puts an artifact that was made in a folder in its place, the manifest last.

        Returns:
            The manifest that is there: another's, where a sound artifact with this digest was there first.
        """
        kind, digest = manifest.kind, manifest.digest
        name = f"{kind}/{digest}/{MANIFEST}"
        there = self._place.read(name)
        if there and (sound := self._sound(kind, digest)):
            return sound
        for file in manifest.files:
            self._place.put(_file(manifest, file), making / file)
        if self._place.swap(name, (making / MANIFEST).read_bytes(), there.stamp if there else None) is not None:
            return manifest
        winner = self.manifest(kind, digest)
        if winner.checksum != manifest.checksum:
            self._place.delete([_file(manifest, file) for file in manifest.files])
        return winner

    def _sound(self, kind: str, digest: str) -> Manifest | None:
        try:
            self.bring(kind, digest, self._root / kind / digest)
            return self.manifest(kind, digest)
        except ArtifactError:
            return None

    def remove(self, kind: str, digest: str) -> None:
        """Takes one out: the manifest first, with which it ends."""
        files = [entry.name for entry in self._place.entries(f"{kind}/{digest}")]
        self._place.delete(sorted(files, key=lambda name: not name.endswith(f"{digest}/{MANIFEST}")))


def _file(manifest: Manifest, name: str) -> str:
    return f"{manifest.kind}/{manifest.digest}/{manifest.checksum}/{name}"


def _is_of(folder: Path, manifest: Manifest) -> bool:
    try:
        return Manifest.read(folder).checksum == manifest.checksum
    except ArtifactError:
        return False
