"""What was read of files of code, kept beside Python's byte code and found again by the signs that Python goes by.

Cutting some hundred modules into tokens takes a second of every command; looking at their sizes and times takes a
hundredth of one.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tasks.storage.files.atomic import written_aside

SETTLED_SECONDS = 2.0  # a file that was changed since could change again within one tick of its clock

Content = Any  # what JSON holds


class CodeCache:
    """What a function makes of files of code, found again for a file of the same size and time of change.

    It lies where Python keeps the byte code of the module that asks. Where none may be written
    (`PYTHONDONTWRITEBYTECODE`, a folder that is read-only), nothing is kept.
    """

    def __init__(self, module: Path, make: Callable[[Path], Content]) -> None:
        """Takes the module that asks, on whose text all that is kept depends, and the function."""
        self._path = Path(importlib.util.cache_from_source(str(module))).with_suffix(".json")
        self._made_by, self._make = module.read_bytes(), make
        self._kept = self._read()
        self._has_new = False

    def find(self, path: Path) -> Content:
        """What the function makes of a file."""
        found = path.stat()
        sign = [found.st_mtime_ns, found.st_size]
        kept_sign, content = self._kept.get(str(path), (None, None))
        if kept_sign != sign:
            content = self._make(path)
            if time.time() - found.st_mtime > SETTLED_SECONDS:
                self._kept[str(path)], self._has_new = (sign, content), True
        return content

    def save(self) -> None:
        """Keeps what is new for the next process."""
        if self._has_new and not sys.dont_write_bytecode:
            body = json.dumps(self._kept)
            with contextlib.suppress(OSError):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with written_aside(self._path, is_flushed=False) as made:
                    made.write_text(f"{self._digest(body)}\n{body}", encoding="utf-8")
        self._has_new = False

    def _read(self) -> dict[str, tuple[list[int], Content]]:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            digest, _, body = self._path.read_text(encoding="utf-8").partition("\n")
            if digest == self._digest(body):
                return dict(json.loads(body))
        return {}

    def _digest(self, body: str) -> str:
        return hashlib.sha256(self._made_by + body.encode()).hexdigest()
