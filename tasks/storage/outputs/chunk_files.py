"""Chunks on disk: what stands between the steps of a prediction, believed only with a digest.

A file is the chunk as an Arrow file, and after it the SHA-256, in hexadecimal, of its place and its bytes. The place
is its name and that of its folder, so that a chunk which was put in another's place is not taken for the other.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from tasks.seq2seq.errors import ArtifactError
from tasks.storage.files.atomic import written_aside
from tasks.storage.files.digested import DigestedFile

if TYPE_CHECKING:
    from hashlib import _Hash

_DIGEST_BYTES = 64


def write_chunk(path: Path, chunk: pa.Table, *, is_kept: bool = True) -> None:
    """Writes a chunk, or what was predicted of one, in one step.

    Args:
        path: the chunk's place.
        chunk: any table.
        is_kept: whether a later run may believe it; it is then flushed before it has its name.
    """
    chunk = chunk.unify_dictionaries()
    with written_aside(path, is_flushed=is_kept) as aside, DigestedFile(aside, _start_digest(path)) as file:
        with pa.ipc.new_file(file, chunk.schema) as writer:
            writer.write_table(chunk)
        file.write_end(file.digest.hexdigest().encode())


def read_chunk(path: Path) -> pa.Table:
    """Returns the chunk in a file.

    The file is read, not mapped: what was checked is what Arrow sees, and a sector that the disk cannot read is an
    error rather than the end of the process.

    Raises:
        ArtifactError: it is missing, was cut or altered, or is the chunk of another place.
    """
    try:
        with pa.OSFile(str(path)) as file:
            content = file.read_buffer()
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} is missing") from error
    n_bytes = max(0, content.size - _DIGEST_BYTES)
    chunk, sealed = content.slice(0, n_bytes), content.slice(n_bytes).to_pybytes()
    digest = _start_digest(path)
    digest.update(chunk)
    if digest.hexdigest().encode() != sealed:
        raise ArtifactError(f"{path} was cut or altered after it was written: its digest does not fit")
    return pa.ipc.open_file(pa.BufferReader(chunk)).read_all()


def _start_digest(path: Path) -> _Hash:
    return hashlib.sha256(f"{path.parent.name}/{path.name}\0".encode())
