"""Files and folders that appear whole or not at all: written aside, flushed, then renamed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from tasks.seq2seq.errors import ArtifactError, SettingsError


def file_digest(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def aside(path: Path) -> Path:
    """A name beside `path` that no other host, process or thread has: 64 bits of it are drawn anew by the kernel."""
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")


@contextlib.contextmanager
def written_aside(path: Path, *, is_flushed: bool = True) -> Iterator[Path]:
    """Gives the name of a file to write, which then takes the place of `path` in one step.

    Args:
        path: the file to be made or replaced; if writing fails, it stays as it was and nothing is left beside it.
        is_flushed: whether the content is on the disk before it has its name, and the name before this ends.
    """
    made = aside(path)
    try:
        yield made
        if is_flushed:
            flush(made)
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)
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
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise ArtifactError(
                f"{where} cannot be written: {error.strerror}; what was begun is removed; "
                f"make room, or choose another folder with --store or --output"
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            raise ArtifactError(
                f"{where} cannot be written: {error.strerror}; choose a folder that you may write to with --store "
                f"or --output"
            ) from error
        raise


def remove_tree(folder: Path) -> None:
    """Removes a folder with all that is in it, if it is there; of a link the link, not what it leads to."""
    if folder.is_symlink():
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)
