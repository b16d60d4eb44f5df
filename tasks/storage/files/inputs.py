"""The one seam to file systems: which files lie where an input points to, and how their bytes are opened.

Object stores later replace nothing but this module. What the files hold is the readers' to say.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
from pyarrow import fs

from tasks.seq2seq.errors import DataError

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"}
_MAGIC = re.compile(r"[*?\[]")
_CHUNK_BYTES = 2**20
LOCAL = fs.LocalFileSystem()

Found = TypeVar("Found")


@dataclass(frozen=True)
class InputFile:
    """One file of the user's: where it lies (an absolute path) and the file system that opens it."""

    path: str
    filesystem: fs.FileSystem = field(repr=False, compare=False)  # has no hash

    @property
    def name(self) -> str:
        """The file's name with all its suffixes."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def compression(self) -> str | None:
        """None, gzip or zstd: what is around the whole file, not inside it."""
        return split_suffixes(self.path)[1]

    @property
    def size(self) -> int:
        """The bytes on disk."""
        return self.stamp()[0]

    def stamp(self) -> tuple[int, int]:
        """Size in bytes and time of the last change in nanoseconds; another stamp means another content."""
        info = self._reach(lambda: self.filesystem.get_file_info(self.path))
        if info.type == fs.FileType.NotFound:
            raise DataError(missing(self.path))
        return int(info.size or 0), int(info.mtime_ns or 0)

    def open_file(self) -> pa.NativeFile:
        """The bytes as they are, with random access."""
        return self._reach(lambda: self.filesystem.open_input_file(self.path))

    def open_stream(self) -> pa.NativeFile:
        """The decompressed bytes, first to last; all members of a file made of several are read."""
        return self._reach(lambda: self.filesystem.open_input_stream(self.path, compression=self.compression))

    def digest(self) -> str:
        """The sha256 of the bytes on disk, in hexadecimal."""
        digest = hashlib.sha256()
        with self.open_file() as opened:
            while chunk := opened.read(_CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()

    def _reach(self, action: Callable[[], Found]) -> Found:
        try:
            return action()
        except FileNotFoundError as error:
            raise DataError(missing(self.path)) from error
        except OSError as error:
            raise DataError(f"{self.path} cannot be read: {error}; expected a file of sequences") from error


@dataclass(frozen=True)
class Place:
    """What there is where an input points to.

    Attributes:
        where: the absolute path, or pattern.
        is_there: whether something has this very name; what exists is never taken as a pattern.
        is_file, is_folder: what that is; neither of a device, a pipe or a socket.
        paths: the files, sorted: itself, all below the folder, or those that match the pattern.
    """

    where: Path
    is_there: bool
    is_file: bool
    is_folder: bool
    paths: list[str]

    @property
    def is_pattern(self) -> bool:
        """Whether it is a pattern of names, whatever they match."""
        return not self.is_there and bool(_MAGIC.search(str(self.where)))


def look_up(where: Path) -> Place:
    """The files that an input points to, whatever their suffix.

    Args:
        where: a file; a folder, of which all files are taken, however deep they lie, but for names that begin with
            `.` or `_`; or a pattern of `*`, `?`, `[...]` and `**` for any number of folders.

    Raises:
        DataError: a folder cannot be listed.
    """
    absolute = Path(where).absolute()
    info = LOCAL.get_file_info(str(absolute))
    is_file, is_folder = info.type == fs.FileType.File, info.type == fs.FileType.Directory
    is_there = info.type != fs.FileType.NotFound
    if is_there and not is_folder:
        paths = [str(absolute)] if is_file else []
    else:
        paths = _named_paths(LOCAL, absolute, is_folder=is_folder)
    return Place(absolute, is_there, is_file, is_folder, paths)


def base_folder(where: Path) -> Path:
    """The folder that an input's files are named below: itself, a file's parent, or what stands before a pattern."""
    absolute = Path(where).absolute()
    if absolute.is_dir():
        return absolute
    if absolute.exists():
        return absolute.parent
    parts = absolute.parts
    return Path(*parts[: next((i for i, part in enumerate(parts) if _MAGIC.search(part)), len(parts))])


def _named_paths(local: fs.LocalFileSystem, absolute: Path, *, is_folder: bool) -> list[str]:
    """The files below a folder or of a pattern."""
    folder, patterns = absolute, ["**", "*"]
    if not is_folder:
        folder = base_folder(absolute)
        patterns = list(absolute.parts[len(folder.parts) :])
    try:
        return sorted(set(_expand(local, str(folder), patterns)))
    except OSError as error:
        raise DataError(f"{folder} cannot be listed: {error}") from error


def _expand(local: fs.LocalFileSystem, folder: str, patterns: list[str]) -> Iterator[str]:
    """The files below a folder whose path from there matches, part by part."""
    if local.get_file_info(folder).type != fs.FileType.Directory:
        return
    first, rest = patterns[0], patterns[1:] or ["*"]
    if first == "**":
        yield from _expand(local, folder, rest)
    for entry in _entries(local, folder):
        is_folder = entry.type == fs.FileType.Directory
        if not fnmatchcase(entry.base_name, "*" if first == "**" else first) or _is_hidden(entry.base_name, first):
            continue
        if first == "**":
            if is_folder and not _leads_back(folder, entry.path):
                yield from _expand(local, entry.path, patterns)
        elif is_folder and len(patterns) > 1:
            yield from _expand(local, entry.path, rest)
        elif entry.type == fs.FileType.File and len(patterns) == 1:
            yield entry.path


def _entries(local: fs.LocalFileSystem, folder: str) -> list[fs.FileInfo]:
    r"""What lies in a folder; a name that is no UTF-8 is given with `\xNN`, and cannot be opened."""
    entries: list[fs.FileInfo] = local.get_file_info(fs.FileSelector(folder))
    try:
        _ = [entry.path for entry in entries]
    except UnicodeDecodeError:
        paths = [os.fsencode(path).decode(errors="backslashreplace") for path in Path(folder).iterdir()]
        found = zip(paths, local.get_file_info(paths), strict=True)
        return [
            fs.FileInfo(path, fs.FileType.File) if info.type == fs.FileType.NotFound else info for path, info in found
        ]
    return entries


def _is_hidden(name: str, pattern: str) -> bool:
    """Whether a name is left out, unless the pattern asks for such names."""
    return name[0] in "._" and pattern[0] != name[0]


def _leads_back(folder: str, entry: str) -> bool:
    """Whether a folder is a link to one that it lies in: following it would never end."""
    return Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(entry))


def split_suffixes(path: str) -> tuple[str, str | None]:
    """The suffix that says a file's format, in lower case, and the compression that is around it, if any."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    compression = COMPRESSIONS.get(suffixes[-1]) if suffixes else None
    rest = suffixes[:-1] if compression else suffixes
    return rest[-1] if rest else "", compression


def missing(path: str) -> str:
    """What is said of a file that is not there."""
    if "\\x" in path:
        return f"{path} cannot be opened: its name is no UTF-8, it is shown with \\xNN for the other bytes; rename it"
    return f"{path} does not exist; expected a file, a folder, or a pattern such as data/*.parquet"
