"""Rows that cannot be used: written as they come, counted by reason, and too many of them refused."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.data import FilesData
from tasks.seq2seq.settings.where import Where
from tasks.storage.ingest.dialect_advice import advise_dialect
from tasks.storage.ingest.encoding_advice import advise_encodings
from tasks.storage.ingest.reasons import REASONS, TYPE, Reasons
from tasks.storage.ingest.reject_table import SHOWN_ROWS, count_reasons, cut, reject_table
from tasks.storage.readers.arrow_columns import row_content
from tasks.storage.readers.blocks import Reject, RowBlock

_SCHEMA = pa.schema([("file", pa.string()), ("row", pa.int64()), ("reason", pa.string()), ("content", pa.string())])
_KEPT = 10_000  # characters of a row that is remembered for a refusal
_SHOWN_CONTENT = 200  # characters of a row that is read again
_LOOKED_AT = 50  # rows that say what a column looks like
_MOST = 0.5  # share of rows that a wrong encoding rejects; fewer are faults of their own
_WHAT_TO_DO = (
    "mend the rows, change what the data settings accept, or let a share of them be left out with data.max_reject_rate"
)
_TYPE = f"_{REASONS[TYPE]}"
_GROUP_ROWS, _GROUP_BYTES = 1_000, 4 * 2**20  # of the file's row groups; how the rows came makes no difference
_SETTING = pa.field("setting", pa.string())  # of a dataset: the key of `[data]` that the file was given by


@dataclass
class _Tally:
    """What a refusal tells of the files of one setting: the first rejects, those of a wrong type, all reasons."""

    first: list[Reject] = field(default_factory=list)
    by_type: list[Reject] = field(default_factory=list)
    by_reason: dict[str, list[Reject]] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    remark: str = ""

    def add(self, rejects: list[Reject]) -> None:
        """Counts some, and remembers the first, and the first that their type keeps from being read."""
        self.reasons.update(reject.reason for reject in rejects)
        for one in rejects[: SHOWN_ROWS - len(self.first)]:
            self.first.append(replace(one, content=one.content[:_KEPT]))
        for one in rejects:
            kept = self.by_reason.setdefault(one.reason, [])
            if len(kept) < SHOWN_ROWS:
                kept.append(replace(one, content=one.content[:_KEPT]))
        wanted = _LOOKED_AT - len(self.by_type)
        short = (one for one in rejects if one.reason.endswith(_TYPE) and len(one.content) <= _KEPT)
        self.by_type += itertools.islice(short, wanted)


class Rejects:
    """The rejects of a dataset; what a refusal tells is of the files of one setting, see `start`."""

    def __init__(self, writer: pq.ParquetWriter) -> None:
        """Takes the open file; see `write_rejects`."""
        self._writer = writer
        self._waiting: list[dict[str, Any]] = []
        self._n_bytes = 0  # of what waits
        self._setting = ""
        self._tallies: dict[str, _Tally] = {}
        self.reasons: Counter[str] = Counter()

    def start(self, setting: str) -> None:
        """Turns to files that were given by that key of `[data]`, for all that is said and checked from now on."""
        self._setting = setting

    @property
    def _tally(self) -> _Tally:
        return self._tally_of(self._setting)

    def _tally_of(self, setting: str) -> _Tally:
        return self._tallies.setdefault(setting, _Tally())

    @property
    def n_of_setting(self) -> int:
        """How many there are of the files of this setting."""
        return self._tally.reasons.total()

    @property
    def has_remark(self) -> bool:
        """Whether something was remarked on the files of this setting."""
        return bool(self._tally.remark)

    def remark(self, said: str) -> None:
        """Has a refusal add a line."""
        self._tally.remark = said

    def add(self, rejects: Iterable[Reject], setting: str | None = None) -> None:
        """Takes in rejects, in order; of files that were given by another key, if one is named."""
        rejects, key = list(rejects), self._setting if setting is None else setting
        if not rejects:
            return
        self._tally_of(key).add(rejects)
        self.reasons.update(reject.reason for reject in rejects)
        beside = {_SETTING.name: key}
        for reject in rejects:
            self._waiting.append({**vars(reject), **beside})
            self._n_bytes += len(reject.content)
            if len(self._waiting) >= _GROUP_ROWS or self._n_bytes >= _GROUP_BYTES:
                self.flush()

    def flush(self) -> None:
        """Writes what waits for others to be written with."""
        if self._waiting:
            self._writer.write_table(pa.Table.from_pylist(self._waiting, schema=self._writer.schema))
        self._waiting, self._n_bytes = [], 0

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

    def check_rate(self, where: Where, n_read: int, data: FilesData) -> None:
        """Refuses files of which too many rows cannot be used.

        Raises:
            DataError: how many, a table of the first, all reasons, and what to do.
        """
        n, limit = self.n_of_setting, data.max_reject_rate
        if not n or (n <= limit * n_read and n < n_read):
            return
        lines = [
            f"{where}: {n:,} of {n_read:,} rows cannot be used, data.max_reject_rate is {limit:g}",
            *self.table(),
            *self._advice(n_read, data),
            _WHAT_TO_DO,
        ]
        raise DataError("\n".join(lines))

    def table(self) -> list[str]:
        """Lines that tell a person of the rejects of this setting: the first, and all reasons with their counts."""
        return [*reject_table(self._tally.first, self.n_of_setting), f"reasons: {count_reasons(self._tally.reasons)}"]

    def _advice(self, n_read: int, data: FilesData) -> list[str]:
        """What settings would read such rows: a line each, or several."""
        tally = self._tally
        by_type = sum(n for reason, n in tally.reasons.items() if reason.endswith(_TYPE))
        is_most = by_type >= _MOST * n_read
        remarks = [tally.remark] if tally.remark else []
        return [*remarks, *self.dialect_advice("data."), *(advise_encodings(tally.by_type, data) if is_most else [])]

    def dialect_advice(self, prefix: str) -> list[str]:
        """Lines that name settings which would read some of the rejects of this setting; see `dialect_advice`."""
        return advise_dialect(itertools.chain.from_iterable(self._tally.by_reason.values()), prefix)


@contextlib.contextmanager
def write_rejects(path: Path, *, of_dataset: bool = False) -> Iterator[Rejects]:
    """Writes rejects as Parquet; the file is there even if there are none. Those of a dataset say their `setting`."""
    with pq.ParquetWriter(path, _SCHEMA.insert(0, _SETTING) if of_dataset else _SCHEMA) as writer:
        rejects = Rejects(writer)
        yield rejects
        rejects.flush()


def read_rejects(path: Path) -> Iterator[list[Reject]]:
    """Streams what `write_rejects` wrote, of no dataset, some rows at a time."""
    with pq.ParquetFile(path) as file:
        for i in range(file.num_row_groups):
            yield [Reject(**row) for row in file.read_row_group(i).to_pylist()]


def read_first_rejects(path: Path) -> list[dict[str, Any]]:
    """The first rows of what `write_rejects` wrote, as many as a table shows; their content cut."""
    with pq.ParquetFile(path) as file:
        first = next(file.iter_batches(SHOWN_ROWS), None)
    rows = [] if first is None else first.to_pylist()
    return [{**row, "content": cut(row["content"], _SHOWN_CONTENT)} for row in rows]
