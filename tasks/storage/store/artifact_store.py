"""The artifact store: folders named by the digest of what they hold, and an index by step keys.

    <store>/<kind>/<digest>/        an artifact: its files, and manifest.json, written last
    <store>/keys/<kind>-<key>.json  which digest a step with this key made, when, and figures of that making
    <store>/locks/                  one lock a step, let go by the kernel

Digests and keys are whole in these names: of two that begin alike, one would block the other for ever.

An artifact never changes. Making one again under the same key points the index to the new digest and
leaves the old folder, which a promoted name may still need.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.seq2seq.errors import ArtifactError
from tasks.storage.files.atomic import (
    explain_os_errors,
    flush,
    flush_tree,
    folder_aside,
    left_over,
    locked,
    remove_left_over,
    remove_tree,
    write_atomically,
)
from tasks.storage.files.digests import file_digest
from tasks.storage.store.kinds import format_version
from tasks.storage.store.making import Made, Making, StepInputs
from tasks.storage.store.manifest import (
    DIGEST_PATTERN,
    KIND_PATTERN,
    MANIFEST,
    FileEntry,
    Handle,
    Manifest,
    canonical_digest,
    short,
)
from tasks.storage.store.use import hold

FORMER_CHARACTERS = 16  # of a digest in the names that folders had before they carried it whole


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
            with folder_aside(self.root / "probe") as probe:
                (probe / "probe").write_bytes(b"x")
        for path in self.left_over():
            remove_left_over(path)

    def left_over(self) -> list[Path]:
        """What processes that have ended were writing here."""
        folders = [self.root, *(path for path in self.root.glob("[!.]*") if path.is_dir() and not path.is_symlink())]
        return [path for folder in folders for path in left_over(folder)]

    def peek(self, inputs: StepInputs) -> str | None:
        """The digest that a step made, from the index alone; the artifact is not checked."""
        making = self._last_making(inputs)
        return making.digest if making else None

    def find(self, inputs: StepInputs) -> Handle | str:
        """The checked artifact of a step, or the reason why there is none."""
        making = self._last_making(inputs)
        if making is None:
            return "not made yet"
        try:
            return _as_made(self.open(inputs.kind, making.digest), making)
        except ArtifactError as error:
            return str(error)

    def _last_making(self, inputs: StepInputs) -> Making | None:
        return Making.read(self._index(inputs), inputs.key)

    def open(self, kind: str, digest: str) -> Handle:
        """The artifact with this digest, every file checked; it is not pruned while this process lives.

        Raises:
            ArtifactError: it is missing, cut short or altered.
        """
        folder = self.folder(kind, digest)
        if not folder.exists():
            self.refuse_former(kind, digest)
        hold(folder)
        manifest = check_artifact(folder)
        if (manifest.kind, manifest.digest) != (kind, digest):
            raise ArtifactError(
                f"{folder} holds {manifest.kind} {short(manifest.digest)}, expected {kind} {short(digest)}"
            )
        return Handle.of(manifest, folder)

    def make(self, inputs: StepInputs, write: Callable[[Path], Made]) -> Handle:
        """Makes an artifact: `write` fills a folder, which then appears in the store as a whole.

        Hold `lock(inputs)` around it.

        Raises:
            ArtifactError: the store cannot be written; nothing of the attempt is left.
        """
        index, began = self._index(inputs), time.perf_counter()
        with self._making(inputs.kind, inputs.key) as making:
            made = write(making)
            manifest = self._describe(inputs, made, making, time.perf_counter() - began)
            flush_tree(making)
            (making / MANIFEST).write_text(manifest.model_dump_json(indent=1), encoding="utf-8")
            flush(making / MANIFEST)
            flush(making)
            folder = self._publish(making, manifest)
        last = Making(
            key=inputs.key,
            digest=manifest.digest,
            made_at=manifest.made_at,
            made_in_seconds=manifest.made_in_seconds,
            figures=_as_read(made.figures),
        )
        write_atomically(index, last.sealed().model_dump_json())
        handle = self.open(inputs.kind, manifest.digest) if folder is None else Handle.of(manifest, folder)
        return _as_made(handle, last)

    def adopt(self, folder: Path, kind: str) -> Handle:
        """Takes a copy of an artifact from elsewhere, after every file of it was checked.

        Raises:
            ArtifactError: it is of another kind or a newer format, altered, or leads out of its folder.
        """
        manifest = check_artifact(folder)
        if manifest.kind != kind:
            raise ArtifactError(f"{folder} is an artifact of kind {manifest.kind!r}, expected a {kind}")
        with self._making(kind, manifest.digest) as making:
            for name in (*manifest.files, MANIFEST):
                (making / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / name, making / name)
            flush_tree(making)
            if check_artifact(making) != manifest:  # the copy is what counts
                raise ArtifactError(f"{folder} changed while it was copied; try again")
            self._publish(making, manifest)
        return self.open(kind, manifest.digest)

    @contextlib.contextmanager
    def _making(self, kind: str, name: str) -> Iterator[Path]:
        """A folder for an artifact to be made in; what killed processes left of the same is removed."""
        place = self.place(kind, f"making-{name}")
        former = self.place(kind, f".{place.name}")  # as older versions named it
        with explain_os_errors(former):
            remove_tree(former)
            for path in left_over(place.parent, f"{former.name}."):
                remove_left_over(path)
            with folder_aside(place) as making:
                yield making

    def lock(self, inputs: StepInputs) -> AbstractContextManager[None]:
        """One process at a time makes what these inputs say."""
        return locked(self.place("locks", f"{inputs.kind}-{inputs.key}"))

    def changing(self, kind: str) -> AbstractContextManager[None]:
        """One process at a time puts artifacts of a kind into their place, or takes them out."""
        return locked(self.place("locks", f"{kind}-publish"))

    def digests(self, kind: str) -> list[str]:
        """The digests of a kind's artifacts by the names of their folders, sorted; nothing is checked."""
        return sorted(path.name for path in (self.root / kind).glob("*") if re.fullmatch(DIGEST_PATTERN, path.name))

    def refuse_former(self, kind: str, digits: str) -> None:
        """Refuses an artifact that is only there under the name that an older version of the project gave its folder.

        Raises:
            ArtifactError: there is one whose digest begins with `digits`; with what to do.
        """
        for former in sorted((self.root / kind).glob(f"{digits[:FORMER_CHARACTERS]}*")):
            if len(former.name) == FORMER_CHARACTERS and (digest := Manifest.read(former).digest).startswith(digits):
                keep = shlex.join(["mv", str(former), str(self.folder(kind, digest))])
                raise ArtifactError(f"{former} has a name of an older version of the project (to keep it: {keep})")

    def folder(self, kind: str, digest: str) -> Path:
        """Where the artifact with this digest lies, or would.

        Raises:
            ArtifactError: the kind or the digest is none.
        """
        if not re.fullmatch(KIND_PATTERN, kind) or not re.fullmatch(DIGEST_PATTERN, digest):
            raise ArtifactError(
                f"{kind[:99]!r} {digest[:99]!r} names no artifact; expected a kind and 64 digits of a digest"
            )
        return self.place(kind, digest)

    def place(self, folder: str, name: str) -> Path:
        """`<store>/<folder>/<name>`, proven to lie there: what is written, renamed or removed has its path from here.

        Raises:
            ArtifactError: one of the names leads elsewhere, or the folder is a link.
        """
        for part in (folder, name):
            if part in ("", ".", "..") or "/" in part or "\0" in part:
                raise ArtifactError(f"{part[:99]!r} is no name of anything in the store {self.root}")
        if (self.root / folder).is_symlink():
            raise ArtifactError(
                f"{self.root / folder} is a link; expected a folder, so that nothing outside of the store is changed: "
                f"make the store itself the link, or name another one with --store"
            )
        return self.root / folder / name

    def _index(self, inputs: StepInputs) -> Path:
        return self.place("keys", f"{inputs.kind}-{inputs.key}.json")

    def _describe(self, inputs: StepInputs, made: Made, making: Path, seconds: float) -> Manifest:
        files = {
            path.relative_to(making).as_posix(): FileEntry(sha256=file_digest(path), bytes=path.stat().st_size)
            for path in sorted(making.rglob("*"))
            if path.is_file()
        }
        return Manifest(
            kind=inputs.kind,
            format_version=format_version(inputs.kind),
            digest=canonical_digest([inputs.kind, format_version(inputs.kind), made.content(files)]),
            key=inputs.key,
            files=files,
            made_from=inputs.made_from,
            depends_on=inputs.depends_on,
            experiment=inputs.experiment,
            versions=inputs.versions,
            facts=_as_read(made.facts),
            made_at=datetime.now(UTC),
            made_in_seconds=seconds,
        ).sealed()

    def _publish(self, making: Path, manifest: Manifest) -> Path | None:
        """Renames the folder into place; gives None where the same artifact stands there already."""
        folder = self.folder(manifest.kind, manifest.digest)
        with self.changing(manifest.kind):
            if not folder.is_symlink() and _holds(folder, manifest):  # an artifact is never a link
                hold(folder)
                return None
            remove_tree(folder)
            hold(making)
            making.rename(folder)
            flush(folder.parent)
        return folder


def _as_read(content: dict[str, Any]) -> dict[str, Any]:
    """The content as a reader of JSON will find it: no tuples."""
    read: dict[str, Any] = json.loads(json.dumps(content))
    return read


def _as_made(handle: Handle, making: Making) -> Handle:
    return handle.model_copy(update={"made_in_seconds": making.made_in_seconds, "figures": making.figures})


def _holds(folder: Path, manifest: Manifest) -> bool:
    """Whether a folder is a sound artifact with this manifest's digest."""
    try:
        found = check_artifact(folder)
    except ArtifactError:
        return False
    return (found.kind, found.digest) == (manifest.kind, manifest.digest)


def check_artifact(folder: Path) -> Manifest:
    """Reads the manifest and compares every file with it.

    Raises:
        ArtifactError: a file is missing, cut short, altered, or leads out of the folder.
    """
    manifest = Manifest.read(folder)
    inside = os.path.realpath(folder)  # not `resolve`, which ends with an error of its own at links in a circle
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not _is_folder(path)}
    if added := present - {MANIFEST, *manifest.files}:
        raise ArtifactError(f"{folder} was altered: it holds {min(added)!r}, which its manifest does not name")
    for name, entry in manifest.files.items():
        path = folder / name
        if not Path(os.path.realpath(path)).is_relative_to(inside):
            raise ArtifactError(f"{path} leads out of its artifact")
        try:
            _check_file(path, entry)
        except OSError as error:
            raise ArtifactError(f"{path} cannot be read: {error.strerror}") from error
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
