"""The stamps of series as columns: what they are of, and how numbers on their axis become dates and times again."""

from __future__ import annotations

from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, field_validator

from tasks.seq2seq.data.time_axis import Stamps, Step
from tasks.seq2seq.shown import shown

STAMP = pa.timestamp("us")
TimeKind = Literal["number", "date", "stamp"]


class TimeFacts(BaseModel):
    """What the stamps of series are, as training found them.

    kind: plain numbers, dates, or dates with a time. zone: the place whose clock they show, or are counted by.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: TimeKind
    zone: str | None
    step: str

    @field_validator("step")
    @classmethod
    def _is_step(cls, step: str) -> str:
        Step.parse(step)
        return step

    @field_validator("zone")
    @classmethod
    def _is_zone(cls, zone: str | None) -> str | None:
        if zone is not None:
            try:
                pc.local_timestamp(pa.array([0]).cast(pa.timestamp("us", zone)))
            except (pa.ArrowException, UnicodeError) as error:
                message = f"{shown(zone, 60)} is not a time zone that is known here"
                raise ValueError(message) from error
        return zone

    @property
    def axis(self) -> Step:
        """The step."""
        return Step.parse(self.step)


def as_numbers(array: pa.Array) -> Stamps:
    """The numbers of a column of stamps or integers; 0 in place of nulls."""
    numbers = array.cast(pa.int64(), safe=False)
    result: Stamps = (numbers.fill_null(0) if numbers.null_count else numbers).to_numpy(zero_copy_only=False)
    return result


def wall_clock(stamps: Stamps, time: TimeFacts) -> Stamps:
    """Stamps on the axis of a step as the clock of the place shows them."""
    if time.kind != "stamp" or time.zone is None or time.axis.is_of_clock:
        return stamps
    return as_numbers(pc.local_timestamp(pa.array(stamps).cast(pa.timestamp("us", time.zone))))


def stamp_type(time: TimeFacts) -> pa.DataType:
    """The type of a column of stamps."""
    if time.kind == "number":
        return pa.int64()
    return pa.date32() if time.kind == "date" and time.axis.is_of_clock else pa.timestamp("us", time.zone)


def to_stamps(stamps: Stamps, time: TimeFacts) -> pa.Array:
    """Stamps on the axis of a step as a column of `stamp_type`."""
    numbers, kind = pa.array(stamps), stamp_type(time)
    if time.kind == "number":
        return numbers
    if time.zone is not None and time.axis.is_of_clock and kind != pa.date32():
        return pc.assume_timezone(numbers.cast(STAMP), time.zone, ambiguous="earliest", nonexistent="latest")
    return numbers.cast(STAMP).cast(kind) if kind == pa.date32() else numbers.cast(kind)
