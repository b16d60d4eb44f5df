"""The chunks of files on their way through a model: predicted elsewhere, a few ahead, and written here in order."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from tasks.prediction.failing import failing_alone
from tasks.prediction.jobs import Job
from tasks.prediction.loaded_model import Serving, ServingModel, load_serving
from tasks.runtime.progress import Update
from tasks.runtime.runners import n_workers
from tasks.seq2seq.errors import ArtifactError, DataError
from tasks.seq2seq.settings.batch import BatchSettings
from tasks.storage.files.atomic import explain_os_errors
from tasks.storage.outputs.assembly import Assembly, Piece
from tasks.storage.outputs.chunk_files import read_chunk, write_chunk

MOST_PIECES = 64  # small files, or pieces of an ended run, that are handled together


class Future(Protocol):
    """Faults of chunks that are being predicted."""

    def result(self) -> list[str | None]:
        """Waits for them; as `predict_chunks` gives them."""


class ChunkFiles(BaseModel):
    """A chunk of rows as tasks pass it on: of which file, where it waits, and where its predictions go."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    staged: Path
    part: Path


Submit = Callable[[str, list[ChunkFiles]], Future]  # what predicts chunks, under a name for people, elsewhere


def predict_chunks(serving: Serving, chunks: list[ChunkFiles]) -> list[str | None]:
    """Predicts some chunks, each on its own, so that what is beside a chunk changes no bit of it.

    Returns:
        What went wrong with each chunk, None where it was predicted. It is no exception because the chunks beside it
        may be those of other files.
    """
    model = load_serving(serving)
    return [_predict(model, chunk) for chunk in chunks]


def _predict(model: ServingModel, chunk: ChunkFiles) -> str | None:
    try:
        staged = read_chunk(chunk.staged)
    except ArtifactError:
        return None  # a chunk without predictions fails its file, and no other, when it is to be appended
    try:
        # Nothing of the user's is read or written here: an OSError is the machine's, and Prefect tries the task again.
        with explain_os_errors(chunk.part), failing_alone(chunk.file, "predicted", passing=(OSError,)):
            write_chunk(chunk.part, model.predict_chunk(staged))
    except DataError as error:
        return str(error)
    return None


class Entry(NamedTuple):
    """A piece of a file in the line; without one, the file's end."""

    job: Job
    assembly: Assembly
    piece: Piece | None


class _Group(NamedTuple):
    """Entries that go together: those that a task predicts, if there are any, and all of them in order."""

    future: Future | None
    to_predict: list[Entry]
    entries: list[Entry]


class ChunkQueue:
    """The chunks that are under way, in the order in which they were read.

    While some are predicted elsewhere, those that are done are written here, in order. It holds a few chunks, however
    large the files are.
    """

    def __init__(
        self,
        submit: Submit,
        serving: Serving,
        settings: BatchSettings,
        update: Update,
        n_bytes: int,
    ) -> None:
        """Takes what predicts chunks elsewhere, the model, the settings, a display, and the bytes of all files."""
        self._submit_chunks, self._serving, self._update = submit, serving, update
        self._done: dict[str, Job] = {}
        self._chunk_rows = settings.chunk_rows
        # One more than are predicted at once, so that no worker waits.
        self._most = n_workers(settings.runner) + 1
        self._group: list[Entry] = []
        self._opened: dict[str, Assembly] = {}
        self._under_way: deque[_Group] = deque()
        self._rows, self._began = 0, time.perf_counter()
        self._n_bytes, self._seen_rows, self._seen_bytes = n_bytes, 0, 0
        self._n_cold = self._most - 1  # groups that compile
        self._warm: tuple[float, int] | None = None  # when they were done, and the rows by then
        self.first_at: float | None = None

    def expect(self, n_rows: int, n_bytes: int) -> None:
        """Says how many rows a file has, about, for the progress that is shown."""
        self._seen_rows += n_rows
        self._seen_bytes += n_bytes

    def opened(self, job: Job, assembly: Assembly) -> None:
        """Notes a file in work, whose end will come."""
        self._opened[job.name] = assembly

    def close(self) -> None:
        """Closes what files are still in work, which are some where the run fails."""
        for assembly in self._opened.values():
            assembly.let_go()

    def add(self, entry: Entry) -> None:
        """Adds a piece, or a file's end; small ones go together."""
        self._group.append(entry)
        rows = sum(entry.piece.rows for entry in self._group if entry.piece)
        if rows >= self._chunk_rows or len(self._group) >= MOST_PIECES:
            self._submit()

    def fail(self, job: Job, error: DataError) -> None:
        """Notes that a file fails; what was begun of it is removed at its end. The first reason stands."""
        self._done.setdefault(job.name, job.failed(error))

    def has_failed(self, job: Job) -> bool:
        """Whether a file has failed."""
        done = self._done.get(job.name)
        return done is not None and done.action == "fail"

    def outcome(self, job: Job) -> Job:
        """What became of a job, once all is done: with its account, or as a `fail`."""
        return self._done.get(job.name, job)

    def end(self) -> None:
        """Waits for all."""
        self._submit()
        while self._under_way:
            self._take_first()

    def _submit(self) -> None:
        group, self._group = self._group, []
        todo = [entry for entry in group if entry.piece and not entry.piece.is_done and not self.has_failed(entry.job)]
        future = None
        if todo:
            chunks = [
                ChunkFiles(file=entry.job.path, staged=entry.piece.staged, part=entry.piece.part)
                for entry in todo
                if entry.piece
            ]
            names = list(dict.fromkeys(entry.job.name for entry in todo))
            label = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
            future = self._submit_chunks(label, chunks)
        self._under_way.append(_Group(future, todo, group))
        while len(self._under_way) > self._most:
            self._take_first()

    def _take_first(self) -> None:
        future, to_predict, entries = self._under_way.popleft()
        if future:
            for entry, fault in zip(to_predict, future.result(), strict=True):
                if fault:
                    self.fail(entry.job, DataError(fault))
            self.first_at = self.first_at or time.time()
        for entry in entries:
            self._take(entry)
        if future:
            self._n_cold -= 1
            if self._n_cold == 0:
                self._warm = (time.perf_counter(), self._rows)

    def rows_per_s(self) -> float | None:
        """The rate since all workers were warm."""
        if self._warm is None or self._warm[1] == self._rows:
            return None
        began, rows = self._warm
        return (self._rows - rows) / (time.perf_counter() - began)

    def _take(self, entry: Entry) -> None:
        job, assembly, piece = entry
        if piece is not None:
            if self._is_written(job, lambda: assembly.append(piece)):
                self._rows += piece.rows
                self._show()
            return
        if assembly.is_empty and not self.has_failed(job):
            load_serving(self._serving)  # which `_finish` then asks: a model that cannot be loaded is no file's fault
        self._is_written(job, lambda: self._finish(job, assembly))
        if self.outcome(job).account is None:
            self._abandon(job, assembly)
        self._opened.pop(job.name, None)

    def _is_written(self, job: Job, write: Callable[[], None]) -> bool:
        """Writes something of a file that has not failed, and tells whether it still has not."""
        try:
            with failing_alone(job.path, "written"):
                if not self.has_failed(job):
                    write()
        except DataError as error:
            self.fail(job, error)
        return not self.has_failed(job)

    def _finish(self, job: Job, assembly: Assembly) -> None:
        account = assembly.finish(lambda table: load_serving(self._serving).predict_chunk(table))
        self._done[job.name] = job.written(account, assembly.n_resumed)

    def _abandon(self, job: Job, assembly: Assembly) -> None:
        with contextlib.suppress(DataError), failing_alone(job.path, "cleared away"):  # it fails anyway
            assembly.abandon()

    def _show(self) -> None:
        expected = round(self._seen_rows / max(self._seen_bytes, 1) * self._n_bytes)
        rate = self._rows / (time.perf_counter() - self._began)
        self._update(self._rows, max(self._rows, expected), {"rows/s": rate})
