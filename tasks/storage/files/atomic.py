"""Files and folders that appear whole or not at all: written aside, flushed, then renamed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tasks.seq2seq.errors import ArtifactError, Seq2SeqError, SettingsError

_HOST = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]
_ASIDE = re.compile(r"\..+\.[0-9a-f]{8}-[0-9a-f]+-[0-9a-f]{16}\.tmp", re.DOTALL)
_ASIDE_BYTES, _NAME_BYTES = 40, 255  # that such a name adds at most, and that a file's name may have


def aside(path: Path) -> Path:
    """A name beside `path` that no other host, process or thread has: 64 bits of it are drawn anew by the kernel.

    All that is written, made or removed aside has its name from here, and `left_over` knows it by that.
    """
    begin = os.fsdecode(os.fsencode(path.name)[: _NAME_BYTES - _ASIDE_BYTES])
    return path.with_name(f".{begin}.{_HOST}-{os.getpid():x}-{secrets.token_hex(8)}.tmp")


_under_way: set[Path] = set()


def is_writing() -> bool:
    """Whether this process is making an artifact or writing a file."""
    return bool(_under_way)


def remove_begun() -> None:
    """Removes what this process is writing aside, for one that ends without unwinding."""
    for path in [*_under_way]:
        remove_tree(path)


@contextlib.contextmanager
def written_aside(path: Path, *, is_flushed: bool = True) -> Iterator[Path]:
    """Gives the name of a file to write, which then takes the place of `path` in one step.

    The file is there already, and locked until this ends, which tells it from what a killed process left.

    Args:
        path: the file to be made or replaced; if writing fails, it stays as it was and nothing is left beside it.
        is_flushed: whether the content is on the disk before it has its name, and the name before this ends.
    """
    with _begun(path, _make_file) as made:
        yield made
        if is_flushed:
            flush(made)
        made.replace(path)
    if is_flushed:
        flush(path.parent)


@contextlib.contextmanager
def folder_aside(path: Path) -> Iterator[Path]:
    """Gives a new folder beside `path` to fill and to rename, locked until this ends; not renamed, it is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _begun(path, _make_folder) as made:
        yield made


@contextlib.contextmanager
def temporary_folder(name: str) -> Iterator[Path]:
    """Gives a folder in the system's place for what is temporary; what killed processes left of this name goes."""
    where = Path(tempfile.gettempdir()) / f"seq2seq-{name}"
    for path in left_over(where.parent, f".{where.name}."):
        remove_left_over(path)
    with _begun(where, lambda path: _make_folder(path, 0o700)) as made:  # others may look into that place
        yield made


@contextlib.contextmanager
def _begun(path: Path, make: Callable[[Path], int]) -> Iterator[Path]:
    """A file or folder aside, which `make` makes and opens."""
    while True:
        made = aside(path)
        try:
            descriptor = make(made)
        except FileNotFoundError:
            if path.parent.is_dir():
                continue  # it was removed as left over before it was opened
            raise
        with contextlib.suppress(OSError):  # where folders cannot be locked, what is left of them stays
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _is_at(descriptor, made):
            break
        os.close(descriptor)  # it was removed before it was locked
    _under_way.add(made)
    try:
        yield made
    finally:
        remove_tree(made)
        _under_way.discard(made)
        os.close(descriptor)


def _make_file(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)


def _make_folder(path: Path, mode: int = 0o777) -> int:
    path.mkdir(mode)
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether what is open still has this name."""
    try:
        there = path.stat(follow_symlinks=False)
    except OSError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)


def left_over(folder: Path, beginning: str = ".") -> list[Path]:
    """What processes that have ended were writing in a folder, sorted; of this user, under names with a beginning."""
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.name.startswith(beginning)]
    except OSError:
        return []
    return sorted(path for name in names if _ASIDE.fullmatch(name) and _is_left_over(path := folder / name))


def remove_left_over(path: Path) -> bool:
    """Removes a file or folder that `left_over` gave, unless somebody has it by now; says whether it did."""
    return _if_free(path, remove_tree)


def remove_lock(path: Path) -> bool:
    """Removes the file of a lock that nobody holds; says whether it did. Whoever waits for it makes it anew."""
    return _if_free(path, lambda free: free.unlink())


def _is_left_over(path: Path) -> bool:
    return _if_free(path, lambda _free: None)


def _if_free(path: Path, action: Callable[[Path], None]) -> bool:
    """Does something to a file or folder of this user's that no process has locked, while this one has."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_uid != os.geteuid() or not _is_at(descriptor, path):
            return False
        action(path)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def remove_at_once(path: Path) -> None:
    """Removes a file or folder in one step, as others see it: it is renamed, then deleted."""
    gone = aside(path)
    path.rename(gone)
    remove_tree(gone)


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
    while True:
        with explain_os_errors(path):
            file = path.open("a")
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(file, fcntl.LOCK_EX)
            if _is_at(file.fileno(), path):  # or it was removed while this waited, and guards nothing
                yield
                return


@contextlib.contextmanager
def lock_if_free(path: Path) -> Iterator[bool]:
    """Holds the lock on `path` where no other process does, and says whether it is held."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield _is_at(file.fileno(), path)


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
    with _begun(folder / "room", _make_file) as probe, probe.open("wb", buffering=0) as file:
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
