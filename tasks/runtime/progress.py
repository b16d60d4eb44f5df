"""What a step says while it runs: a bar or a spinner at a terminal, lines elsewhere, an artifact in Prefect.

Nothing is shown in a step's first seconds, and nothing but the artifact where information is not logged
(`--quiet`). Threads draw, so that saying something costs the step an assignment.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar, cast
from uuid import UUID
from weakref import WeakSet

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.theme import Theme

from tasks.runtime.artifact_keys import artifact_key
from tasks.runtime.log import console_handlers

SECONDS_BEFORE_BAR = 2.0
SECONDS_BETWEEN_FRAMES = 0.2
SECONDS_BETWEEN_LINES = 10.0
SECONDS_BEFORE_ARTIFACT = 10.0
SECONDS_BETWEEN_UPDATES = 5.0
END_SECONDS = 2.0  # that a step waits for what draws it

Update = Callable[[int, int | None, dict[str, float]], None]
Item = TypeVar("Item")


@contextlib.contextmanager
def progress(what: str) -> Iterator[Update]:
    """Gives a function that is told `(done, total, metrics)`; without it, seconds are shown.

    Inside another one it is a phase of that one's display: a step has one.
    """
    outer = getattr(_here, "step", None)
    if outer:
        outer.enter(what)
        yield outer.update
        outer.enter(outer.name)
        return
    step = _here.step = _Step(what)
    try:
        yield step.update
        step.is_done = True
    finally:
        _here.step = None
        step.end()


def report(what: str, done: int, total: int | None) -> None:
    """Says what the step that is open does just now; for code that knows no display, as a callback."""
    step = getattr(_here, "step", None)
    if step:
        step.enter(what)
        step.update(done, total, {})


def tracked(what: str, items: Sequence[Item]) -> Iterator[Item]:
    """The items, counted as they are done."""
    with progress(what) as update:
        for n, item in enumerate(items, 1):
            yield item
            update(n, len(items), {})


_here = threading.local()  # the step that is open in a thread; its tasks in other threads have their own


class _View(Protocol):
    """Somebody who is told of a step, from `after` seconds on, every so many seconds."""

    after: float
    every: float

    def show(self, step: _Step) -> None: ...

    def end_phase(self, step: _Step) -> None: ...

    def end(self, step: _Step) -> None: ...


class _Step:
    """A step that runs: its name, what it does just now, and how far it is."""

    def __init__(self, name: str) -> None:
        self.name = self.what = name
        self.began = self.phase_began = time.perf_counter()
        self.is_done = False
        self._counts: tuple[int, int | None, dict[str, float]] = (0, None, {})
        self._ended = threading.Event()
        self._views = list(_views())
        self._threads = [self._start(view) for view in self._views]

    def _start(self, view: _View) -> threading.Thread:
        # A view sees the run that the step is in, as the step does.
        thread = threading.Thread(target=contextvars.copy_context().run, args=(self._watch, view), daemon=True)
        thread.start()
        return thread

    def _watch(self, view: _View) -> None:
        if self._ended.wait(view.after):
            return
        view.show(self)
        while not self._ended.wait(view.every):
            view.show(self)
        view.end(self)

    def enter(self, what: str) -> None:
        """Begins another phase, if it is another."""
        if what == self.what:
            return
        for view in self._views:
            view.end_phase(self)
        self.what, self._counts, self.phase_began = what, (0, None, {}), time.perf_counter()

    def update(self, done: int, total: int | None, metrics: dict[str, float]) -> None:
        self._counts = (done, total, metrics)

    def end(self) -> None:
        self.enter(self.name)
        for view in self._views:
            view.end_phase(self)
        self._ended.set()
        for thread in self._threads:
            thread.join(END_SECONDS)

    @property
    def share(self) -> float | None:
        """Of the phase that is done, in [0, 1]; None where nobody knows."""
        done, total, _ = self._counts
        return min(done / total, 1.0) if total else None

    @property
    def has_counts(self) -> bool:
        return self._counts[0] > 0

    @property
    def phase_seconds(self) -> float:
        return time.perf_counter() - self.phase_began

    def __str__(self) -> str:
        """`1,200/9,000  loss 0.1234  12 s left`, or what is known of it."""
        done, total, metrics = self._counts
        counts = [f"{done:,}/{total:,}" if total else f"{done:,}"] if done else []
        seconds = self.phase_seconds
        time_ = f"{seconds / done * max(total - done, 0):.0f} s left" if total and done else f"{seconds:.0f} s"
        return "  ".join([*counts, *(f"{name} {_number(value)}" for name, value in metrics.items()), time_])


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4f}"  # noqa: PLR2004 - rates, and losses


def _views() -> Iterator[_View]:
    from prefect.context import FlowRunContext, TaskRunContext  # noqa: PLC0415 - who only plans or refuses needs none
    from prefect.logging.loggers import get_logger  # noqa: PLC0415 - likewise

    if get_logger("tasks").isEnabledFor(logging.INFO):
        console = _console_of_lines()
        yield _Bar(console) if console.is_terminal and not console.is_dumb_terminal else _Lines()
    if FlowRunContext.get() or TaskRunContext.get():
        yield _Artifact()


_styled: WeakSet[Console] = WeakSet()


def _console_of_lines() -> Console:
    """The console that lines of the log are written by: a bar on it is drawn anew below each of them."""
    for handler in console_handlers():
        console: Console = handler.console
        if console not in _styled:
            console.push_theme(Theme())  # Prefect's has no styles but its own
            _styled.add(console)
        return console
    return Console(stderr=True)


class _Bar:
    """A spinner at a terminal, with a bar where there are counts."""

    def __init__(self, console: Console) -> None:
        self.after, self.every = SECONDS_BEFORE_BAR, SECONDS_BETWEEN_FRAMES
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), TextColumn("{task.fields[text]}"))
        self._bar = Progress(*columns, console=console, redirect_stdout=False, redirect_stderr=False)
        self._bar.add_task("", total=None, text="")

    def show(self, step: _Step) -> None:
        self._draw(step.what, step.share, str(step))
        self._bar.start()  # the first time

    def end_phase(self, step: _Step) -> None:
        pass

    def end(self, step: _Step) -> None:
        self._draw(step.name, 1.0 if step.is_done else None, f"{time.perf_counter() - step.began:.0f} s")
        self._bar.stop()

    def _draw(self, what: str, share: float | None, text: str) -> None:
        (task,) = self._bar.tasks
        task.description, task.fields["text"] = what, text
        task.total, task.completed = None if share is None else 1.0, share or 0.0


class _Lines:
    """A line every so often, and one at the end of each phase that took its time."""

    def __init__(self) -> None:
        self.after = self.every = SECONDS_BETWEEN_LINES

    def show(self, step: _Step) -> None:
        print(f"{step.what}: {step}", file=sys.stderr, flush=True)  # noqa: T201

    def end_phase(self, step: _Step) -> None:
        if step.has_counts and step.phase_seconds >= SECONDS_BEFORE_BAR:
            self.show(step)

    def end(self, step: _Step) -> None:
        pass


class _Artifact:
    """A progress artifact of the run, for those who watch it in Prefect; a server that is gone ends it, not the run."""

    def __init__(self) -> None:
        self.after, self.every = SECONDS_BEFORE_ARTIFACT, SECONDS_BETWEEN_UPDATES
        self._id: UUID | None = None
        self._is_lost = False

    def show(self, step: _Step) -> None:
        self._write(step.name, 100 * (step.share or 0.0), f"{step.what}: {step}")

    def end_phase(self, step: _Step) -> None:
        pass

    def end(self, step: _Step) -> None:
        if step.is_done:
            self._write(step.name, 100.0, f"{step.name}: {time.perf_counter() - step.began:.0f} s")

    def _write(self, name: str, percent: float, text: str) -> None:
        from prefect.artifacts import (  # noqa: PLC0415 - few steps take so long
            create_progress_artifact,
            update_progress_artifact,
        )

        if self._is_lost:
            return
        try:
            if self._id is None:
                key = artifact_key("progress", name)
                self._id = cast("UUID", create_progress_artifact(percent, key=key, description=text))
            else:
                update_progress_artifact(self._id, percent, description=text)
        except Exception:  # noqa: BLE001 - whatever it is, the step goes on
            self._is_lost = True
