"""How code that knows no display says how far it is."""

from __future__ import annotations

from collections.abc import Callable

# Told what is done just now, how much of it, and of how much (None: nobody knows).
Report = Callable[[str, int, int | None], None]


def say_nothing(_what: str, _done: int, _total: int | None) -> None:
    """A `Report` to nobody."""
