"""Inputs in object stores: found by listing, known by ETag, fetched whole into the cache when they are opened.

One file is fetched at a time, some megabytes at a time, and read from there as any other. An object appears whole, so
that none is ever half written.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from tasks.seq2seq.errors import DataError
from tasks.storage.files.atomic import folder_aside, remove_tree
from tasks.storage.files.cache import cache_folder, make_room
from tasks.storage.files.digests import file_digest
from tasks.storage.files.inputs import LOCAL, MAGIC, InputFile, InputPlace, Stamp, base_url, is_hidden, missing
from tasks.storage.files.object_places import ObjectPlace, split_url
from tasks.storage.files.places import Entry

_CONTENT, _DIGEST = "content", "sha256"
_TIMES = 3  # that a file is fetched again where another process had no room for it

Given = TypeVar("Given")


@dataclass(frozen=True)
class RemoteFile(InputFile):
    """One file of the user's in an object store, as it was when it was first looked at; `path` is its URL."""

    found: Entry | None = field(default=None, repr=False, compare=False)

    @cached_property
    def _entry(self) -> Entry:
        place, name = split_url(self.path)
        entry = self.found or place.look(name)
        if entry is None:
            raise DataError(missing(self.path))
        return entry._replace(name=name)

    def stamp(self) -> Stamp:
        """Size in bytes and ETag."""
        return self._entry.size, self._entry.stamp

    @property
    def version(self) -> str | None:
        """What tells this content of this file from all others, by which it is known without being read."""
        return hashlib.sha256(f"{self.path}\0{self._entry.size}\0{self._entry.stamp}".encode()).hexdigest()

    def may_be_half_written(self, settle: float) -> bool:  # noqa: ARG002 - as of any file
        """Never: an object appears whole."""
        return False

    def open_file(self) -> pa.NativeFile:
        """The bytes as they are, with random access."""
        return self._opened(LOCAL.open_input_file)

    def open_stream(self) -> pa.NativeFile:
        """The decompressed bytes, first to last."""
        return self._opened(lambda path: LOCAL.open_input_stream(path, compression=self.compression))

    def digest(self) -> str:
        """The sha256 of the bytes, those of the copy on this machine held against what was fetched."""
        folder = self.on_disk().parent
        digest = file_digest(folder / _CONTENT)
        if digest != (folder / _DIGEST).read_text():
            remove_tree(folder)  # it was damaged on this machine
            digest = file_digest(self.on_disk())
        return digest

    def _opened(self, action: Callable[[str], Given]) -> Given:
        for _ in range(_TIMES):
            with contextlib.suppress(FileNotFoundError):  # it was removed since, to make room
                return self._reach(lambda: action(str(self.on_disk())), missing_passes=True)
        raise DataError(f"{self.path} cannot be kept: other files need the room; set SEQ2SEQ_CACHE_GIB higher")

    def on_disk(self) -> Path:
        """Its copy on this machine, which is fetched where there is none.

        Raises:
            DataError: it is gone, or was changed since it was looked at.
        """
        folder = cache_folder("inputs") / str(self.version)
        if not (folder / _CONTENT).exists():
            place, _ = split_url(self.path)
            make_room(list(folder.parent.glob("[!.]*")), self.size, lambda _path: contextlib.nullcontext(True))
            with folder_aside(folder) as made:
                try:
                    digest = place.fetch(self._entry, made / _CONTENT)
                except FileNotFoundError as error:
                    raise DataError(
                        f"{self.path} changed since this run looked at it; the next run takes it as it is then"
                    ) from error
                (made / _DIGEST).write_text(digest)
                with _unless_it_is_there():
                    made.rename(folder)
        (folder / _CONTENT).touch()
        folder.touch()
        return folder / _CONTENT


@contextlib.contextmanager
def _unless_it_is_there() -> Iterator[None]:
    try:
        yield
    except OSError as error:  # another process was first
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise


def look_up_url(url: str) -> InputPlace:
    """The files that an input by URL points to, whatever their suffix; see `look_up`."""
    place, name = split_url(url)
    if name and (entry := place.look(name)):
        file = RemoteFile(url, LOCAL, name.rsplit("/", 1)[-1], is_named=True, found=entry)
        return InputPlace(url, is_there=True, is_file=True, is_folder=False, files=[file])
    files = _matching(url, ["**", "*"])
    if files or not MAGIC.search(name):
        return InputPlace(url, is_there=bool(files), is_file=False, is_folder=bool(files), files=files)
    base = base_url(url)
    files = _matching(base, url[len(base) + 1 :].split("/"))
    return InputPlace(url, is_there=False, is_file=False, is_folder=False, files=files)


def _matching(base: str, patterns: list[str]) -> list[InputFile]:
    found = sorted(ObjectPlace(base).entries())
    return [
        RemoteFile(f"{base}/{entry.name}", LOCAL, entry.name, found=entry)
        for entry in found
        if entry.name and matches(entry.name.split("/"), patterns)
    ]


def matches(parts: list[str], patterns: list[str]) -> bool:
    """Whether a path below a folder matches a pattern, part by part, as files on a disk are found."""
    first, rest = patterns[0], patterns[1:] or ["*"]
    if first == "**" and matches(parts, rest):
        return True
    if not fnmatchcase(parts[0], "*" if first == "**" else first) or is_hidden(parts[0], first):
        return False
    if first == "**":
        return len(parts) > 1 and matches(parts[1:], patterns)
    if len(parts) == 1 or len(patterns) == 1:
        return len(parts) == len(patterns) == 1
    return matches(parts[1:], rest)
