"""What was found in the time of series, in a line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_KINDS = {"number": "plain numbers", "date": "dates", "stamp": "time stamps"}


def describe_time(time: Mapping[str, Any]) -> str:
    """A line that says what time is of and what was done with it, of what an account says in `time`."""
    zone = f" of {time['zone']}" if time["zone"] else ""
    parts = [f"time: {_KINDS[time['kind']]}{zone} at steps of {time['step']}"]
    counts = (
        ("late", "rows came after a later one and were sorted"),
        ("merged", "rows became one with another of their stamp"),
        ("missing", "rows have no value"),
    )
    parts += [f"{time[name]:,} {words}" for name, words in counts if time[name]]
    if time["gaps"]:
        filled = f", {time['filled']:,} of them filled" if time["filled"] else ""
        parts.append(f"{time['gaps']:,} gaps of {time['gap_steps']:,} steps together{filled}")
    return "; ".join(parts)
