"""Parquet: pages are read as they are wanted, in batches whose size the metadata foretells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.storage.files.inputs import InputFile
from tasks.storage.readers.blocks import BLOCK_BYTES, BLOCK_ROWS
from tasks.storage.readers.columnar import Columnar, without_dictionary

_SAMPLED_ROWS = 256
# INT96 is what Spark, Hive and Impala wrote times as. As nanoseconds, Arrow's own choice, dates before 1677 and after
# 2262 silently become others.
_TIMES: dict[str, Any] = {"coerce_int96_timestamp_unit": "us"}


class Parquet(Columnar):
    """The format."""

    name = "Parquet"
    suffixes = (".parquet",)
    signatures = (b"PAR1\x15",)

    def look(self, _file: InputFile, opened: pa.NativeFile) -> tuple[pa.Schema, bool]:
        """The footer's schema, and whether it counts any rows."""
        parquet = pq.ParquetFile(opened, **_TIMES)
        return parquet.schema_arrow, parquet.metadata.num_rows > 0

    def count(self, file: InputFile) -> int | None:
        """The rows of all row groups, by the footer."""
        with file.open_file() as opened:
            return int(pq.ParquetFile(opened).metadata.num_rows)

    def batches(self, opened: pa.NativeFile, names: list[str]) -> Iterator[pa.RecordBatch]:
        """Streams batches of some `BLOCK_BYTES`."""
        # Without pre_buffer, and with a buffer, pages are read as they are wanted, not whole row groups.
        parquet = pq.ParquetFile(opened, pre_buffer=False, buffer_size=2**20, page_checksum_verification=True, **_TIMES)
        n_rows = 0
        for batch in parquet.iter_batches(_batch_rows(parquet, names), columns=names, use_threads=False):
            n_rows += batch.num_rows
            yield batch
        if n_rows != parquet.metadata.num_rows:
            raise pa.ArrowInvalid(f"{parquet.metadata.num_rows} rows are announced, {n_rows} are there")


PARQUET = Parquet()


def _batch_rows(parquet: pq.ParquetFile, columns: list[str]) -> int:
    """How many rows are some `BLOCK_BYTES`, by a sample, and by how much larger the rows of other row groups are.

    What the metadata says of single columns is not asked: of a damaged footer it ends the process (pyarrow 26).
    """
    sample = next(parquet.iter_batches(_SAMPLED_ROWS, columns=columns, use_threads=False), None)
    row_bytes = 1.0 if sample is None else max(1.0, sum(map(_row_bytes, sample.columns)))
    groups = [parquet.metadata.row_group(i) for i in range(parquet.metadata.num_row_groups)]
    sizes = [group.total_byte_size / group.num_rows for group in groups if group.num_rows > 0]
    growth = max(sizes) / max(sizes[0], 1.0) if sizes else 1.0
    return max(1, min(BLOCK_ROWS, int(BLOCK_BYTES / (row_bytes * max(growth, 1.0)))))


def _row_bytes(column: pa.Array) -> float:
    """The bytes of a row; of a dictionary, which is as large with a few rows, what its values would take."""
    return float(without_dictionary(column).nbytes / max(len(column), 1))
