"""Rows that cannot be used: written as they come, counted by reason, and too many of them refused."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.seq2seq.errors import DataError
from tasks.storage.ingest.reasons import REASONS, Reasons
from tasks.storage.readers.arrow_columns import row_content
from tasks.storage.readers.blocks import Reject, RowBlock

_SCHEMA = pa.schema([("file", pa.string()), ("row", pa.int64()), ("reason", pa.string()), ("content", pa.string())])
_SETTING = pa.field("setting", pa.string())  # of a dataset: the key of `[data]` that the file was given by
_SHOWN = 200  # characters of a rejected row in an error


class Rejects:
    """The rejects of a dataset; `counts` and `first` tell of the rows since `start`."""

    def __init__(self, writer: pq.ParquetWriter) -> None:
        """Takes the open file; see `write_rejects`."""
        self._writer = writer
        self._setting = ""
        self.reasons: Counter[str] = Counter()
        self.first: Reject | None = None
        self.n_since_start = 0

    def start(self, setting: str) -> None:
        """Begins to count anew for `check_rate`, rows of files that were given by that key of `[data]`."""
        self.first, self.n_since_start, self._setting = None, 0, setting

    def add(self, rejects: Iterable[Reject], setting: str | None = None) -> None:
        """Takes in rejects, in order; of files that were given by another key, if one is named."""
        rejects = list(rejects)
        if not rejects:
            return
        self.first = self.first or rejects[0]
        self.n_since_start += len(rejects)
        self.reasons.update(reject.reason for reject in rejects)
        beside = {_SETTING.name: self._setting if setting is None else setting}
        rows = [{**vars(reject), **beside} for reject in rejects]
        self._writer.write_table(pa.Table.from_pylist(rows, schema=self._writer.schema))

    def add_block(self, file: str, block: RowBlock, reasons: Reasons, sides: Callable[[int], str]) -> None:
        """Takes in what cannot be used of a block: what its format could not give, and rows with a reason.

        Args:
            file: the file's name.
            block: as a reader gives it.
            reasons: why each row of its table cannot be used, `(n,)`; 0 where it can.
            sides: the side that a row of the table is rejected for.
        """
        shown = block.table if block.kept is None else block.kept
        found = [
            Reject(
                file,
                int(block.rows[i]),
                f"{sides(i)}_{REASONS[reasons[i]]}",
                row_content(shown.column_names, shown.columns, i),
            )
            for i in np.flatnonzero(reasons).tolist()
        ]
        self.add(sorted([*block.rejects, *found], key=lambda reject: reject.row))

    def check_rate(self, where: Path, n_read: int, limit: float) -> None:
        """Refuses files of which too many rows cannot be used.

        Raises:
            DataError: with the first of them, and what to do.
        """
        if self.first is None or (self.n_since_start <= limit * n_read and self.n_since_start < n_read):
            return
        raise DataError(
            f"{where}: {self.n_since_start} of {n_read} rows cannot be used, the first is row {self.first.row} of "
            f"{self.first.file} ({self.first.reason}: {self.first.content[:_SHOWN]}); mend the rows, change what the "
            f"data settings accept, or allow a share of them to be left out with data.max_reject_rate (it is "
            f"{limit:g}; all reasons: {dict(self.reasons)})"
        )


@contextlib.contextmanager
def write_rejects(path: Path, *, of_dataset: bool = False) -> Iterator[Rejects]:
    """Writes rejects as Parquet; the file is there even if there are none. Those of a dataset say their `setting`."""
    with pq.ParquetWriter(path, _SCHEMA.insert(0, _SETTING) if of_dataset else _SCHEMA) as writer:
        yield Rejects(writer)
