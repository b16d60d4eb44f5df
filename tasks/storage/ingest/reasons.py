"""Why rows cannot be used: codes in arrays while rows are checked, names in what is written of rejects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# A reject's reason is the side and one of these.
FINE, NULL, NULL_INSIDE, TYPE, NOT_FINITE, FEATURES, UTF8, EMPTY, TOO_LONG, LENGTH, UNKNOWN, NEGATIVE = range(12)
INTEGER_RANGE, UNCLEAR_COMMA, EXTREME = range(12, 15)
REPEATED, OFF_STEP, SKIPPED, ZONE = range(15, 19)
REASONS = (
    "",
    "null",
    "null_inside",
    "type",
    "not_finite",
    "features",
    "utf8",
    "empty",
    "too_long",
    "length",
    "unknown",
    "negative",
    "integer_range",
    "unclear_comma",
    "extreme",
    "repeated",
    "off_step",
    "skipped",
    "zone",
)

Reasons = NDArray[np.int8]  # indices into REASONS


def mark(reasons: Reasons, rows: NDArray[np.bool_], reason: int) -> None:
    """Gives some rows, `(n,) bool`, a reason; those that have one keep it."""
    reasons[rows & (reasons == FINE)] = reason


def first_faults(found: Sequence[Reasons]) -> tuple[Reasons, NDArray[np.int64]]:
    """Of the reasons of several columns the first of each row, and the index of the column that it is of, `(n,)`."""
    stacked = np.stack(found)
    blamed = np.argmax(stacked != FINE, axis=0)
    return stacked[blamed, np.arange(len(blamed))], blamed
