"""The one seam to file systems: which files lie where an input points to, and how their bytes are opened.

Those in object stores are `remote_inputs`'. What the files hold is the readers' to say.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple, TypeVar

import pyarrow as pa
from pyarrow import fs

from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.where import Where, is_url

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"}
MAGIC = re.compile(r"[*?\[]")
_CHUNK_BYTES = 2**20
LOCAL = fs.LocalFileSystem()

Found = TypeVar("Found")
Stamp = tuple[int, int | str]  # bytes, and what changes with the content


@dataclass(frozen=True)
class InputFile:
    """One file of the user's.

    Attributes:
        path: where it lies, absolute.
        filesystem: what opens it.
        below: its path below the input that it was found through; its own name where it was not found through any.
        form: the format that it is read as, by the name of a setting; None where its suffix says it.
        is_named: whether the user named the file itself, not a folder or a pattern.
    """

    path: str
    filesystem: fs.FileSystem = field(repr=False, compare=False)  # has no hash
    below: str = ""
    form: str | None = None
    is_named: bool = field(default=False, compare=False)

    @property
    def name(self) -> str:
        """What its rows are traced by: the path below the input, the file's own name with all its suffixes last."""
        return self.below or self.path.rsplit("/", 1)[-1]

    @property
    def compression(self) -> str | None:
        """None, gzip or zstd: what is around the whole file, not inside it."""
        return split_suffixes(self.path)[1]

    @property
    def size(self) -> int:
        """The bytes on disk."""
        return self.stamp()[0]

    @property
    def version(self) -> str | None:
        """What tells this content from all others without its being read; None of a disk, where nothing does."""
        return None

    def stamp(self) -> Stamp:
        """Size in bytes and time of the last change in nanoseconds; another stamp means another content."""
        info = self._reach(lambda: self.filesystem.get_file_info(self.path))
        if info.type == fs.FileType.NotFound:
            raise DataError(missing(self.path))
        if info.type != fs.FileType.File:
            there = "a folder" if info.type == fs.FileType.Directory else _NO_FILE
            raise DataError(f"{self.path} cannot be read: it is {there}, expected a file of sequences")
        return int(info.size or 0), int(info.mtime_ns or 0)

    def may_be_half_written(self, settle: float) -> bool:
        """Whether a file that the user did not name changed within the last seconds, or the clocks say the next ones.

        It is the one rule for all that is read from folders and patterns, in training and at prediction.
        """
        _, changed = self.stamp()
        age = time.time() - float(changed) / 1e9
        return not self.is_named and -settle < age < settle

    def on_disk(self) -> Path:
        """Where its bytes lie on this machine."""
        return Path(self.path)

    def open_file(self) -> pa.NativeFile:
        """The bytes as they are, with random access."""
        return self._reach(lambda: self.filesystem.open_input_file(self.path))

    def open_stream(self) -> pa.NativeFile:
        """The decompressed bytes, first to last; all members of a file made of several are read."""
        return self._reach(lambda: self.filesystem.open_input_stream(self.path, compression=self.compression))

    def digest(self) -> str:
        """The sha256 of the bytes on disk, in hexadecimal."""
        digest, chunk = hashlib.sha256(), memoryview(bytearray(_CHUNK_BYTES))
        with self.open_file() as opened:
            while n_bytes := opened.readinto(chunk):
                digest.update(chunk[:n_bytes])
        return digest.hexdigest()

    def _reach(self, action: Callable[[], Found], *, missing_passes: bool = False) -> Found:
        try:
            return action()
        except FileNotFoundError as error:
            if missing_passes:
                raise
            raise DataError(missing(self.path)) from error
        except OSError as error:
            raise DataError(f"{self.path} cannot be read: {error}; expected a file of sequences") from error


class Fault(NamedTuple):
    """Something below an input that cannot be one of its files: where, its path below the input, and why."""

    path: str
    below: str
    message: str


@dataclass(frozen=True)
class InputPlace:
    """What there is where an input points to.

    Attributes:
        where: the absolute path, the URL, or the pattern.
        is_there: whether something has this very name; what exists is never taken as a pattern.
        is_file, is_folder: what that is; neither of a device, a pipe or a socket.
        files: itself, all below the folder, or those that match the pattern, whatever their suffix; each once by its
            real path, sorted.
        faults: what lies there and cannot be read as a file or listed as a folder, sorted.
        again: other paths to the same files, sorted.
    """

    where: Where
    is_there: bool
    is_file: bool
    is_folder: bool
    files: list[InputFile]
    faults: list[Fault] = field(default_factory=list)
    again: list[str] = field(default_factory=list)

    @property
    def is_pattern(self) -> bool:
        """Whether it is a pattern of names, whatever they match."""
        return not self.is_there and bool(MAGIC.search(str(self.where)))


def look_up(where: Where) -> InputPlace:
    """The files that an input points to, whatever their suffix.

    Args:
        where: a file; a folder, of which all files are taken, however deep they lie, except for names that begin with
            `.` or `_`; or a pattern of `*`, `?`, `[...]` and `**` for any number of folders. Links are what they
            lead to. A URL is of a file, of all that begins with it and a slash, or a pattern.

    Raises:
        DataError: the folder cannot be listed. What lies below it and cannot be is a fault of the place.
    """
    if is_url(where):
        from tasks.storage.files.remote_inputs import look_up_url  # noqa: PLC0415 - it loads a library

        return look_up_url(str(where))
    absolute = Path(where).absolute()
    try:
        info = LOCAL.get_file_info(str(absolute))
    except OSError as error:
        raise DataError(
            f"{absolute} cannot be looked at: {os.strerror(error.errno or 0)}; name another place"
        ) from error
    is_file, is_folder = info.type == fs.FileType.File, info.type == fs.FileType.Directory
    is_there = info.type != fs.FileType.NotFound
    if is_there and not is_folder:
        files = [InputFile(str(absolute), LOCAL, absolute.name, is_named=True)] if is_file else []
        return InputPlace(absolute, is_there, is_file, is_folder, files)
    base = base_folder(absolute)
    patterns = ["**", "*"] if is_folder else list(absolute.parts[len(base.parts) :])
    entries = sorted(set(_expand(str(base), patterns)))
    if unlisted := [entry.fault for entry in entries if entry.path == str(base)]:
        raise DataError(unlisted[0])
    files, again = _each_once(base, [entry.path for entry in entries if not entry.fault])
    faults = [Fault(entry.path, _below(base, entry.path), entry.fault) for entry in entries if entry.fault]
    return InputPlace(absolute, is_there, is_file, is_folder, files, faults, again)


def input_file(path: str, below: str, form: str | None) -> InputFile:
    """A file that was found before, by its path or URL."""
    if is_url(path):
        from tasks.storage.files.remote_inputs import RemoteFile  # noqa: PLC0415 - it loads a library

        return RemoteFile(path, LOCAL, below, form)
    return InputFile(path, LOCAL, below, form)


def real_path(path: str) -> str:
    """What a file is called by all paths to it."""
    return path if is_url(path) else os.path.realpath(path)


def base_folder(where: Path) -> Path:
    """The folder that an input's files are named below: itself, a file's parent, or what stands before a pattern."""
    absolute = Path(where).absolute()
    # These say no where one may not even look, or a name is too long; a `Path` would raise.
    if os.path.isdir(absolute):  # noqa: PTH112
        return absolute
    if os.path.exists(absolute):  # noqa: PTH110
        return absolute.parent
    parts = absolute.parts
    return Path(*parts[: next((i for i, part in enumerate(parts) if MAGIC.search(part)), len(parts))])


def base_url(url: str) -> str:
    """What stands before the pattern in a URL; without one all of it."""
    parts = url.split("/")
    return "/".join(parts[: next((i for i, part in enumerate(parts) if MAGIC.search(part)), len(parts))])


def _below(base: Path, path: str) -> str:
    return path.removeprefix(f"{base}/".replace("//", "/"))


def _each_once(base: Path, paths: list[str]) -> tuple[list[InputFile], list[str]]:
    """The files and the other paths to them; a path without a link on its way has the file before one with."""
    real_base = os.path.realpath(base)
    by_real: dict[str, list[tuple[bool, str]]] = {}
    for path in paths:
        real = os.path.realpath(path)
        by_real.setdefault(real, []).append((real != str(Path(real_base, _below(base, path))), path))
    chosen = sorted(min(found)[1] for found in by_real.values())
    files = [InputFile(path, LOCAL, _below(base, path)) for path in chosen]
    return files, sorted(set(paths) - set(chosen))


class _Entry(NamedTuple):
    """Something in a folder: a folder, or a file, or else the fault that it is neither."""

    path: str
    is_folder: bool
    fault: str = ""


def _expand(folder: str, patterns: list[str]) -> Iterator[_Entry]:
    """The files below a folder whose path from there matches, part by part, and what keeps others from being found."""
    if not os.path.isdir(folder):  # noqa: PTH112 - as above
        return
    first, rest = patterns[0], patterns[1:] or ["*"]
    if first == "**":
        yield from _expand(folder, rest)
    for entry in _entries(folder):
        name = entry.path.rsplit("/", 1)[-1]
        if entry.path == folder:  # it cannot be listed
            yield entry
        elif not fnmatchcase(name, "*" if first == "**" else first) or is_hidden(name, first):
            continue
        elif first == "**":
            if entry.is_folder and not _leads_back(folder, entry.path):
                yield from _expand(entry.path, patterns)
        elif entry.is_folder and len(patterns) > 1:
            yield from _expand(entry.path, rest)
        elif not entry.is_folder and len(patterns) == 1:
            yield entry


def _entries(folder: str) -> list[_Entry]:
    """What lies in a folder; the folder itself where it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return [_entry(entry) for entry in entries]
    except OSError as error:
        said = f"{folder} cannot be listed: {error.strerror}; give the right to read it, or move it out of the input"
        return [_Entry(folder, is_folder=False, fault=said)]


def _entry(entry: os.DirEntry[str]) -> _Entry:
    r"""An entry as what it leads to; a name that is not UTF-8 is given with `\xNN`, and cannot be opened."""
    path = os.fsencode(entry.path).decode(errors="backslashreplace")
    try:
        mode = entry.stat().st_mode
    except OSError as error:
        return _Entry(path, is_folder=False, fault=_unreachable(path, error, is_link=entry.is_symlink()))
    if stat.S_ISDIR(mode):
        is_folder = path == entry.path
        return _Entry(path, is_folder, "" if is_folder else missing(path))
    if not stat.S_ISREG(mode):
        return _Entry(path, is_folder=False, fault=f"{path} cannot be read: it is {_NO_FILE}, expected a file")
    return _Entry(path, is_folder=False)


_NO_FILE = "a named pipe, a socket or a device"


def _unreachable(path: str, error: OSError, *, is_link: bool) -> str:
    if is_link and error.errno in (errno.ENOENT, errno.ELOOP):
        leads = "nowhere" if error.errno == errno.ENOENT else "to itself"
        return f"{path} cannot be read: it is a link that leads {leads}; mend or remove it"
    return f"{path} cannot be read: {error.strerror}; mend, rename or remove it"


def is_hidden(name: str, pattern: str) -> bool:
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
    if is_url(path):
        return f"{path} does not exist; expected a file, a folder, or a pattern such as s3://bucket/data/*.parquet"
    if "\\x" in path:
        return f"{path} cannot be opened: its name is not UTF-8, it is shown with \\xNN for the other bytes; rename it"
    if os.path.islink(path):  # noqa: PTH114 - a path with patterns is no `Path` of something
        return f"{path} is a link that leads nowhere; mend it, or name the file"
    return f"{path} does not exist; expected a file, a folder, or a pattern such as data/*.parquet"
