"""How many rows are done, told by many at once, and how fast that goes once all are warm."""

from __future__ import annotations

import threading
import time
from typing import Any

from tasks.runtime.progress import Update
from tasks.runtime.runners import Told


class Count:
    """Rows that workers have done."""

    def __init__(self, update: Update, n_workers: int) -> None:
        """Takes what shows the count, and how many workers there are, each of which begins with loading a model."""
        self._update, self._n_cold = update, n_workers
        self._lock = threading.Lock()
        self._began, self._rows = time.perf_counter(), 0
        self._warm: tuple[float, int] | None = None  # when all were, and the rows by then
        self._last = self._began
        self.first_at: float | None = None

    def add(self, rows: int) -> None:
        """Counts rows that are done."""
        with self._lock:
            self.first_at = self.first_at or time.time()
            self._rows += rows
            self._last = time.perf_counter()
            self._n_cold -= 1
            if self._n_cold == 0:
                self._warm = (self._last, self._rows)
            self._update(self._rows, None, {"rows/s": self._rows / (self._last - self._began)})

    def listener(self) -> Told:
        """What listens to a worker that says how many rows of its files are done so far."""
        seen = 0

        def listen(news: dict[str, Any]) -> None:
            nonlocal seen
            if "rows" in news:
                rows, seen = news["rows"] - seen, news["rows"]
                if rows > 0:
                    self.add(rows)

        return listen

    def rows_per_s(self) -> float | None:
        """The rate since all workers were warm; None where nothing was done since."""
        if self._warm is None or self._warm[1] == self._rows:
            return None
        began, rows = self._warm
        return (self._rows - rows) / (self._last - began)
