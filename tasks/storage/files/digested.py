"""Files that are digested while they are written, so that what is staged is believed only if it is as it was."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash

    from _typeshed import ReadableBuffer


class DigestedFile(io.BufferedWriter):
    """A file to write; `digest` is of all that was written."""

    def __init__(self, path: Path, digest: _Hash) -> None:
        """Takes the file, which is made or emptied, and a digest that may be begun."""
        super().__init__(io.FileIO(path, "w"))
        self.digest = digest

    def write(self, content: ReadableBuffer) -> int:
        """Writes and digests."""
        self.digest.update(content)
        return super().write(content)

    def write_end(self, content: bytes) -> None:
        """Writes what the digest leaves out, such as itself."""
        super().write(content)
