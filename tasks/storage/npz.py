"""NumPy's npz: rows streamed out of the archive's members, no array in memory as a whole, nothing unpickled."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.lib import format as npy
from numpy.typing import NDArray

from tasks.seq2seq.errors import DataError
from tasks.storage.blocks import BLOCK_BYTES, BLOCK_ROWS, Block, Kind, Layout, Reject, check_names, to_table
from tasks.storage.inputs import InputFile

_SUFFIX = ".npy"
# Of each kind that numbers can be: the codes of its types, the most dimensions, and both in words.
_ACCEPTED: dict[Kind, tuple[str, int, str]] = {
    "integers": ("iu", 2, "integers in 1 or 2 dimensions"),
    "vectors": ("iuf", 3, "numbers in 1, 2 or 3 dimensions"),
}
_VALUE_BYTES = 8  # of int64 and double in the table


@dataclass(frozen=True)
class _Array:
    """A member's header, and the stream of its rows."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    rows: Any

    @property
    def values(self) -> int:
        """The number of values in a row."""
        return int(np.prod(self.shape[1:], dtype=np.int64))


def check(file: InputFile, layout: Layout) -> None:
    """Reads the headers of the arrays."""
    with ExitStack() as stack:
        _open_arrays(file, layout, stack)


def read(file: InputFile, layout: Layout) -> Iterator[Block]:
    """Streams the rows.

    Integers come as large_list<int64>; vectors as large_list<double> (1 or 2 dimensions) or
    large_list<large_list<double>> (3 dimensions); an array of 1 dimension has one step a row. Unsigned integers
    beyond int64 make their row a reject, where integers are wanted.
    """
    with ExitStack() as stack:
        arrays = _open_arrays(file, layout, stack)
        n = arrays[0].shape[0]
        row_bytes = sum(max(1, array.values) * _VALUE_BYTES for array in arrays)
        step = max(1, min(BLOCK_ROWS, BLOCK_BYTES // row_bytes))
        for first in range(0, n, step):
            parts = [_read_rows(array, min(step, n - first)) for array in arrays]
            yield _to_block(file, layout, parts, first + 1)
        for array in arrays:
            if array.rows.read(1):  # at the end, where the archive compares its checksum
                raise DataError(f"{file.path}: an array has more bytes than its header says; save it again")


def _open_arrays(file: InputFile, layout: Layout, stack: ExitStack) -> list[_Array]:
    archive = stack.enter_context(zipfile.ZipFile(stack.enter_context(file.open_file())))
    names = [name.removesuffix(_SUFFIX) for name in archive.namelist()]
    check_names(file.path, names, layout)
    arrays = [_open_array(file, archive, name, stack) for name in layout.names]
    for name, kind, array in zip(layout.names, layout.kinds, arrays, strict=True):
        _check_array(f"{file.path}: array {name!r}", kind, array)
    lengths = {name: array.shape[0] for name, array in zip(layout.names, arrays, strict=True)}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name!r} has {n}" for name, n in lengths.items())
        raise DataError(f"{file.path}: arrays differ in their number of rows: {said}; expected as many in each")
    if not arrays[0].shape[0]:
        raise DataError(f"{file.path} has no rows, expected pairs of sequences")
    return arrays


def _open_array(file: InputFile, archive: zipfile.ZipFile, name: str, stack: ExitStack) -> _Array:
    """The array with its stream after the header, which is believed only if it and the member's size agree."""
    where = f"{file.path}: array {name!r}"
    try:
        member = archive.getinfo(name + _SUFFIX)
        rows = stack.enter_context(archive.open(member))
        version = npy.read_magic(rows)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran_order, dtype = read_header(rows)
    except (KeyError, ValueError, RuntimeError, NotImplementedError) as error:
        raise DataError(f"{where} cannot be read: {str(error).splitlines()[0]}; save it with numpy.savez") from error
    if dtype.hasobject:
        raise DataError(f"{where} holds Python objects, which are never unpickled; save an array of numbers")
    if fortran_order and len(shape) > 1:
        raise DataError(f"{where} is stored column by column; save numpy.ascontiguousarray of it")
    expected = rows.tell() + int(np.prod(shape, dtype=object)) * dtype.itemsize
    if member.file_size != expected:
        raise DataError(f"{where} is cut short: {member.file_size} bytes, expected {expected} by its header")
    return _Array(shape, dtype, rows)


def _check_array(where: str, kind: Kind, array: _Array) -> None:
    found = f"is of type {array.dtype} in {len(array.shape)} dimensions"
    if kind not in _ACCEPTED:
        raise DataError(f"{where} {found}, and an npz holds no text for the encoding {kind}; use CSV, JSON lines, ...")
    codes, dimensions, words = _ACCEPTED[kind]
    if array.dtype.kind not in codes or not 1 <= len(array.shape) <= dimensions:
        raise DataError(f"{where} {found}, expected {words} for the encoding {kind}")


def _read_rows(array: _Array, n: int) -> NDArray[Any]:
    """The next rows, `(n,)` + the array's other dimensions."""
    size = n * array.values * array.dtype.itemsize
    data = array.rows.read(size)
    if len(data) != size:
        raise EOFError(f"an array ends {size - len(data)} bytes too early")
    return np.frombuffer(data, dtype=array.dtype).reshape(n, *array.shape[1:])


def _to_block(file: InputFile, layout: Layout, parts: list[NDArray[Any]], first: int) -> Block:
    n = len(parts[0])
    reasons: dict[int, str] = {}
    for part, kind, side in zip(parts, layout.kinds, layout.sides, strict=False):
        if kind == "integers" and part.dtype == np.uint64:
            beyond = (part > np.iinfo(np.int64).max).reshape(n, -1).any(axis=1)
            for i in np.flatnonzero(beyond):
                reasons.setdefault(int(i), f"{side}_type")
    good = np.array([i not in reasons for i in range(n)]) if reasons else np.ones(n, dtype=bool)
    columns = [_to_lists(part[good], kind) for part, kind in zip(parts, layout.kinds, strict=True)]
    rejects = [Reject(file.name, first + i, reasons[i], _content(layout, parts, i)) for i in sorted(reasons)]
    return Block((np.arange(n) + first)[good], to_table(columns, layout), rejects)


def _content(layout: Layout, parts: list[NDArray[Any]], i: int) -> str:
    row = {name: part[i].tolist() for name, part in zip(layout.names, parts, strict=True)}
    return json.dumps(row)


def _to_lists(part: NDArray[Any], kind: Kind) -> pa.Array:
    """Lists of the rows' values, `(n,)`, `(n, steps)` or `(n, steps, features)`; of one step if 1 dimension."""
    shape = part.shape if part.ndim > 1 else (len(part), 1)
    values = pa.array(part.astype(np.int64 if kind == "integers" else np.float64).ravel())
    for level in range(len(shape) - 1, 0, -1):
        n_lists = int(np.prod(shape[:level]))
        offsets = np.arange(n_lists + 1, dtype=np.int64) * shape[level]
        values = pa.LargeListArray.from_arrays(pa.array(offsets), values)
    return values
