"""What a model knows of the series that it was trained on, and what is done with one that it does not know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.seq2seq.data.windows import Levels, SeriesSteps, measure_levels
from tasks.storage.artifacts.series_facts import read_series_facts
from tasks.storage.artifacts.stamps import TimeFacts
from tasks.storage.artifacts.stored_series import list_matrix, numbers_by_ids


@dataclass(frozen=True)
class KnownSeries:
    """The series of training, by their ids.

    time: what their stamps are; None where none were read.
    table: a row a series, see `tasks.storage.artifacts.stored_series`.
    categories: the values of each column of `data.static_categories`, in the order of their features.
    """

    time: TimeFacts | None
    table: pa.Table
    categories: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> KnownSeries | None:
        """What a dataset or a bundle says; None where it is not of series.

        Raises:
            ArtifactError: as of `read_series_facts`.
        """
        found = read_series_facts(folder)
        return None if found is None else cls(*found)

    @cached_property
    def _rows(self) -> dict[tuple[str, ...], int]:
        """The row of each series of training, by its ids; of one that validation and test have too, its first."""
        columns = [self.table[name].to_pylist() for name in self.table.column_names if name.startswith("id.")]
        found: dict[tuple[str, ...], int] = {}
        for row, ids in enumerate(zip(*columns, strict=True)):
            found.setdefault(ids, row)
        return found

    def numbers_of(self, ids: Sequence[tuple[str, ...]]) -> NDArray[np.int64]:
        """The number by which the model knows each series, `(series,)`; 0 of a new one."""
        known = numbers_by_ids(self.table)
        return np.array([known.get(one, 0) for one in ids], np.int64)

    def levels_of(self, ids: Sequence[tuple[str, ...]], steps: SeriesSteps) -> tuple[Levels, Levels]:
        """Mean and deviation of each series: those of training, or of a new one those of all its steps.

        Args:
            ids: of each series, `(series,)`; none where each file is a series.
            steps: of these series.
        """
        rows = np.array([self._rows.get(one, -1) if one else -1 for one in ids], np.int64)
        source, target = (self._levels(side, rows, steps) for side in ("source", "target"))
        return source, target

    def _levels(self, side: str, rows: NDArray[np.int64], steps: SeriesSteps) -> Levels:
        own = measure_levels(getattr(steps, side), steps.series_of(np.arange(len(steps))), len(rows))
        is_known = rows >= 0
        for name, result in (("mean", own.centre), ("scale", own.scale)):
            result[is_known] = list_matrix(self.table[f"{side}_{name}"])[rows[is_known]]
        return own
