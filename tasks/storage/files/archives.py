"""Zip archives of the store: their members are stored as they are, so that none is larger than it looks."""

from __future__ import annotations

import zipfile
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from tasks.seq2seq.errors import ArtifactError
from tasks.seq2seq.shown import shown
from tasks.storage.files.limits import HEADER_BYTES

_ENCRYPTED = 1  # of a member's flags
_MOST_MEMBERS = 10_000
_SUFFIX = ".npy"
_SHOWN = 200


def stored_members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The members by name, if they are as this project writes them.

    Raises:
        ValueError: one is compressed or encrypted, or there twice, or together they are larger than the archive.
    """
    infos = archive.infolist()
    if len(infos) > _MOST_MEMBERS:
        raise ValueError(f"it has {len(infos):,} members, expected {_MOST_MEMBERS:,} at most")
    for info in infos:
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & _ENCRYPTED:
            raise ValueError(f"its member {shown(repr(info.filename), _SHOWN)} is compressed or encrypted")
    assert archive.fp is not None
    if sum(info.file_size for info in infos) > archive.fp.seek(0, 2):
        raise ValueError("its members are larger than it is itself")
    members = {info.filename: info for info in infos}
    if len(members) != len(infos):
        raise ValueError("two of its members have one name")
    return members


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an npz file of the store; nothing is unpickled.

    Raises:
        ArtifactError: it cannot be read, or is not as NumPy's `savez` writes it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {}
            for name, info in stored_members(archive).items():
                with archive.open(info) as member:
                    arrays[name.removesuffix(_SUFFIX)] = _read_array(member, info.file_size)
            return arrays
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        raise ArtifactError(
            f"{path} cannot be read as arrays: {shown(error, _SHOWN)}; make it again, or bring it back"
        ) from error


def _read_array(member: IO[bytes], size: int) -> NDArray[Any]:
    """An array whose header says as many bytes as there are."""
    version = npy.read_magic(member)
    read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"an array is of the unknown format {version}")
    shape, by_columns, dtype = read(member, max_header_size=HEADER_BYTES)
    if dtype.hasobject:
        raise ValueError("an array holds objects, which would have to be unpickled")
    if dtype.itemsize * prod(shape) != size - member.tell():
        raise ValueError(f"an array says that it is {shown(shape, _SHOWN)} of {dtype}, and has other bytes")
    flat = np.frombuffer(member.read(), dtype)
    return flat.reshape(shape, order="F" if by_columns else "C").copy(order="K")
