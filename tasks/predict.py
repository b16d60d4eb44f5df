"""The steps of batch prediction: what there is to do, each chunk of rows, and each file's output."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from prefect import task
from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from pydantic import BaseModel, ConfigDict

from tasks.prediction.failing import failing_alone
from tasks.prediction.jobs import BatchModel, Job, find_model, find_target, open_file, plan
from tasks.prediction.loaded_model import Chunk, Serving, ServingModel, load_serving
from tasks.reporting.states_picture import SampledStates
from tasks.runtime.caching import TASK_OPTIONS
from tasks.runtime.progress import Update, progress
from tasks.seq2seq.cpu import available_cores
from tasks.seq2seq.errors import ArtifactError, DataError
from tasks.seq2seq.settings.batch import BatchSettings
from tasks.seq2seq.settings.decoding import DecodingSettings
from tasks.storage.files.atomic import explain_os_errors
from tasks.storage.ingest.python_values import EXPECTED, to_array
from tasks.storage.ingest.reasons import REASONS, TYPE, Reasons
from tasks.storage.outputs.assembly import Assembly, Piece, work_name
from tasks.storage.outputs.chunk_files import read_chunk, write_chunk
from tasks.storage.outputs.output_paths import clear_work, work_folder
from tasks.storage.outputs.predictions import to_values
from tasks.storage.store.artifact_store import Store

MOST_NAMED = 10  # sequences in an error
MOST_PIECES = 64  # small files, or pieces of an ended run, that are handled together


class ChunkFiles(BaseModel):
    """A chunk of rows as tasks pass it on: of which file, where it waits, and where its predictions go."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    staged: Path
    part: Path


@task(name="plan batch", task_run_name="plan {settings.title}", **TASK_OPTIONS)
def plan_batch(settings: BatchSettings, store: Path, *, refresh: bool = False) -> list[Job]:
    """Looks at each file and says what is to be done about it, and why."""
    return plan(settings, Store(store), refresh=refresh)


@task(name="predict chunk", task_run_name="predict {label}", **TASK_OPTIONS)
def predict_chunk(label: str, serving: Serving, chunks: list[ChunkFiles]) -> list[str | None]:  # noqa: ARG001 - the run's name
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


def open_runner(settings: BatchSettings) -> TaskRunner[Any]:
    """What runs the chunks: the one place that knows."""
    return ThreadPoolTaskRunner(max_workers=settings.workers or available_cores())


class Done(NamedTuple):
    """What became of the jobs, and how fast.

    first_at: when the first predictions were written, seconds since the epoch; None where nothing was predicted.
    rows_per_s: rows read, predicted and written a second, without the first chunk of each worker, which compiles;
        None where there were no others.
    """

    jobs: list[Job]
    first_at: float | None = None
    rows_per_s: float | None = None


def predict_files(jobs: list[Job], settings: BatchSettings, store: Path) -> Done:
    """Does the jobs whose action is `predict`; call it inside a flow.

    A file is read here and its chunks are predicted by the runner's tasks, a few ahead, while those that
    are done are written here, in order. Memory holds a few chunks, whatever the size of the files.

    Returns:
        All jobs, those of files with their accounts; a file that breaks off, or that anything else keeps from being
        predicted and written, has become a `fail`.
    """
    if all(job.action != "predict" for job in jobs):
        return Done(jobs)
    model = find_model(settings, Store(store))
    serving = Serving(
        store=store,
        bundle=model.bundle,
        decoding=model.decoding,
        token_log_probabilities=settings.token_log_probabilities,
        encoder_states=settings.encoder_states,
    )
    done: dict[str, Job] = {}
    with open_runner(settings) as runner, progress("predict") as update:
        todo = [job for job in jobs if job.action == "predict"]
        line = _Line(runner, serving, settings, done, update, n_bytes=sum(job.stamp[0] for job in todo if job.stamp))
        for job in todo:
            for entry in _read(job, model, settings, line):
                line.add(entry)
        line.end()
        rows_per_s = line.rows_per_s()
    clear_work(settings)
    return Done([done.get(job.name, job) for job in jobs], line.first_at, rows_per_s)


class _Entry(NamedTuple):
    """A piece of a file in the line; without one, the file's end."""

    job: Job
    assembly: Assembly
    piece: Piece | None


def _read(job: Job, model: BatchModel, settings: BatchSettings, line: _Line) -> Iterator[_Entry]:
    """A file's pieces and its end, which comes early where the file fails.

    What is raised where the entries are taken is of other files, or of Prefect, and does not pass through here.
    """
    assembly = None
    try:
        with failing_alone(job.path, "read"):
            assembly = _open(job, model, settings)
            line.expect(assembly.reading.estimate_rows(), assembly.reading.file.size)
            for piece in assembly.read(settings.chunk_rows):
                yield _Entry(job, assembly, piece)
                if line.has_failed(job):
                    break
            else:
                find_target(job, settings)  # what was read is what was digested
    except DataError as error:
        line.fail(job, error)
    if assembly:
        yield _Entry(job, assembly, None)


def _open(job: Job, model: BatchModel, settings: BatchSettings) -> Assembly:
    assert job.digest is not None
    lineage = model.lineage(job.digest, settings)
    work = work_folder(settings) / work_name(lineage, job.name, settings.chunk_rows)
    target = find_target(job, settings)
    reading = open_file(target.file, model)
    picture = None if settings.states_picture is None else SampledStates(settings.states_picture)
    return Assembly(target, lineage, reading, settings.format, work, picture)


class _Group(NamedTuple):
    """Entries that go together: those that a task predicts, if there are any, and all of them in order."""

    future: PrefectFuture[list[str | None]] | None
    to_predict: list[_Entry]
    entries: list[_Entry]


class _Line:
    """The chunks that are under way, in the order in which they were read."""

    def __init__(
        self,
        runner: TaskRunner[Any],
        serving: Serving,
        settings: BatchSettings,
        done: dict[str, Job],
        update: Update,
        n_bytes: int,
    ) -> None:
        self._runner, self._serving, self._done, self._update = runner, serving, done, update
        self._chunk_rows = settings.chunk_rows
        # One more than are predicted at once, so that no worker waits.
        self._most = (settings.workers or available_cores()) + 1
        self._group: list[_Entry] = []
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

    def add(self, entry: _Entry) -> None:
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
            future = self._runner.submit(
                predict_chunk, parameters={"label": label, "serving": self._serving, "chunks": chunks}
            )
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

    def _take(self, entry: _Entry) -> None:
        job, assembly, piece = entry
        if piece is not None:
            if self._is_written(job, lambda: assembly.append(piece)):
                self._rows += piece.rows
                self._show()
            return
        if assembly.is_empty and not self.has_failed(job):
            load_serving(self._serving)  # which `_finish` then asks: a model that cannot be loaded is no file's fault
        if not self._is_written(job, lambda: self._finish(job, assembly)):
            self._abandon(job, assembly)

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
        self._done[job.name] = job.model_copy(update={"account": account, "n_resumed": assembly.n_resumed})

    def _abandon(self, job: Job, assembly: Assembly) -> None:
        with contextlib.suppress(DataError), failing_alone(job.path, "cleared away"):  # it fails anyway
            assembly.abandon()

    def _show(self) -> None:
        expected = round(self._seen_rows / max(self._seen_bytes, 1) * self._n_bytes)
        rate = self._rows / (time.perf_counter() - self._began)
        self._update(self._rows, max(self._rows, expected), {"rows/s": rate})


STORE = Path(__file__).parent.parent / "data" / "artifacts"


class LoadedPredictor:
    """A model in memory; the predictions are those of a batch run, and of any number of sequences at once."""

    def __init__(self, model: BatchModel, serving: Serving) -> None:
        """See `load_predictor`."""
        self._serving, self._reading = ServingModel(serving), model.reading

    def predict(self, sequences: Any) -> Any:  # noqa: ANN401 - plain Python, numpy or Arrow
        """Predictions, in the order of their sources.

        Args:
            sequences: any number of sources as the model's training data had them: lists of integers, strings, lists
                of words, lists of numbers or of lists of numbers; as a list, a numpy array, or an Arrow array.

        Returns:
            As many predictions, as an Arrow array if Arrow was given, else as a list of plain values.

        Raises:
            DataError: naming the sequences that the model cannot take, and why.
        """
        chunk = self._chunk(sequences)
        predicted = self._serving.in_original_units(chunk, self._serving.predict(chunk.source))
        result = to_values(predicted, self._serving.codecs.target)
        return result if isinstance(sequences, pa.Array | pa.ChunkedArray) else result.to_pylist()

    def predict_table(self, sequences: Any) -> pa.Table:  # noqa: ANN401 - likewise
        """The same with all that a batch run writes beside it: log_probability, n_unknown, and what was asked for."""
        chunk = self._chunk(sequences)
        columns, _ = self._serving.describe(chunk, self._serving.predict(chunk.source))
        return pa.table(columns)

    def _chunk(self, sequences: Any) -> Chunk:  # noqa: ANN401 - likewise
        side = self._reading.source
        array, is_other = to_array(sequences, side.rules.encoding)
        source, reasons = side.encode(array)
        reasons[is_other] = TYPE
        if reasons.any():
            raise DataError(_say_which(reasons, side.rules.encoding))
        source, origin = self._reading.from_last(source)
        return Chunk(source, origin=origin)


def _say_which(reasons: Reasons, encoding: str) -> str:
    rows = np.flatnonzero(reasons)
    said = ", ".join(f"{row} ({REASONS[reasons[row]]})" for row in rows[:MOST_NAMED].tolist())
    more = f" and {len(rows) - MOST_NAMED} more" if len(rows) > MOST_NAMED else ""
    return (
        f"{len(rows)} of {len(reasons)} sequences cannot be predicted; counted from 0: {said}{more}; expected a "
        f"list of {EXPECTED[encoding]}, as in training"
    )


def load_predictor(
    model: str | None = None, store: str | Path = STORE, decoding: DecodingSettings | None = None
) -> LoadedPredictor:
    """A model for use from Python: `load_predictor("reverse_first").predict([[3, 14, 15, 9, 2, 6]])`.

    Args:
        model: a promoted name, the first digits of a bundle's digest, or a bundle's folder in the store; None means
            the only promoted name.
        store: folder of the artifact store.
        decoding: how sequences are chosen; what is not set is the model's own.

    Raises:
        SettingsError: there is no such model, or the decoding settings do not fit it.
        ArtifactError: it is missing, altered, or of a newer format.
    """
    settings = BatchSettings(inputs=(Path(),), output=Path(), model=model, decoding=decoding or DecodingSettings())
    found = find_model(settings, Store(Path(store)))
    serving = Serving(
        store=Path(store), bundle=found.bundle, decoding=found.decoding, threads=None, compile_always=True
    )
    return LoadedPredictor(found, serving)
