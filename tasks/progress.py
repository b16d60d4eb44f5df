"""Progress of long steps: a bar at a terminal, a line every so often elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

SECONDS_BETWEEN_LINES = 10.0

Update = Callable[[int, int, dict[str, float]], None]


@contextlib.contextmanager
def progress(what: str) -> Iterator[Update]:
    """Gives a function that is told `(done, total, metrics)` and shows it, with the time left."""
    console = Console(stderr=True)
    with _bar(what, console) if console.is_terminal else _lines(what) as update:
        yield update


@contextlib.contextmanager
def _bar(what: str, console: Console) -> Iterator[Update]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[metrics]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, redirect_stdout=False, redirect_stderr=False) as bar:
        task = bar.add_task(what, total=None, metrics="")
        yield lambda done, total, metrics: bar.update(task, completed=done, total=total, metrics=_format(metrics))


@contextlib.contextmanager
def _lines(what: str) -> Iterator[Update]:
    began = said = time.perf_counter()

    def update(done: int, total: int, metrics: dict[str, float]) -> None:
        nonlocal said
        now = time.perf_counter()
        if done < total and now - said < SECONDS_BETWEEN_LINES:
            return
        said = now
        left = (now - began) / done * (total - done)
        print(f"{what}: {done}/{total}  {_format(metrics)}  {left:.0f} s left", file=sys.stderr, flush=True)  # noqa: T201

    yield update


def _format(metrics: dict[str, float]) -> str:
    return "  ".join(f"{name} {_number(value)}" for name, value in metrics.items())


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4f}"  # noqa: PLR2004 - rates, and losses
