"""The picture of a file's encoder states: a sample of the rows that pass by, drawn at the end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from tasks.reporting.projection import EvenSample, find_colours, principal_components

MOST_POINTS = 4_000
MOST_NUMBERS = 4_000_000  # of all states that are shown: wide ones are fewer


class SampledStates:
    """The states of at most `MOST_POINTS` rows, evenly taken, and the column that colours them; one table at least."""

    def __init__(self, column: str) -> None:
        """Takes the column's name."""
        self._column = column
        self._rows: EvenSample | None = None
        self._sample = pa.table({})

    def add(self, table: pa.Table) -> None:
        """Takes in some rows of an output."""
        if self._rows is None:
            width = table.schema.field("encoder_state").type.list_size
            self._rows = EvenSample(max(2, min(MOST_POINTS, MOST_NUMBERS // width)))
        rows = table.select(dict.fromkeys(["encoder_state", self._column])).take(self._rows.add(len(table)))
        self._sample = pa.concat_tables([self._sample, rows]) if self._sample.num_columns else rows
        while self._rows.thin():
            self._sample = self._sample.take(np.arange(0, len(self._sample), 2))

    def draw(self) -> bytes:
        """The picture as PNG."""
        from tasks.reporting import figures  # noqa: PLC0415 - matplotlib takes a second

        assert self._rows is not None
        states = self._sample["encoder_state"].combine_chunks()
        rows = states.flatten().to_numpy(zero_copy_only=False).reshape(len(states), states.type.list_size)
        colours = find_colours(self._values())
        return figures.states(principal_components(rows), colours, self._column, self._rows.seen)

    def _values(self) -> list[Any]:
        try:
            values: list[Any] = self._sample[self._column].to_pylist()
        except (ValueError, OverflowError) as error:  # times beyond, or finer than, what Python has
            error.add_note(f"column {self._column!r}, which colours the picture")
            raise
        return values
