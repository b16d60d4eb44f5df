"""Rows of series that are set aside while files are read, in buckets by series, so that one is enough at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from tasks.seq2seq.errors import ArtifactError
from tasks.storage.files.digested import DigestedFile
from tasks.storage.files.digests import file_digest
from tasks.storage.ingest.series_reading import StepRows

BUCKET_ROWS = 1_000_000  # about
MOST_BUCKETS = 128  # files that are open at once


def n_buckets(rows: int) -> int:
    """How many buckets so many rows are put into."""
    return min(MOST_BUCKETS, max(1, -(-rows // BUCKET_ROWS)))


class StagedSteps:
    """The buckets: in memory where there is one, else a file of Arrow batches each; `close` removes these."""

    def __init__(self, folder: Path, buckets: int) -> None:
        """Takes the folder for the files, and how many there are."""
        self._n = buckets
        self._held: list[StepRows] = []
        self._paths = [folder / f"staged-{i}.arrow" for i in range(buckets)]
        self._files: dict[int, DigestedFile] = {}
        self._writers: dict[int, pa.RecordBatchFileWriter] = {}

    def add(self, rows: StepRows) -> None:
        """Sets rows aside."""
        if not len(rows.series):
            return
        if self._n == 1:
            self._held.append(rows)
            return
        bucket = rows.series % self._n
        order = np.argsort(bucket, kind="stable")
        ends = np.cumsum(np.bincount(bucket, minlength=self._n))
        for i, chosen in enumerate(np.split(order, ends[:-1])):
            if len(chosen):
                self._write(i, rows.take(chosen))

    def _write(self, i: int, rows: StepRows) -> None:
        columns = rows.columns
        batch = pa.record_batch([pa.array(column) for column in columns], names=[str(j) for j in range(len(columns))])
        if i not in self._writers:
            self._files[i] = DigestedFile(self._paths[i], hashlib.sha256())
            self._writers[i] = pa.ipc.new_file(self._files[i], batch.schema)
        self._writers[i].write_batch(batch)

    def finish(self) -> None:
        """Closes the files, once all rows were added."""
        for i in self._writers:
            self._writers[i].close()
            self._files[i].close()

    def buckets(self) -> Iterator[StepRows]:
        """The rows of each bucket that has some, in the order in which they came; as often as asked for.

        Raises:
            ArtifactError: the disk gives back something else than was written.
        """
        if self._held:
            self._held = [StepRows.concatenate(self._held)]
            yield self._held[0]
        for i in sorted(self._writers):
            if file_digest(self._paths[i]) != self._files[i].digest.hexdigest():
                raise ArtifactError(
                    f"{self._paths[i]} was cut or altered after it was written: its digest does not fit; run the same "
                    f"command again, and have a look at the disk if this comes back"
                )
            with pa.OSFile(str(self._paths[i])) as source:
                table = pa.ipc.open_file(source).read_all()
            yield StepRows.of_columns([column.to_numpy() for column in table.columns])

    def close(self) -> None:
        """Removes the files."""
        self._held = []
        for i in self._writers:
            self._paths[i].unlink()
