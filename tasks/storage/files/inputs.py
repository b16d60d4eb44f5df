"""The one seam to file systems: which files an input names, and how their bytes are opened.

Object stores later replace nothing but this module.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pyarrow import fs

from tasks.seq2seq.errors import DataError

FORMATS = {
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".npz": "npz",
}
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"}
TEXT_FORMATS = ("csv", "tsv", "jsonl")
KNOWN = f"{', '.join(FORMATS)}; those of text (.csv .tsv .jsonl .ndjson) also with .gz, .zst or .zstd after it"
_MAGIC = re.compile(r"[*?\[]")
_CHUNK_BYTES = 2**20
_NAMED_FILES = 3  # of a folder without a usable file


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
    def format(self) -> str:
        """One of parquet, arrow, csv, tsv, jsonl, npz."""
        return _kind_of(self.path)[0]

    @property
    def compression(self) -> str | None:
        """None, gzip or zstd: what is around the whole file, not inside it."""
        return _kind_of(self.path)[1]

    @property
    def size(self) -> int:
        """The bytes on disk."""
        return self.stamp()[0]

    def stamp(self) -> tuple[int, int]:
        """Size in bytes and time of the last change in nanoseconds; another stamp means another content."""
        info = self._reach(lambda: self.filesystem.get_file_info(self.path))
        if info.type == fs.FileType.NotFound:
            raise DataError(_missing(self.path))
        return int(info.size or 0), int(info.mtime_ns or 0)

    def open_file(self) -> Any:  # noqa: ANN401 - pyarrow ships no types
        """The bytes as they are, with random access."""
        return self._reach(lambda: self.filesystem.open_input_file(self.path))

    def open_stream(self) -> Any:  # noqa: ANN401 - pyarrow ships no types
        """The decompressed bytes, first to last; all members of a file made of several are read."""
        return self._reach(lambda: self.filesystem.open_input_stream(self.path, compression=self.compression))

    def digest(self) -> str:
        """The sha256 of the bytes on disk, in hexadecimal."""
        digest = hashlib.sha256()
        with self.open_file() as opened:
            while chunk := opened.read(_CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()

    def _reach(self, action: Any) -> Any:  # noqa: ANN401 - pyarrow ships no types
        try:
            return action()
        except FileNotFoundError as error:
            raise DataError(_missing(self.path)) from error
        except OSError as error:
            raise DataError(f"{self.path} cannot be read: {error}; expected a file of sequences") from error


def list_inputs(where: Path, *, may_be_none: bool = False) -> list[InputFile]:
    """The files that an input names, sorted by path.

    Args:
        where: a file; a folder, of which all files of known suffixes are taken, however deep they lie, but for
            names that begin with `.` or `_`; or a pattern of `*`, `?`, `[...]` and `**` for any number of folders.
            What exists by that very name is never taken as a pattern.
        may_be_none: whether a folder without files, and a pattern that matches none, are an empty list.

    Raises:
        DataError: there is no such file, none that can be used, or one of an unknown suffix.
    """
    absolute = Path(where).absolute()
    local = fs.LocalFileSystem()
    info = local.get_file_info(str(absolute))
    if info.type == fs.FileType.File:
        return [InputFile(_usable(str(absolute)), local)]
    if info.type == fs.FileType.Unknown:
        raise DataError(f"{absolute} is neither a file nor a folder, expected a file of sequences")
    if info.type == fs.FileType.NotFound and not _MAGIC.search(str(absolute)):
        raise DataError(_missing(str(absolute)))
    paths = _named_paths(local, absolute, info)
    usable = [path for path in paths if _suffixes(path)]
    if not usable and (paths or not may_be_none or not base_folder(where).is_dir()):
        raise DataError(_nothing_usable(absolute, paths, info.type == fs.FileType.Directory))
    return [InputFile(path, local) for path in usable]


def base_folder(where: Path) -> Path:
    """The folder that an input's files are named below: itself, a file's parent, or what stands before a pattern."""
    absolute = Path(where).absolute()
    if absolute.is_dir():
        return absolute
    if absolute.exists():
        return absolute.parent
    parts = absolute.parts
    return Path(*parts[: next((i for i, part in enumerate(parts) if _MAGIC.search(part)), len(parts))])


def ignored_files(where: Path) -> list[str]:
    """The files of a folder, or of a pattern, that `list_inputs` leaves out because of their suffix; sorted."""
    absolute = Path(where).absolute()
    local = fs.LocalFileSystem()
    info = local.get_file_info(str(absolute))
    if info.type in (fs.FileType.File, fs.FileType.Unknown):
        return []
    return [path for path in _named_paths(local, absolute, info) if not _suffixes(path)]


def _named_paths(local: fs.LocalFileSystem, absolute: Path, info: fs.FileInfo) -> list[str]:
    """The files below a folder or of a pattern, whatever their suffix."""
    folder, patterns = absolute, ["**", "*"]
    if info.type != fs.FileType.Directory:
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


def _suffixes(path: str) -> tuple[str, str | None] | None:
    """Format and compression by the file's name; None where it has no meaning here."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    compression = COMPRESSIONS.get(suffixes[-1]) if suffixes else None
    rest = suffixes[:-1] if compression else suffixes
    name = FORMATS.get(rest[-1]) if rest else None
    if name is None or (compression and name not in TEXT_FORMATS):
        return None
    return name, compression


def _kind_of(path: str) -> tuple[str, str | None]:
    return _suffixes(_usable(path)) or ("", None)


def _usable(path: str) -> str:
    """The path itself, if its suffix is known."""
    if _suffixes(path):
        return path
    suffixes = Path(path).suffixes
    inner = FORMATS.get(suffixes[-2].lower()) if len(suffixes) > 1 else None
    if inner and suffixes[-1].lower() in COMPRESSIONS:
        format_name = {"parquet": "Parquet", "arrow": "Arrow"}.get(inner, inner)
        raise DataError(f"{path}: {format_name} compresses inside, decompress it; known suffixes are {KNOWN}")
    found = repr(suffixes[-1]) if suffixes else "none"
    raise DataError(f"{path} is of no known suffix ({found}); known are {KNOWN}; convert or rename it")


def _missing(path: str) -> str:
    if "\\x" in path:
        return f"{path} cannot be opened: its name is no UTF-8, it is shown with \\xNN for the other bytes; rename it"
    return f"{path} does not exist; expected a file, a folder, or a pattern such as data/*.parquet"


def _nothing_usable(where: Path, paths: list[str], is_folder: bool) -> str:
    held = "holds" if is_folder else "matches"
    if not paths:
        return f"{where} {held} no file; known suffixes are {KNOWN}; names that begin with . or _ are left out"
    names = ", ".join(Path(path).name for path in paths[:_NAMED_FILES])
    more = f" and {len(paths) - _NAMED_FILES} more" if len(paths) > _NAMED_FILES else ""
    return f"{where} {held} no file of a known suffix, but {names}{more}; known are {KNOWN}; convert or rename them"
