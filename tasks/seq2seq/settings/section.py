"""What every part of the settings has in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, lt=1)]
ColumnNames = str | int | tuple[str | int, ...]  # names, or positions from 0


class Section(BaseModel):
    """A part of the experiment; it takes no key that it does not know, and never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Sections = Mapping[str, Any]  # those of an experiment by name, as far as they validated: what a rule looks at
