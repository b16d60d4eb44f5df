"""Parquet files of artifacts: opened with what may be wrong with one told as the artifact's fault."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.seq2seq.errors import ArtifactError
from tasks.seq2seq.shown import shown
from tasks.storage.readers.parquet_footer import check_footer

_SHOWN = 200


@contextlib.contextmanager
def opened_parquet(path: Path) -> Iterator[pq.ParquetFile]:
    """A Parquet file of the store, to be read inside of the block.

    Raises:
        ArtifactError: it cannot be opened, or what is read of it inside of the block is damaged.
    """
    try:
        with pa.OSFile(str(path)) as raw, pq.ParquetFile(raw) as file:
            check_footer(raw, file.schema)
            yield file
    except (pa.ArrowException, OSError, UnicodeDecodeError, KeyError) as error:
        raise ArtifactError(
            f"{path} cannot be read: {shown(error, _SHOWN)}; make it again, or bring it back"
        ) from error


def read_parquet(path: Path, columns: list[str] | None = None) -> pa.Table:
    """All of a Parquet file of the store, by one thread.

    Raises:
        ArtifactError: as of `opened_parquet`.
    """
    with opened_parquet(path) as file:
        return file.read(columns=columns, use_threads=False)
