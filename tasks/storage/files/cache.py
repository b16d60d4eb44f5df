"""What is fetched from object stores, kept on this machine as long as there is room for it.

    <cache>/stores/<bucket and digest of the URL>/    artifacts of a store, and what is being made for it
    <cache>/inputs/<digest of URL and ETag>/          inputs
    <cache>/outputs/<bucket and digest of the URL>/   outputs that are being put together

SEQ2SEQ_CACHE names another folder than ~/.cache/nightly-seq2seq, SEQ2SEQ_CACHE_GIB how much inputs may take, and the
artifacts of each store; what was used last stays longest.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from tasks.seq2seq.errors import SettingsError
from tasks.storage.files.atomic import explain_os_errors, remove_at_once

GIB = 2**30
DEFAULT_GIB = 20.0
_NAME_CHARACTERS = 40


def cache_folder(*parts: str) -> Path:
    """A folder of the cache, which is made; nobody else may look into the cache."""
    given = os.environ.get("SEQ2SEQ_CACHE")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = Path(given).absolute() if given else home / "nightly-seq2seq"
    with explain_os_errors(cache):
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        cache.joinpath(*parts).mkdir(parents=True, exist_ok=True)
    return cache.joinpath(*parts)


def name_for(url: str) -> str:
    """A folder's name for a URL, by which people know it and no other URL has it."""
    begin = re.sub(r"[^A-Za-z0-9]+", "-", url.partition("://")[2])[:_NAME_CHARACTERS].strip("-")
    return f"{begin}-{hashlib.sha256(url.encode()).hexdigest()[:16]}"


def cache_bytes() -> int:
    """How much is kept.

    Raises:
        SettingsError: SEQ2SEQ_CACHE_GIB is not a number of GiB.
    """
    given = os.environ.get("SEQ2SEQ_CACHE_GIB") or str(DEFAULT_GIB)
    try:
        gib = float(given)
    except ValueError:
        gib = -1.0
    if not 0 <= gib < float("inf"):
        raise SettingsError(f"SEQ2SEQ_CACHE_GIB is {given!r}, expected a number of GiB, such as {DEFAULT_GIB:g}")
    return int(gib * GIB)


def make_room(kept: list[Path], n_bytes: int, may_go: Callable[[Path], AbstractContextManager[bool]]) -> None:
    """Removes what was used longest ago until more fits; what may not go stays, and the limit is then passed.

    Args:
        kept: the folders that can be fetched again.
        n_bytes: to come.
        may_go: whether nobody uses a folder, and nobody comes to use it meanwhile.
    """
    found = sorted((found for path in kept if (found := _look(path))), key=lambda one: one[0])
    size = n_bytes + sum(one_bytes for _, one_bytes, _ in found)
    for _, one_bytes, path in found:
        if size <= cache_bytes():
            return
        with may_go(path) as is_free:
            if is_free and path.exists():
                remove_at_once(path)
                size -= one_bytes


def _look(path: Path) -> tuple[float, int, Path] | None:
    """When a folder was used last, and its bytes; None where it is gone by now."""
    try:
        return path.stat().st_mtime, sum(file.lstat().st_size for file in path.rglob("*")), path
    except OSError:
        return None
