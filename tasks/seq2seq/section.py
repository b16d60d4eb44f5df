"""What every part of the settings has in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, lt=1)]


class Section(BaseModel):
    """A part of the experiment; it takes no key that it does not know, and never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)
