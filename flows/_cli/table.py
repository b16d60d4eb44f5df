"""Tables on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from rich.console import Console
from rich.table import Table

from tasks.seq2seq.shown import shown

Justify = Literal["left", "right"]


def print_table(columns: Mapping[str, Justify], rows: Iterable[tuple[str, ...]]) -> None:
    """Prints rows below the names of their columns; a line is as long as it must be, so that paths stay whole."""
    table = Table(box=None, pad_edge=False)
    for name, justify in columns.items():
        table.add_column(name, justify=justify, no_wrap=True, overflow="ignore")
    for row in rows:
        table.add_row(*map(shown, row))
    Console(width=10_000, markup=False, highlight=False).print(table)
