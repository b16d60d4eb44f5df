"""What is counted of a chunk of predicted rows; the counts of chunks add up to those of a file, and of a run."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, NonNegativeInt

from tasks.seq2seq.metrics.accumulators import TokenCounts, VectorCounts
from tasks.seq2seq.monitoring.drift import DayProfile

Scored = TokenCounts | VectorCounts | None


class Tally(BaseModel):
    """Of predicted rows; what does not apply to a model, or was not there to be counted, is None.

    rows: predictions.
    scored: of the rows that came with a usable target, how right they are.
    reached_limit: predictions of tokens that were cut off, as they did not end by themselves.
    rows_with_unknown: rows with source symbols that training has not seen.
    rows_outside_range: rows with source values far outside the training range.
    day: what is held against the training data.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: NonNegativeInt
    scored: Scored
    reached_limit: NonNegativeInt | None
    rows_with_unknown: NonNegativeInt | None
    rows_outside_range: NonNegativeInt | None
    day: DayProfile

    def __add__(self, other: Self) -> Self:
        """What both counted."""
        return type(self)(
            rows=self.rows + other.rows,
            scored=add_scored(self.scored, other.scored),
            reached_limit=_added(self.reached_limit, other.reached_limit),
            rows_with_unknown=_added(self.rows_with_unknown, other.rows_with_unknown),
            rows_outside_range=_added(self.rows_outside_range, other.rows_outside_range),
            day=self.day + other.day,
        )


def _added(one: int | None, other: int | None) -> int | None:
    return one if other is None else other if one is None else one + other


def add_scored(one: Scored, other: Scored) -> Scored:
    """Scores of both, where there are any."""
    if one is None or other is None:
        return one or other
    return one + other  # type: ignore[operator] # of one model, hence of one kind
