"""Parquet: pages are read as they are wanted, in batches whose size the metadata foretells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from tasks.seq2seq.errors import DataError
from tasks.storage.files.inputs import InputFile
from tasks.storage.files.limits import GROUP_VALUES, ROW_BYTES, VALUES_A_BYTE
from tasks.storage.readers.blocks import BLOCK_BYTES, BLOCK_ROWS, Layout, check_announced, too_large
from tasks.storage.readers.column_sizes import row_sizes
from tasks.storage.readers.columnar import Columnar, no_text, without_dictionary
from tasks.storage.readers.parquet_footer import check_footer
from tasks.storage.readers.parquet_pages import check_pages
from tasks.storage.readers.spans import Span, spans_of_groups

_SAMPLED_ROWS = 256
_MOST_BYTES = 256 * 2**20  # of a batch of which every text is the longest of its dictionary
# INT96 is what Spark, Hive and Impala wrote times as. As nanoseconds, Arrow's own choice, dates before 1677 and after
# 2262 silently become others.
_TIMES: dict[str, Any] = {"coerce_int96_timestamp_unit": "us"}


class Parquet(Columnar):
    """The format."""

    name = "Parquet"
    suffixes = (".parquet",)
    signatures = (b"PAR1\x15",)

    def look(self, file: InputFile, opened: pa.NativeFile) -> tuple[pa.Schema, bool]:
        """The footer's schema, and whether it counts any rows."""
        parquet = pq.ParquetFile(opened, **_TIMES)
        check_announced(file.path, parquet.metadata.num_rows, file.size)
        check_footer(opened, parquet.schema)
        return parquet.schema_arrow, parquet.metadata.num_rows > 0

    def count(self, file: InputFile) -> int | None:
        """The rows of all row groups, by the footer."""
        with file.open_file() as opened:
            try:
                return int(pq.ParquetFile(opened).metadata.num_rows)
            except UnicodeDecodeError as error:
                raise no_text(file, "a column", error) from error

    def spans(self, file: InputFile, _layout: Layout, rows: int) -> list[Span]:
        """Row groups, of which many small ones go together and a large one is cut."""
        with file.open_file() as opened:
            metadata = pq.ParquetFile(opened).metadata
            return spans_of_groups([metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)], rows)

    def batches(self, opened: pa.NativeFile, names: list[str], span: Span | None = None) -> Iterator[pa.RecordBatch]:
        """Streams batches of some `BLOCK_BYTES`."""
        # Without pre_buffer, and with a buffer, pages are read as they are wanted, not whole row groups.
        parquet = pq.ParquetFile(opened, pre_buffer=False, buffer_size=2**20, page_checksum_verification=True, **_TIMES)
        check_footer(opened, parquet.schema)
        groups, first, end = _groups_of(parquet.metadata, span)
        check_pages(opened, parquet.metadata, groups, set(names))
        n_rows = 0
        size = _batch_rows(opened, parquet, names)
        for batch in parquet.iter_batches(size, row_groups=groups, columns=names, use_threads=False):
            here, n_rows = n_rows, n_rows + batch.num_rows
            if n_rows > first:
                yield batch.slice(max(0, first - here), end - max(here, first))
            if n_rows >= end and span:
                return
        if n_rows != end:
            raise pa.ArrowInvalid(f"{end} rows are announced, {n_rows} are there")


PARQUET = Parquet()


def _groups_of(metadata: pq.FileMetaData, span: Span | None) -> tuple[list[int], int, int]:
    """The row groups that a span lies in, all without one; and where it begins and ends, counted from their first."""
    ends = np.cumsum([metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)], dtype=np.int64)
    if span is None:
        return [*range(len(ends))], 0, metadata.num_rows
    groups = [*range(int(np.searchsorted(ends, span.first, "right")), int(np.searchsorted(ends, span.end)) + 1)]
    before = int(ends[groups[0] - 1]) if groups[0] else 0
    return groups, span.first - before, span.end - before


def _batch_rows(opened: pa.NativeFile, parquet: pq.ParquetFile, columns: list[str]) -> int:
    """How many rows are some `BLOCK_BYTES`, by the metadata and, as dictionaries hide sizes, by a sample.

    Raises:
        DataError: a row group says of itself that it holds what no row may.
    """
    metadata, wanted = parquet.metadata, set(columns)
    row_bytes = (
        float(
            sum(
                leaf.length
                for leaf in map(parquet.schema.column, range(len(parquet.schema)))
                if leaf.physical_type == "FIXED_LEN_BYTE_ARRAY" and leaf.path.split(".")[0] in wanted
            )
        )
        or 1.0
    )
    if row_bytes > ROW_BYTES:
        raise DataError(f"it holds {too_large('values', int(row_bytes))}; leave such columns out")
    for i in range(metadata.num_row_groups):
        group = metadata.row_group(i)
        leaves = [group.column(j) for j in range(group.num_columns)]
        chunks = [leaf for leaf in leaves if leaf.path_in_schema.split(".")[0] in wanted]
        _check_chunks(f"row group {i + 1}", group.num_rows, chunks)
        row_bytes = max(row_bytes, sum(leaf.total_uncompressed_size for leaf in chunks) / max(group.num_rows, 1))
    row_bytes = max(row_bytes, _longest_of_dictionaries(opened, metadata, wanted, BLOCK_BYTES / row_bytes))
    n_sampled = max(1, min(_SAMPLED_ROWS, int(BLOCK_BYTES / row_bytes)))
    sample = next(parquet.iter_batches(n_sampled, columns=columns, use_threads=False), None)
    if sample is not None:
        row_bytes = max(row_bytes, sum(map(_row_bytes, sample.columns)))
    return max(1, min(BLOCK_ROWS, int(BLOCK_BYTES / row_bytes)))


def _check_chunks(where: str, n_rows: int, chunks: list[Any]) -> None:
    """Refuses columns of a row group whose rows are too large all together, or that a few bytes say too much of."""
    size = sum(chunk.total_uncompressed_size for chunk in chunks)
    n_values = max((chunk.num_values for chunk in chunks), default=0)
    if size > ROW_BYTES * max(n_rows, 1):
        raise DataError(f"{where} holds {too_large(f'{n_rows:,} rows', size)} each; leave such rows out")
    if n_values > GROUP_VALUES + VALUES_A_BYTE * size:
        raise DataError(
            f"{where} announces {n_values:,} values in {size:,} bytes, and the most that may be in so many are "
            f"{GROUP_VALUES + VALUES_A_BYTE * size:,}; make or copy it again"
        )


def _longest_of_dictionaries(opened: pa.NativeFile, metadata: Any, wanted: set[str], n_rows: float) -> float:  # noqa: ANN401
    """The bytes of a row if each of its texts is the longest of a dictionary; 0 where no dictionary can be that large.

    A dictionary is written once however many rows are of its values: a few rows of it may not say what others are.

    Raises:
        DataError: a value is larger than a row may be.
    """
    longest = 0
    for i in range(metadata.num_row_groups):
        group = metadata.row_group(i)
        most = min(n_rows, group.num_rows)
        names = [name for j in range(group.num_columns) if (name := _dictionary_name(group.column(j), wanted, most))]
        if not names:
            continue
        parquet = pq.ParquetFile(opened, pre_buffer=False, read_dictionary=names, **_TIMES)
        columns = sorted({name.split(".")[0] for name in names})
        first = next(parquet.iter_batches(1, row_groups=[i], columns=columns, use_threads=False), None)
        row = sum(map(_longest, first.columns)) if first is not None else 0
        if row > ROW_BYTES:
            raise DataError(f"row group {i + 1} holds {too_large('a value', row)}; leave such rows out")
        longest = max(longest, row)
    return float(longest)


def _dictionary_name(chunk: Any, wanted: set[str], n_rows: float) -> str:  # noqa: ANN401 - pyarrow has no types
    """The path of a column of texts whose dictionary could make rows large; empty of others."""
    path: str = chunk.path_in_schema
    is_large = chunk.has_dictionary_page and chunk.physical_type == "BYTE_ARRAY"
    is_large = is_large and chunk.total_uncompressed_size * n_rows > _MOST_BYTES
    return path if is_large and path.split(".", maxsplit=1)[0] in wanted else ""


def _longest(column: pa.Array) -> int:
    """The bytes of the longest value of a dictionary, however deep inside a column."""
    if types.is_dictionary(column.type):
        return int(row_sizes(column.dictionary).max(initial=0))
    inner = column.flatten() if types.is_nested(column.type) and not types.is_map(column.type) else []
    return sum(map(_longest, inner if isinstance(inner, list) else [inner]))


def _row_bytes(column: pa.Array) -> float:
    """The bytes of a row; of a dictionary, which is as large with a few rows, what its values would take."""
    return float(without_dictionary(column).nbytes / max(len(column), 1))
