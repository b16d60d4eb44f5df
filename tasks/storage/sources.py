"""The user's own pairs: files opened with care, rows checked one by one, none lost without a count."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tasks.seq2seq.errors import DataError
from tasks.seq2seq.vocabulary import Integers

COMING = "sequences of varying length, other encodings and other file formats are coming in a later version"


@dataclass(frozen=True)
class Columns:
    """The names of the source and the target column."""

    source: str
    target: str


@dataclass(frozen=True)
class Reject:
    """A row that cannot be used: where it stands (1-based), why, and the row itself as JSON."""

    file: str
    row: int
    reason: str
    content: str


@dataclass(frozen=True)
class RawPairs:
    """Rows of a file that passed, `(n, length) int64` a side, and those that did not."""

    source: Integers
    target: Integers
    rejects: list[Reject] = field(default_factory=list)

    @property
    def n_read(self) -> int:
        """Rows read: those that passed and those rejected."""
        return len(self.source) + len(self.rejects)


def check_pairs_file(path: Path, columns: Columns) -> None:
    """Reads no more than the file's footer and refuses what cannot be a file of pairs.

    Raises:
        DataError: the file is missing, empty, cut short, no Parquet, or its columns are missing or of
            another type than lists of integers.
    """
    with _open(path) as file:
        if file.metadata.num_rows == 0:
            raise DataError(f"{path} has no rows, expected pairs of sequences")
        for name in (columns.source, columns.target):
            _check_column(path, file.schema_arrow, name)


def _open(path: Path) -> pq.ParquetFile:
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; expected a Parquet file of pairs") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; expected a Parquet file of pairs") from error
    if path.is_dir():
        raise DataError(f"{path} is a folder, expected one Parquet file; {COMING}")
    if status.st_size == 0:
        raise DataError(f"{path} is empty (0 bytes), expected a Parquet file of pairs")
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(
            f"{path} cannot be read as Parquet, is it cut short or of another format? ({reason})"
        ) from error


def _check_column(path: Path, schema: pa.Schema, name: str) -> None:
    if schema.names.count(name) != 1:
        found = "twice" if name in schema.names else "not"
        raise DataError(
            f"{path}: column {name!r} is {found} there, expected once; the columns are "
            f"{', '.join(map(repr, schema.names))}; name yours with data.source and data.target"
        )
    kind = schema.field(name).type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not (is_list and pa.types.is_integer(kind.value_type)):
        raise DataError(f"{path}: column {name!r} is of type {kind}, expected a list of integers; {COMING}")


def read_raw_pairs(path: Path, columns: Columns, lengths: tuple[int, int] | None = None) -> RawPairs:
    """All rows of a file, checked.

    Args:
        path: a file that `check_pairs_file` accepts.
        columns: its two columns.
        lengths: of source and target sequences; None means the commonest of the file's sound rows.

    Returns:
        The rows whose sequences hold no nulls and are of these lengths, and the others as rejects:
        their reason is `source_null`, `source_null_inside`, `source_empty`, `source_length`, or the same for
        the target.

    Raises:
        DataError: as `check_pairs_file`; or the file changes or breaks off while it is read.
    """
    check_pairs_file(path, columns)
    before = path.stat()
    groups = [_to_lists(path, table, columns) for table in _row_groups(path, columns)]
    after = path.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise DataError(f"{path} changed while it was read; run again when its writer has finished")
    lengths = lengths or (_commonest_length(groups, 0, path), _commonest_length(groups, 1, path))
    sources, targets, rejects = [], [], []
    first_row = 1
    for pair in groups:
        reasons = _reasons(pair[0], lengths[0], "source")
        target_reasons = _reasons(pair[1], lengths[1], "target")
        reasons = np.where(reasons == "", target_reasons, reasons)
        good = pa.array(reasons == "")
        sources.append(_to_numpy(pair[0].filter(good), lengths[0]))
        targets.append(_to_numpy(pair[1].filter(good), lengths[1]))
        rejects += [
            Reject(
                path.name,
                first_row + int(i),
                str(reasons[i]),
                json.dumps({columns.source: pair[0][int(i)].as_py(), columns.target: pair[1][int(i)].as_py()}),
            )
            for i in np.flatnonzero(reasons != "")
        ]
        first_row += len(pair[0])
    return RawPairs(np.concatenate(sources), np.concatenate(targets), rejects)


def _row_groups(path: Path, columns: Columns) -> Iterator[pa.Table]:
    with _open(path) as file:
        for group in range(file.num_row_groups):
            try:
                yield file.read_row_group(group, columns=[columns.source, columns.target])
            except (pa.ArrowException, OSError) as error:
                reason = str(error).strip().splitlines()[0]
                raise DataError(f"{path} breaks off in row group {group + 1}: {reason}") from error


def _to_lists(path: Path, table: pa.Table, columns: Columns) -> tuple[pa.LargeListArray, pa.LargeListArray]:
    def lists(name: str) -> pa.LargeListArray:
        try:
            return table[name].cast(pa.large_list(pa.int64())).combine_chunks()
        except pa.ArrowInvalid as error:
            raise DataError(f"{path}: column {name!r} holds integers beyond 64 bits with sign: {error}") from error

    return lists(columns.source), lists(columns.target)


def _commonest_length(groups: list[tuple[pa.LargeListArray, pa.LargeListArray]], side: int, path: Path) -> int:
    lengths = np.concatenate(
        [pc.list_value_length(pair[side]).drop_null().to_numpy(zero_copy_only=False) for pair in groups]
    )
    lengths = lengths[lengths > 0]
    if not lengths.size:
        raise DataError(f"{path}: the {('source', 'target')[side]} column holds no sequence that is not empty")
    values, counts = np.unique(lengths, return_counts=True)
    return int(values[np.argmax(counts)])


def _reasons(lists: pa.LargeListArray, length: int, side: str) -> NDArray[np.str_]:
    """Why each row cannot be used, `(n,)`; empty where it can."""
    reasons = np.full(len(lists), "", dtype="<U24")
    lengths = pc.list_value_length(lists).fill_null(-1).to_numpy(zero_copy_only=False)
    reasons[lengths != length] = f"{side}_length"
    reasons[lengths == 0] = f"{side}_empty"
    null_values = pc.list_flatten(lists).is_null().to_numpy(zero_copy_only=False)
    rows = np.repeat(np.arange(len(lists)), np.maximum(lengths, 0))  # of each value that list_flatten gives
    reasons[rows[null_values]] = f"{side}_null_inside"
    reasons[lengths == -1] = f"{side}_null"
    return reasons


def _to_numpy(lists: pa.LargeListArray, length: int) -> Integers:
    values = pc.list_flatten(lists).to_numpy(zero_copy_only=False)
    integers: Integers = values.reshape(-1, length).astype(np.int64)
    return integers


def write_rejects(path: Path, rejects: list[Reject]) -> None:
    """Writes the rejects as Parquet; the file is there even if there are none."""
    schema = pa.schema([("file", pa.string()), ("row", pa.int64()), ("reason", pa.string()), ("content", pa.string())])
    pq.write_table(pa.Table.from_pylist([vars(reject) for reject in rejects], schema=schema), path)
