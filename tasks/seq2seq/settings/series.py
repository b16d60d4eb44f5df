"""The settings of `[data]` that are of series: their time, which series there are, how they are cut into windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from tasks.seq2seq.data.calendar import CALENDAR
from tasks.seq2seq.data.time_axis import Step
from tasks.seq2seq.data.timelines import AGGREGATES, FILLS
from tasks.seq2seq.settings.section import ColumnNames, Section

if TYPE_CHECKING:
    AggregateName = str
    FillName = str
    CalendarName = str
else:
    AggregateName = Literal["reject", *AGGREGATES]
    FillName = Literal[*FILLS]
    CalendarName = Literal[*CALENDAR]


class SeriesSettings(Section):
    """What makes the rows of files the time steps of series."""

    history: int | None = Field(
        None,
        ge=1,
        description="cuts a series, one row a time step, into windows: time steps of each source",
    )
    horizon: int | None = Field(None, ge=1, description="time steps of each target, those after the source's")
    stride: int = Field(1, ge=1, description="time steps from one window to the next")
    season: int | None = Field(
        None,
        ge=1,
        description="time steps of a season, for the seasonal forecast and MASE (by data.time: 24 hours, 7 days, 52 "
        "weeks, 12 months, 4 quarters; else 1, and no seasonal forecast)",
    )
    relative_to_last: bool = Field(
        False,
        description="learn a series of vectors as differences from the last step of each window's source, so that a "
        "trend may lead beyond the range of training",
    )
    time: str | int | None = Field(
        None,
        description="of a series: the column of time stamps, dates or plain numbers, by which rows are sorted and gaps "
        "found (none: rows are in order and evenly spaced)",
    )
    time_format: str | None = Field(
        None,
        min_length=1,
        description='how text of data.time is written, as strptime says it, such as "%d.%m.%Y" (ISO 8601)',
    )
    time_zone: str | None = Field(
        None,
        description="the place whose clock data.time shows, such as Europe/Berlin, where its stamps have no zone; of "
        "stamps that have one, the place whose days and months are counted (none, and that of the stamps)",
    )
    step: str | None = Field(
        None,
        description="time from one stamp to the next, such as 15min, 1h, 1d, 1w, 1mo, 1q, 1y, or a number (the "
        "commonest)",
    )
    duplicates_at: AggregateName = Field(
        "reject",
        description="what becomes of rows of one series that have one stamp: all but the first are rejected, or all "
        "become one step",
    )
    gaps: Literal["split", "fill"] = Field(
        "split",
        description="where time steps are missing: no window goes across, or up to data.history of them are filled, "
        "marked to the model and never forecast",
    )
    fill: FillName | None = Field(
        None, description="with data.gaps fill: the value before, a line between both, or 0 (previous)"
    )
    wide: bool = Field(
        False,
        description="whether each row of the files is a whole series: each column that no other setting names is a "
        "time step, and its name is the stamp; data.time and data.source say what stamps and values are called",
    )
    start: str | None = Field(
        None,
        description="of wide files whose columns are not named by stamps: the column with the stamp of the first of "
        "them; the others follow, one data.step after the other",
    )
    series: ColumnNames | None = Field(
        None,
        description="column that says which series a row is of, or several, as a list or with commas between; of "
        "all files together (each file is a series)",
    )
    scale: Literal["global", "series", "window"] = Field(
        "global",
        description="what values are measured by: all series alike, each by its own mean and deviation in training, or "
        "each window by those of its history",
    )
    known: ColumnNames | None = Field(
        None,
        description="columns of numbers that are known ahead, such as prices or plans: the decoder is given them at "
        "each step of the horizon",
    )
    calendar: tuple[CalendarName, ...] = Field(
        (),
        description="what data.time says that the model is given, as sine and cosine: "
        + ", ".join(f"{name} {feature.description}" for name, feature in CALENDAR.items()),
    )
    static: ColumnNames | None = Field(
        None, description="columns of numbers that are the same for all steps of a series, such as a size"
    )
    static_categories: ColumnNames | None = Field(
        None,
        description="columns of text, or of numbers that stand for kinds, that are the same for all steps of a series, "
        "such as a region: a series has 1 or 0 of each value that training has seen",
    )

    @field_validator("step")
    @classmethod
    def _is_a_step(cls, step: str | None) -> str | None:
        return None if step is None else str(Step.parse(step))

    @property
    def is_series(self) -> bool:
        """Whether a row is a time step of a series, not a pair."""
        return self.history is not None

    @property
    def filling(self) -> str | None:
        """How gaps are filled; None where they are not."""
        return None if self.gaps == "split" else self.fill or "previous"


def is_set(data: SeriesSettings, name: str) -> bool:
    """Whether a setting is not what it is without a word."""
    return bool(getattr(data, name) != SeriesSettings.model_fields[name].default)
