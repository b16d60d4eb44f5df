"""Files and folders that appear whole or not at all: written aside, flushed, then renamed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tasks.seq2seq.errors import ArtifactError, Seq2SeqError, SettingsError


def file_digest(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, content: Any) -> None:  # noqa: ANN401 - any JSON value
    """Writes a JSON file inside an artifact that is being made."""
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")


def read_json(path: Path) -> Any:  # noqa: ANN401
    """Reads a JSON file of a checked artifact."""
    return json.loads(path.read_text(encoding="utf-8"))


def aside(path: Path) -> Path:
    """A name beside `path` that no other host, process or thread has: 64 bits of it are drawn anew by the kernel."""
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")


_begun: set[Path] = set()


@contextlib.contextmanager
def removed_at_the_end(path: Path) -> Iterator[Path]:
    """Removes a file or folder when the block ends, or by `remove_begun` where the process ends before."""
    _begun.add(path)
    try:
        yield path
    finally:
        remove_tree(path)
        _begun.discard(path)


def is_writing() -> bool:
    """Whether this process is making an artifact or writing a file."""
    return bool(_begun)


def remove_begun() -> None:
    """Removes what is being written, for a process that ends without unwinding."""
    for path in [*_begun]:
        remove_tree(path)


@contextlib.contextmanager
def written_aside(path: Path, *, is_flushed: bool = True) -> Iterator[Path]:
    """Gives the name of a file to write, which then takes the place of `path` in one step.

    Args:
        path: the file to be made or replaced; if writing fails, it stays as it was and nothing is left beside it.
        is_flushed: whether the content is on the disk before it has its name, and the name before this ends.
    """
    with removed_at_the_end(aside(path)) as made:
        yield made
        if is_flushed:
            flush(made)
        made.replace(path)
    if is_flushed:
        flush(path.parent)


def write_atomically(path: Path, content: str) -> None:
    """Replaces `path` with `content` in one step."""
    with explain_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_aside(path) as made:
            made.write_text(content, encoding="utf-8")


def copy_atomically(source: Path, path: Path) -> None:
    """Puts a copy of `source` at `path` in one step."""
    with explain_os_errors(path), written_aside(path) as made:
        shutil.copyfile(source, made)


def check_writable(path: Path | None, flag: str) -> None:
    """Refuses a file that cannot be written where it is asked for; None is no request.

    Raises:
        SettingsError: it is a folder, or its folder is missing or cannot be written to.
    """
    if path and (path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK)):
        raise SettingsError(f"{flag} {path} cannot be written; name a file in a folder that exists")


def check_folder(path: Path, key: str) -> None:
    """Refuses a folder that cannot be made or written to.

    Raises:
        SettingsError: a file lies there or above, or the folders that exist cannot be written to.
    """
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise SettingsError(f"{key} {path} cannot be written: expected a folder, or one to be made, below {there}")


def flush(path: Path) -> None:
    """Asks the system to put a file, or a folder's list of names, onto the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_tree(folder: Path) -> None:
    """`flush` for all files and folders below `folder`, and itself."""
    for path in folder.rglob("*"):
        flush(path)
    flush(folder)


@contextlib.contextmanager
def locked(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Holds an exclusive lock on `path`; the kernel lets go of it when the process dies.

    `waiting` is called where another process holds it.
    """
    with explain_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def explain_os_errors(where: Path) -> Iterator[None]:
    """Turns what the operating system refuses into an error that says where and what to do.

    Raises:
        ArtifactError: for a full disk, a missing permission and the like.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise _full(where, error.strerror) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            raise ArtifactError(
                f"{where} cannot be written: {error.strerror}; choose a folder that you may write to with --store "
                f"or --output"
            ) from error
        raise
    except Seq2SeqError:
        raise
    except Exception as error:  # TensorFlow and HDF5 have errors of their own, which quote the system's words
        said = next((os.strerror(number) for number in _FULL if os.strerror(number) in str(error)), None)
        if said:
            raise _full(where, said) from error
        raise


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _full(where: Path, said: str | None) -> ArtifactError:
    return ArtifactError(
        f"{where} cannot be written: {said}; what was begun is removed; "
        f"make room, or choose another folder with --store or --output"
    )


def check_room(folder: Path, n_bytes: int) -> None:
    """Fails as a full disk does where a folder has no room, before a library writes there that cannot bear it.

    Raises:
        OSError: the system's.
    """
    with removed_at_the_end(aside(folder / "room")) as probe, probe.open("wb", buffering=0) as file:
        for first in range(0, n_bytes, _ROOM_BYTES):
            todo = min(_ROOM_BYTES, n_bytes - first)
            while todo:
                todo -= file.write(bytes(todo))  # of what fits, only that much is written


_ROOM_BYTES = 2**20


def remove_tree(path: Path) -> None:
    """Removes a file, or a folder with all that is in it, if it is there; of a link the link, not what it leads to."""
    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path, ignore_errors=True)
