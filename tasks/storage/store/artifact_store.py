"""The artifact store: folders named by the digest of what they hold, and an index by step keys.

    <store>/<kind>/<digest>/        an artifact: its files, and manifest.json, written last
    <store>/keys/<kind>-<key>.json  which digest a step with this key made, when, and figures of that making
    <store>/locks/                  one lock a step, let go by the kernel

In an object store: see `remote`.

Digests and keys are whole in these names: of two that begin alike, one would block the other for ever.

An artifact never changes. Making one again under the same key points the index to the new digest and
leaves the old folder, which a promoted name may still need.
"""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.seq2seq.errors import ArtifactError
from tasks.seq2seq.settings.where import Where, is_url
from tasks.storage.files.atomic import (
    explain_os_errors,
    flush,
    flush_tree,
    folder_aside,
    left_over,
    locked,
    remove_at_once,
    remove_left_over,
    remove_tree,
)
from tasks.storage.files.cache import cache_folder, name_for
from tasks.storage.files.digests import file_digest
from tasks.storage.files.places import Content, Place, open_place, place_of
from tasks.storage.store.checking import check_artifact, check_is
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
)
from tasks.storage.store.use import hold

if TYPE_CHECKING:
    from tasks.storage.store.remote import RemoteArtifacts

KEYS, PROMOTIONS = "keys", "promotions"  # folders of records
FORMER_CHARACTERS = 16  # of a digest in the names that folders had before they carried it whole


class Store:
    """A folder of artifacts, on a disk or in an object store; of the latter, `root` is a cache on this machine."""

    def __init__(self, where: Where) -> None:
        """Takes any path, or the URL of a place in an object store; `prepare` creates it."""
        self._remote: RemoteArtifacts | None = None
        self._records: Place
        if is_url(where):
            from tasks.storage.store.remote import RemoteArtifacts  # noqa: PLC0415 - it loads a library

            self.where, self.root = where, cache_folder("stores", name_for(str(where)))
            place = open_place(str(where))
            self._remote, self._records = RemoteArtifacts(place, self.root), place
        else:
            self.where = self.root = Path(where).expanduser().absolute()
            self._records = place_of(self.root)

    @property
    def shown(self) -> str:
        """Where it lies, as people are shown it."""
        return str(self.where)

    def prepare(self) -> None:
        """Creates the store and proves that it can be written.

        Raises:
            Seq2SeqError: it cannot.
        """
        with explain_os_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            with folder_aside(self.root / "probe") as probe:
                (probe / "probe").write_bytes(b"x")
        for path in self.left_over():
            remove_left_over(path)
        if self._remote:
            self._remote.prepare()

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
        return self.last_making(inputs.kind, inputs.key)

    def last_making(self, kind: str, key: str) -> Making | None:
        """What the index says of a step; None where it says nothing, or nothing that can be believed."""
        try:
            record = self.read_record(KEYS, f"{kind}-{key}")
        except OSError:
            return None
        return Making.parse(record.content, key) if record else None

    def open(self, kind: str, digest: str) -> Handle:
        """The artifact with this digest, every file checked; it is not pruned while this process lives.

        Raises:
            ArtifactError: it is missing, cut short or altered.
        """
        folder = self.folder(kind, digest)
        if self._remote:
            self._remote.bring(kind, digest, folder)
        elif not folder.exists():
            self.refuse_former(kind, digest)
        hold(folder)
        try:
            manifest = check_artifact(folder)
        except ArtifactError:
            if not self._remote:
                raise
            self._remote.bring(kind, digest, folder, again=True)  # only the copy on this machine is not sound
            manifest = check_artifact(folder)
        return Handle.of(check_is(manifest, kind, digest, folder), folder)

    def manifest(self, kind: str, digest: str) -> Manifest:
        """The manifest of the artifact with this digest; its files are not looked at.

        Raises:
            ArtifactError: it is missing or altered, or is another's.
        """
        folder = self.folder(kind, digest)
        if self._remote:
            return self._remote.manifest(kind, digest)
        return check_is(Manifest.read(folder), kind, digest, folder)

    def check(self, kind: str, digest: str) -> Manifest:
        """Holds every file of the artifact with this digest against its manifest, where the store has them.

        Raises:
            ArtifactError: one is missing, cut short or altered.
        """
        self.manifest(kind, digest)
        return self._remote.check(kind, digest) if self._remote else check_artifact(self.folder(kind, digest))

    def make(self, inputs: StepInputs, write: Callable[[Path], Made]) -> Handle:
        """Makes an artifact: `write` fills a folder, which then appears in the store as a whole.

        Hold `lock(inputs)` around it.

        Raises:
            ArtifactError: the store cannot be written; nothing of the attempt is left.
        """
        before, began = self.read_record(KEYS, f"{inputs.kind}-{inputs.key}"), time.perf_counter()
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
        stands = self._note(inputs, last.sealed(), before)
        if folder is None or stands.digest != manifest.digest:
            return _as_made(self.open(inputs.kind, stands.digest), stands)
        return _as_made(Handle.of(manifest, folder), stands)

    def _note(self, inputs: StepInputs, last: Making, before: Content | None) -> Making:
        """Notes in the index what was made; gives what is there: another machine may have been first."""
        name = f"{inputs.kind}-{inputs.key}"
        while not self.swap_record(KEYS, name, last.model_dump_json(), before):
            if theirs := self._last_making(inputs):
                return theirs
            before = self.read_record(KEYS, name)
        return last

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
        return list(self._remote.sizes(kind)) if self._remote else self._folders(kind)

    def sizes(self, kind: str) -> dict[str, tuple[int, float]]:
        """Of each artifact of a kind, by its digest: the bytes of its files, and when it was put there."""
        if self._remote:
            return self._remote.sizes(kind)
        return {digest: _size(self.folder(kind, digest)) for digest in self._folders(kind)}

    def _folders(self, kind: str) -> list[str]:
        return sorted(path.name for path in (self.root / kind).glob("*") if re.fullmatch(DIGEST_PATTERN, path.name))

    def has(self, kind: str, digest: str) -> bool:
        """Whether something is there by this digest, sound or not."""
        folder = self.folder(kind, digest)
        return self._remote.has(kind, digest) if self._remote else folder.is_dir()

    def shown_at(self, kind: str, digest: str) -> str:
        """Where an artifact lies, as people are shown it."""
        return self._remote.shown(kind, digest) if self._remote else str(self.folder(kind, digest))

    def remove(self, kind: str, digest: str) -> None:
        """Takes an artifact out, at once as others see it."""
        folder = self.folder(kind, digest)
        if self._remote:
            self._remote.remove(kind, digest)
        if folder.exists():
            remove_at_once(folder)

    def record_names(self, folder: str) -> list[str]:
        """The names of the records in the index or of promotions, sorted."""
        if not self._remote:  # whatever has such a name: what is no record is found to be none
            return sorted(path.stem for path in (self.root / folder).glob("[!.]*.json"))
        names = (entry.name.partition("/")[2] for entry in self._records.entries(folder))
        return sorted(name.removesuffix(".json") for name in names if re.fullmatch(r"[^./][^/]*\.json", name))

    def read_record(self, folder: str, name: str) -> Content | None:
        """A record as it is; None where there is none.

        Raises:
            OSError: it cannot be read.
            ArtifactError: the folder is a link.
        """
        return self._records.read(self._record(folder, name))

    def swap_record(self, folder: str, name: str, text: str, before: Content | None) -> bool:
        """Writes a record where it still is as it was read; says whether it did. Whoever loses decides again."""
        self.place("locks", folder)
        stamp = before.stamp if before else None
        return self._records.swap(self._record(folder, name), text.encode(), stamp) is not None

    def remove_record(self, folder: str, name: str) -> None:
        """Removes a record."""
        self._records.delete([self._record(folder, name)])

    def shown_record(self, folder: str, name: str) -> str:
        """Where a record lies, as people are shown it."""
        return self._records.shown(self._record(folder, name))

    def _record(self, folder: str, name: str) -> str:
        self.place(folder, f"{name}.json")
        return f"{folder}/{name}.json"

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
                raise ArtifactError(f"{part[:99]!r} is not the name of anything in the store {self.shown}")
        if (self.root / folder).is_symlink():
            raise ArtifactError(
                f"{self.root / folder} is a link; expected a folder, so that nothing outside of the store is changed: "
                f"make the store itself the link, or name another one with --store"
            )
        return self.root / folder / name

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
        """Renames the folder into place; gives None where the same artifact is there already."""
        folder = self.folder(manifest.kind, manifest.digest)
        if self._remote and self._remote.publish(making, manifest) != manifest:
            return None
        with self.changing(manifest.kind):
            if not self._remote and not folder.is_symlink() and _holds(folder, manifest):  # an artifact is never a link
                hold(folder)
                return None
            remove_tree(folder)
            hold(making)
            making.rename(folder)
            flush(folder.parent)
        return folder


def _size(folder: Path) -> tuple[int, float]:
    files = (file for file in folder.rglob("*") if not file.is_dir())
    return sum(file.stat(follow_symlinks=False).st_size for file in files), folder.stat().st_mtime


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
