"""NumPy's npz: rows streamed out of the archive's members, no array in memory as a whole, nothing unpickled."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import pyarrow as pa
from numpy.lib import format as npy
from numpy.typing import NDArray

from tasks.seq2seq.errors import DataError
from tasks.storage.files.inputs import InputFile
from tasks.storage.files.limits import HEADER_BYTES, ROW_BYTES
from tasks.storage.readers.blocks import (
    BLOCK_BYTES,
    BLOCK_ROWS,
    SINGLE,
    Kind,
    Layout,
    Reject,
    RowBlock,
    check_announced,
    check_columns,
    check_names,
    dropped_names,
    kept_names,
    to_kept,
    to_table,
    too_large,
)

_SUFFIX = ".npy"
# Of each kind: the codes of the types that can be it, the most dimensions, and both in words.
_ACCEPTED: dict[Kind, tuple[str, int, str]] = {
    "integers": ("biuU", 2, "integers in 1 or 2 dimensions, or text in 1"),
    "vectors": ("biufU", 3, "numbers in 1, 2 or 3 dimensions, or text in 1"),
    "number": ("biufU", 1, "numbers or text in 1 dimension"),
    "time": ("iuUM", 1, "dates, times, integers or text in 1 dimension"),
    "id": ("biuUM", 1, "text, integers, booleans or dates in 1 dimension"),
    "characters": ("U", 1, "text in 1 dimension"),
    "words": ("U", 1, "text in 1 dimension"),
}
# What the values of kept columns are, by the code of their kind; dates and times are what they are to Arrow.
_KEPT = {
    "b": pa.bool_(),
    "i": pa.int64(),
    "u": pa.uint64(),
    "f": pa.float64(),
    "U": pa.string(),
    "S": pa.binary(),
}
_VALUE_BYTES = 8  # of int64 and double in the table
_SURROGATES, _LAST_CHARACTER = (0xD800, 0xDFFF), 0x10FFFF


@dataclass(frozen=True)
class _Array:
    """A member's header, and the stream of its rows."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    by_columns: bool  # its rows do not lie one after the other
    rows: IO[bytes]

    @property
    def row_bytes(self) -> int:
        """The bytes of a row."""
        return int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize

    @property
    def table_bytes(self) -> int:
        """The bytes of a row in a table, more or less."""
        return int(np.prod(self.shape[1:], dtype=np.int64)) * max(self.dtype.itemsize, _VALUE_BYTES)


@dataclass(frozen=True)
class Npz:
    """The format."""

    name: str = "npz"
    suffixes: tuple[str, ...] = (".npz",)
    signatures: tuple[bytes, ...] = (b"PK\x03\x04",)
    is_text: bool = False
    delimiter: str | None = None
    has_schema: bool = True

    def check(self, file: InputFile, layout: Layout) -> None:
        """Reads the headers of the arrays."""
        with ExitStack() as stack:
            _open_wanted(file, layout, _open_archive(file, stack), stack)

    def has(self, file: InputFile, _layout: Layout, column: str | int) -> bool:
        """Whether there is an array of this name."""
        with ExitStack() as stack:
            return str(column) in _names(_open_archive(file, stack))

    def columns(self, file: InputFile, layout: Layout) -> pa.Schema:
        """Lists of the arrays' values as deep as they have dimensions beyond the first."""
        return _sort(file, layout)[0]

    def left_out(self, file: InputFile, layout: Layout) -> list[str]:
        """Arrays that are no columns, and members that are no arrays."""
        return _sort(file, layout)[1]

    def count(self, _file: InputFile) -> int | None:
        """Nothing: the rows are counted as they are read."""
        return None

    def read(self, file: InputFile, layout: Layout, kept: pa.Schema | None = None) -> Iterator[RowBlock]:
        """Streams the rows.

        Columns come as they are kept: in lists, one for each dimension beyond the first.
        """
        with ExitStack() as stack:
            archive = _open_archive(file, stack)
            arrays = _open_wanted(file, layout, archive, stack)
            n = next(iter(arrays.values())).shape[0]
            for name in kept.names if kept is not None else ():
                if name not in arrays:
                    arrays[name] = _open_array(file, archive, name, stack)
            check_announced(file.path, n, file.size)
            row_bytes = sum(max(_VALUE_BYTES, array.table_bytes) for array in arrays.values())
            step = max(1, min(BLOCK_ROWS, BLOCK_BYTES // row_bytes))
            for first in range(0, n, step):
                parts = {name: _read_rows(array, min(step, n - first)) for name, array in arrays.items()}
                yield _to_block(file, layout, parts, np.arange(first, first + min(step, n - first)) + 1, kept)
            for array in arrays.values():
                if array.rows.read(1):  # at the end, where the archive compares its checksum
                    raise DataError(f"{file.path}: an array has more bytes than its header says; save it again")


NPZ = Npz()


def _open_archive(file: InputFile, stack: ExitStack) -> zipfile.ZipFile:
    return stack.enter_context(zipfile.ZipFile(stack.enter_context(file.open_file())))


def _names(archive: zipfile.ZipFile) -> list[str]:
    return [name.removesuffix(_SUFFIX) for name in archive.namelist()]


def _open_wanted(file: InputFile, layout: Layout, archive: zipfile.ZipFile, stack: ExitStack) -> dict[str, _Array]:
    check_columns(file.path, len(archive.namelist()))
    check_names(file.path, _names(archive), layout)
    arrays = {}
    for name, kind, side in zip(layout.names, layout.kinds, layout.sides, strict=False):
        if name not in arrays:
            arrays[name] = _open_array(file, archive, name, stack)
        _check_storage(f"{file.path}: array {name!r}", arrays[name])
        if side not in layout.optional or not arrays[name].shape:
            _check_type(f"{file.path}: array {name!r}", kind, arrays[name])
    lengths = {name: array.shape[0] for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name!r} has {n}" for name, n in lengths.items())
        raise DataError(f"{file.path}: arrays differ in their number of rows: {said}; expected as many in each")
    if not min(lengths.values()) and not layout.may_be_empty:
        raise DataError(f"{file.path} has no rows, expected rows of sequences")
    return arrays


def _sort(file: InputFile, layout: Layout) -> tuple[pa.Schema, list[str]]:
    """The schema of the arrays that are columns, and the names of all other members."""
    with ExitStack() as stack:
        archive = _open_archive(file, stack)
        names, fields = _names(archive), []
        others = dropped_names(names, layout)
        n = next(iter(_open_wanted(file, layout, archive, stack).values())).shape[0]
        for i, name in kept_names(file.path, names, layout):
            member = archive.namelist()[i]
            array = _open_array(file, archive, name, stack) if member.endswith(_SUFFIX) else None
            kind = _kept_type(array, n) if array else None
            if kind is None:
                others.append(name)
            else:
                fields.append(pa.field(name, kind))
    return pa.schema(fields), others


def _kept_type(array: _Array, n: int) -> pa.DataType | None:
    """The type of the array's column; None if it is no column."""
    if array.by_columns or array.shape[:1] != (n,):
        return None
    kind = _KEPT.get(array.dtype.kind)
    if array.dtype.kind in "mM":
        try:
            kind = pa.from_numpy_dtype(array.dtype)
        except pa.ArrowNotImplementedError:  # weeks, years, ...
            return None
    for _ in array.shape[1:] if kind is not None else ():
        kind = pa.list_(kind)
    return kind


def _open_array(file: InputFile, archive: zipfile.ZipFile, name: str, stack: ExitStack) -> _Array:
    """The array with its stream after the header, which is believed only if it and the member's size agree."""
    where = f"{file.path}: array {name!r}"
    try:
        member = archive.getinfo(name + _SUFFIX)
        rows = stack.enter_context(archive.open(member))
        shape, fortran_order, dtype = _read_header(rows)
    except (KeyError, ValueError, RuntimeError, NotImplementedError, TypeError, SyntaxError, MemoryError) as error:
        raise DataError(f"{where} cannot be read: {str(error).splitlines()[0]}; save it with numpy.savez") from error
    _check_row(where, shape, dtype)
    expected = rows.tell() + int(np.prod(shape, dtype=object)) * dtype.itemsize
    if member.file_size != expected and not dtype.hasobject:
        raise DataError(f"{where} is cut short: {member.file_size} bytes, expected {expected} by its header")
    return _Array(shape, dtype, fortran_order and len(shape) > 1, rows)


def _read_header(rows: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """The header of an array, of which no more is read than a header has."""
    magic = rows.read(npy.MAGIC_LEN)
    is_first = npy.read_magic(io.BytesIO(magic)) == (1, 0)
    length = rows.read(2 if is_first else 4)
    n = int.from_bytes(length, "little")
    if n > HEADER_BYTES:
        raise ValueError(f"its header is of {n:,} bytes, more than {HEADER_BYTES:,}")
    read_header = npy.read_array_header_1_0 if is_first else npy.read_array_header_2_0
    shape, fortran_order, dtype = read_header(io.BytesIO(length + rows.read(n)))
    return shape, fortran_order, dtype


def _check_row(where: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuses an array of which a row is larger than a row may be."""
    size = math.prod(shape[1:]) * dtype.itemsize
    if size > ROW_BYTES:
        raise DataError(f"{where} has {too_large('rows', size)}; are its rows its first dimension?")


def _check_storage(where: str, array: _Array) -> None:
    if array.dtype.hasobject:
        raise DataError(f"{where} holds Python objects, which are never unpickled; save an array of numbers")
    if array.by_columns:
        raise DataError(f"{where} is stored column by column; save numpy.ascontiguousarray of it")


def _check_type(where: str, kind: Kind, array: _Array) -> None:
    found = f"is of type {array.dtype} in {len(array.shape)} dimensions"
    if not _fits(array.dtype, len(array.shape), kind):
        words = _ACCEPTED[kind][2]
        use = "" if kind in SINGLE else f" for the encoding {kind}"
        raise DataError(f"{where} {found}, expected {words}{use}")


def _fits(dtype: np.dtype[Any], n_dimensions: int, kind: Kind) -> bool:
    codes, most, _ = _ACCEPTED[kind]
    return dtype.kind in codes and 1 <= n_dimensions <= (1 if dtype.kind == "U" else most)


def _read_rows(array: _Array, n: int) -> NDArray[Any]:
    """The next rows, `(n,)` + the array's other dimensions."""
    size = n * array.row_bytes
    data = array.rows.read(size)
    if len(data) != size:
        raise EOFError(f"an array ends {size - len(data)} bytes too early")
    if not size:
        return np.zeros((n, *array.shape[1:]), array.dtype)
    return np.frombuffer(data, dtype=array.dtype).reshape(n, *array.shape[1:])


def _to_block(
    file: InputFile, layout: Layout, parts: dict[str, NDArray[Any]], rows: NDArray[np.int64], kept: pa.Schema | None
) -> RowBlock:
    reasons: dict[int, str] = {}
    for part in parts.values():
        if part.dtype.kind == "U":
            reasons |= dict.fromkeys(np.flatnonzero(_is_no_text(part)).tolist(), "invalid_utf8")
    good = np.ones(len(rows), dtype=bool)
    good[list(reasons)] = False
    wanted = [_wanted(parts[name][good], kind) for name, kind in zip(layout.names, layout.kinds, strict=True)]
    shown = parts if kept is None else {name: parts[name] for name in kept.names}
    rejects = [Reject(file.name, int(rows[i]), reasons[i], _content(shown, i)) for i in sorted(reasons)]
    block = RowBlock(rows[good], to_table(wanted, layout), rejects)
    if kept is None:
        return block
    return block._replace(kept=to_kept([_to_column(parts[name][good]) for name in kept.names], kept, len(block.rows)))


def _is_no_text(part: NDArray[Any]) -> NDArray[np.bool_]:
    """The rows that hold what is no character: halves of surrogate pairs, numbers beyond the last; `(n,)`."""
    code = np.dtype(np.uint32).newbyteorder(part.dtype.byteorder)
    points = part.reshape(len(part), -1).view(code)
    is_bad = (points >= _SURROGATES[0]) & (points <= _SURROGATES[1]) | (points > _LAST_CHARACTER)
    return np.asarray(is_bad.any(axis=1))


def _content(shown: dict[str, NDArray[Any]], i: int) -> str:
    row = {name: (part.astype(str) if part.dtype.kind in "mM" else part)[i].tolist() for name, part in shown.items()}
    return json.dumps(row, default=lambda value: value.decode(errors="backslashreplace"))


def _wanted(part: NDArray[Any], kind: Kind) -> pa.Array:
    """The rows to read; of a type that cannot be what it should, which `check` lets pass if it is optional, nulls."""
    return _to_column(part) if _fits(part.dtype, part.ndim, kind) else pa.nulls(len(part))


def _to_column(part: NDArray[Any]) -> pa.Array:
    """The rows as they are kept: values of one dimension, or lists."""
    flat = part.ravel()
    if part.dtype.kind in "US":
        values = pa.array(flat.tolist(), _KEPT[part.dtype.kind])  # Arrow would end texts at a zero inside them
    elif part.dtype.kind in "mM":
        values = pa.array(flat.astype(part.dtype.newbyteorder("=")))
    else:
        kind = _KEPT[part.dtype.kind]
        values = pa.array(flat.astype(kind.to_pandas_dtype()))
    for level in range(part.ndim - 1, 0, -1):
        n_lists = int(np.prod(part.shape[:level]))
        offsets = np.arange(n_lists + 1) * part.shape[level]
        values = pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), values)
    return values
