"""A training between two epochs, as plain values: what it takes to go on as if nothing had happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Facts = dict[str, Any]  # JSON
Arrays = list[NDArray[np.generic]]


@dataclass(frozen=True)
class Snapshot:
    """What each part of a training holds after some epochs, by the part's name.

    Args:
        epochs: that are done.
        facts: JSON values.
        arrays: in an order that the part knows.
    """

    epochs: int
    facts: dict[str, Facts]
    arrays: dict[str, Arrays]
