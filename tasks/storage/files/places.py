"""Places: folders on a disk or in an object store, by the same few operations.

What changes under the eyes of other runs is swapped: written only where what is there is still what was seen. Whoever
loses reads again and decides again. Nothing is locked from here on: an object store knows no locks.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tasks.seq2seq.settings.where import is_url
from tasks.storage.files.atomic import explain_os_errors, locked, written_aside
from tasks.storage.files.digests import file_digest

if TYPE_CHECKING:
    from tasks.storage.files.object_places import ObjectPlace


class Entry(NamedTuple):
    """A file of a place: its path below it, bytes, and when it changed, in seconds; another stamp, another content."""

    name: str
    size: int
    stamp: str
    changed: float


class Content(NamedTuple):
    """What a file holds, and the stamp under which it was read."""

    content: bytes
    stamp: str


class Place(Protocol):
    """A folder of files, somewhere; names are paths below it, with `/` between their parts.

    What cannot be reached, or is refused, is an `ArtifactError` of a disk and a `PlaceError` of an object store.
    """

    def shown(self, name: str = "") -> str:
        """A file, or the place itself, as people are shown it."""

    def look(self, name: str) -> Entry | None:
        """What is known of a file without reading it; None where there is none."""

    def read(self, name: str) -> Content | None:
        """What a small file holds; None where there is none."""

    def entries(self, below: str = "") -> Iterator[Entry]:
        """All files, or those below a folder, in any order."""

    def swap(self, name: str, content: bytes | Path, seen: str | None) -> str | None:
        """Writes a file where it is still as it was seen.

        Args:
            name: of the file.
            content: all that it is to hold, or the local file that does.
            seen: the stamp that was seen; None where there was no file, so that it is created.

        Returns:
            The stamp of what was written; None where another got there first, and nothing was written.
        """

    def put(self, name: str, path: Path) -> None:
        """Puts a copy of a local file in a file's place, whatever is there."""

    def delete(self, names: list[str]) -> None:
        """Removes files; those that are not there are no fault."""

    def fetch(self, entry: Entry, path: Path) -> str:
        """Copies a file to a local one, some megabytes at a time; gives the digest of what was copied.

        Raises:
            FileNotFoundError: it is gone, or is not what it was when it was looked at.
        """


def place_of(where: Path | str) -> Place:
    """The place that a path or a URL names."""
    return open_place(str(where)) if is_url(where) else LocalPlace(Path(where))


def open_place(url: str) -> ObjectPlace:
    """The place that a URL names."""
    from tasks.storage.files.object_places import ObjectPlace  # noqa: PLC0415 - it loads a library

    return ObjectPlace(url)


class LocalPlace:
    """A folder on a disk; it is made once something is written."""

    def __init__(self, root: Path) -> None:
        """Takes its path."""
        self._root = root

    def shown(self, name: str = "") -> str:
        """Its path."""
        return str(self._root / name)

    def look(self, name: str) -> Entry | None:
        """See `Place`."""
        try:
            found = (self._root / name).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Entry(name, found.st_size, _stamp(found), found.st_mtime)

    def read(self, name: str) -> Content | None:
        """See `Place`."""
        try:
            with (self._root / name).open("rb") as file:
                return Content(file.read(), _stamp(os.fstat(file.fileno())))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def entries(self, below: str = "") -> Iterator[Entry]:
        """See `Place`; what is being written is left out."""
        for folder, _, names in os.walk(self._root / below):
            for name in names:
                path = (Path(folder) / name).relative_to(self._root).as_posix()
                if not name.startswith(".") and (entry := self.look(path)):
                    yield entry

    def swap(self, name: str, content: bytes | Path, seen: str | None) -> str | None:
        """See `Place`; one lock for each folder of it makes the two steps one."""
        with locked(self._root / "locks" / f".{name.partition('/')[0]}-records"):
            now = self.look(name)
            if (now.stamp if now else None) != seen:
                return None
            self._write(name, content)
            written = self.look(name)
            return written.stamp if written else None

    def put(self, name: str, path: Path) -> None:
        """See `Place`."""
        self._write(name, path)

    def _write(self, name: str, content: bytes | Path) -> None:
        path = self._root / name
        with explain_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_aside(path) as made:
                if isinstance(content, Path):
                    shutil.copyfile(content, made)
                else:
                    made.write_bytes(content)

    def delete(self, names: list[str]) -> None:
        """See `Place`."""
        for name in names:
            (self._root / name).unlink(missing_ok=True)

    def fetch(self, entry: Entry, path: Path) -> str:
        """See `Place`."""
        shutil.copyfile(self._root / entry.name, path)
        if (now := self.look(entry.name)) is None or now.stamp != entry.stamp:
            raise FileNotFoundError(self.shown(entry.name))
        return file_digest(path)


def _stamp(found: os.stat_result) -> str:
    return f"{found.st_ino:x}-{found.st_mtime_ns:x}-{found.st_size:x}"
