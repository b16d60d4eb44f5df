"""Columns of time stamps as whole numbers, see `tasks.seq2seq.data.time_axis`, and these as columns again."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types

from tasks.seq2seq.data.time_axis import Stamps, Step
from tasks.seq2seq.errors import DataError
from tasks.storage.artifacts.stamps import STAMP, TimeFacts, TimeKind, as_numbers
from tasks.storage.ingest.reasons import FINE, NULL, SKIPPED, TYPE, UTF8, ZONE, Reasons

_MONTH = r"^([0-9]{4}-[0-9]{2})$"
_INTEGERS = r"^[+-]?[0-9]{1,18}$"
_DATES_AS_NUMBERS = r"^(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])$"
_DATE = r"^[0-9]{4}-[0-9]{2}(-[0-9]{2})?$"


class TimeRead(NamedTuple):
    """Stamps of rows, `(n,)` each; 0 where there is none.

    stamps: as they are; of an hour that the clock shows twice, the first time.
    later: the second time; the same where there is one only.
    reasons: why some rows have no stamp.
    """

    stamps: Stamps
    later: Stamps
    reasons: Reasons


@dataclass
class Clock:
    """Reads the stamps of files, which are all of one kind, learned from the first.

    Args:
        form: how text is written, as strptime says it; None means ISO 8601.
        place: the zone that is set.
        column: the column, for messages.
        kind, zone: what was found, or is known.
    """

    form: str | None
    place: str | None
    column: str
    kind: TimeKind | None = None
    zone: str | None = field(default=None)

    def read(self, array: pa.ChunkedArray | pa.Array, path: str) -> TimeRead:
        """The stamps of a block.

        Raises:
            DataError: they are of another kind, or another zone, than those before.
        """
        array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        array = pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array
        reasons = np.where(array.is_null().to_numpy(zero_copy_only=False), NULL, FINE).astype(np.int8)
        if types.is_string(array.type) or types.is_large_string(array.type):
            array = self._of_text(array, reasons, path)
        elif types.is_date(array.type):
            self._learn("date", None, path)
            array = array.cast(STAMP, safe=False)
        elif types.is_integer(array.type):
            self._learn("number", None, path)
        elif types.is_null(array.type):
            array = array.cast(pa.int64())
        else:
            self._learn("stamp", array.type.tz, path)
        zone = getattr(array.type, "tz", None)
        if types.is_timestamp(array.type) and array.type.unit != "us":
            array = array.cast(pa.timestamp("us", zone), safe=False)
        if types.is_timestamp(array.type) and zone is None and self.place is not None and self.kind == "stamp":
            return self._of_place(array, reasons)
        stamps = as_numbers(array)
        return TimeRead(stamps, stamps, reasons)

    def _of_place(self, array: pa.Array, reasons: Reasons) -> TimeRead:
        """Stamps of a clock on the wall as points in time."""
        first, later = (
            pc.assume_timezone(array, self.place, ambiguous=which, nonexistent="earliest")
            for which in ("earliest", "latest")
        )
        is_skipped = as_numbers(pc.local_timestamp(first)) != as_numbers(array)
        reasons[is_skipped & (reasons == FINE)] = SKIPPED
        return TimeRead(as_numbers(first), as_numbers(later), reasons)

    def _learn(self, kind: TimeKind, zone: str | None, path: str) -> None:
        if self.kind is None:
            self.kind, self.zone = kind, self.place or zone
            return
        if {self.kind, kind} == {"date", "stamp"}:
            self.kind = "stamp"
        elif self.kind != kind:
            raise DataError(
                f"{path}: column {self.column!r} holds {_SPOKEN[kind]}, what was read before it {_SPOKEN[self.kind]}; "
                f"write time in one way"
            )
        if self.place is None and self.zone != zone and self.kind == "stamp":
            raise DataError(
                f"{path}: the stamps of column {self.column!r} are of {_named(zone)}, those read before of "
                f"{_named(self.zone)}; set data.time_zone to the place whose days are counted"
            )

    def _of_text(self, array: pa.Array, reasons: Reasons, path: str) -> pa.Array:
        text = _trimmed(array, reasons)
        text = pc.if_else(pc.equal(text, ""), pa.scalar(None, text.type), text)
        reasons[_mask(text.is_null()) & (reasons == FINE)] = NULL
        there = text.drop_null()
        if self.form is not None:
            self._learn("stamp" if re.search(r"%[HIMSTcXsDRr]", self.form) else "date", None, path)
            parsed = pc.strptime(text, format=self.form, unit="us", error_is_null=True)
        elif (
            self.kind in (None, "number") and len(there) and pc.all(pc.match_substring_regex(there, _INTEGERS)).as_py()
        ):
            if pc.all(pc.match_substring_regex(there, _DATES_AS_NUMBERS)).as_py():
                raise DataError(
                    f"{path}: column {self.column!r} holds numbers such as {there[0].as_py()!r}, which are dates; set "
                    f'data.time_format = "%Y%m%d"'
                )
            self._learn("number", None, path)
            parsed = text.cast(pa.int64())
        else:
            parsed = self._iso(text, there, reasons, path)
        reasons[_mask(parsed.is_null()) & (reasons == FINE)] = TYPE
        return parsed

    def _iso(self, text: pa.Array, there: pa.Array, reasons: Reasons, path: str) -> pa.Array:
        """Stamps as ISO 8601 writes them, with the zone or without; a month alone is its first day."""
        is_date = _all_match(there, _DATE)
        text = pc.replace_substring_regex(text, _MONTH, r"\1-01")
        for kind in (STAMP, pa.timestamp("us", "UTC")):
            try:
                parsed = text.cast(kind)
            except pa.ArrowInvalid:
                continue
            if len(there):
                self._learn("date" if is_date else "stamp", kind.tz, path)
            return parsed
        return self._one_by_one(text, reasons, path)

    def _one_by_one(self, text: pa.Array, reasons: Reasons, path: str) -> pa.Array:
        found = [_parsed(value) for value in text.to_pylist()]
        first = next((value for value in found if value is not None), None)
        if self.kind == "number" or first is None:
            return pa.nulls(len(text), pa.int64() if self.kind == "number" else STAMP)
        zone = "UTC" if first.tzinfo else None
        self._learn("stamp", zone, path)
        is_other = np.array([value is not None and (value.tzinfo is None) is (zone is not None) for value in found])
        reasons[is_other & (reasons == FINE)] = ZONE
        there = [None if value is None or other else value for value, other in zip(found, is_other, strict=True)]
        return pa.array(there, pa.timestamp("us", zone))

    def on_wall(self, stamps: Stamps) -> Stamps:
        """Points in time as the clock of the place shows them; the same where there is no zone."""
        if self.zone is None or self.kind != "stamp":
            return stamps
        return as_numbers(pc.local_timestamp(pa.array(stamps).cast(pa.timestamp("us", self.zone))))

    def facts(self, step: Step) -> TimeFacts:
        """What was found."""
        return TimeFacts(kind=self.kind or "number", zone=self.zone, step=str(step))


_SPOKEN = {"number": "plain numbers", "date": "dates", "stamp": "time stamps"}


def _named(zone: str | None) -> str:
    return "no zone" if zone is None else f"the zone {zone}"


def _parsed(value: str | None) -> datetime | None:
    try:
        found = None if value is None else datetime.fromisoformat(value)
    except ValueError:
        return None
    return found.astimezone(UTC) if found is not None and found.tzinfo else found


def _trimmed(array: pa.Array, reasons: Reasons) -> pa.Array:
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        texts = []
        for i, value in enumerate(array.cast(pa.large_binary(), safe=False).to_pylist()):
            try:
                texts.append(None if value is None else value.decode())
            except UnicodeDecodeError:
                reasons[i] = UTF8
                texts.append(None)
        array = pa.array(texts, pa.large_string())
    return pc.utf8_trim_whitespace(array.cast(pa.large_string()))


def _all_match(text: pa.Array, pattern: str) -> bool:
    """Whether there is text, and all of it is so."""
    return bool(len(text)) and bool(pc.all(pc.match_substring_regex(text, pattern)).as_py())


def _mask(found: pa.Array) -> NDArray[np.bool_]:
    masked: NDArray[np.bool_] = found.to_numpy(zero_copy_only=False)
    return masked
