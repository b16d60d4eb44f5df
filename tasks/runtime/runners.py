"""What does the work of a run side by side: threads of this process, worker processes, or a Dask cluster.

A worker process reads calls, one a line of JSON, and answers each with lines: any number of `told`, then an `answer`
or an `error`. Native code that aborts it, a signal, or memory that the system takes away ends that worker only: whoever
waits for its answer is told how it ended, and another worker takes its place.
"""

from __future__ import annotations

import contextlib
import contextvars
import importlib
import importlib.util
import itertools
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeVar

from tasks.seq2seq.cpu import available_cores
from tasks.seq2seq.errors import Seq2SeqError, SettingsError
from tasks.seq2seq.settings.runner import RunnerSettings

CHECKOUT = Path(__file__).parents[2]
_LINE_LIMIT = 400  # characters of what a dying worker said
_END_SECONDS = 5.0
_MOST_CHECKED = 100

Item = TypeVar("Item")
Result = TypeVar("Result")
Request = dict[str, Any]
Told = Callable[[dict[str, Any]], None]
Answer = Callable[[dict[str, Any], Told], dict[str, Any]]  # what a worker does with a request


class WorkerEnded(Exception):  # noqa: N818 - a finding: whoever waits decides what it means
    """A worker ended before it answered; says how.

    is_mute: whether what it said before is not known, as of a worker elsewhere.
    """

    def __init__(self, how: str, *, is_mute: bool = False) -> None:
        """Takes how, in words."""
        super().__init__(how)
        self.is_mute = is_mute


class Workers(ABC):
    """What does calls side by side, `n` at once: functions of our own, which take and give what JSON can hold."""

    def __init__(self, n: int) -> None:
        """Takes how many calls there may be at once."""
        self.n = n
        self._threads = ThreadPoolExecutor(n, thread_name_prefix="workers")

    @abstractmethod
    def run(self, call: str, request: Request, told: Told) -> dict[str, Any]:
        """What a function answers to a request; waits for a worker, and may be called from several threads.

        Args:
            call: the function, an `Answer`, such as `tasks.predict_worker:answer`.
            request: what JSON can hold.
            told: is told what the function says meanwhile, or at its end.

        Raises:
            WorkerEnded: the worker ended first.
            Seq2SeqError: the function says what is wrong with the request.
        """

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result]:
        """What some work gives for each item, in order; as many are under way as there are workers.

        Where one raises, or the generator is closed, those that have not begun are left, and the others waited for.

        Args:
            work: what asks a worker with `run`.
            items: what it is done with.
        """
        futures = [self._threads.submit(contextvars.copy_context().run, work, item) for item in items]
        try:
            for future in futures:
                yield future.result()
        finally:
            for future in futures:
                future.cancel()
            wait(futures)

    def close(self) -> None:
        """Lets the workers go."""
        self._threads.shutdown(cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Here(Workers):
    """Threads of this process: a call that ends it ends the run."""

    def run(self, call: str, request: Request, told: Told) -> dict[str, Any]:
        """Calls the function here."""
        return find_call(call)(request, told)


class Processes(Workers):
    """Worker processes, started as they are needed and kept for the next call."""

    def __init__(self, n: int) -> None:
        """Takes how many there may be."""
        super().__init__(n)
        self._idle: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        for _ in range(n):
            self._idle.put(None)

    def run(self, call: str, request: Request, told: Told) -> dict[str, Any]:
        """Has a worker process call the function."""
        worker = self._idle.get()
        try:
            worker = worker or _Worker(call, threads_of(self.n))
            return worker.ask({"call": call, "request": request}, told)
        except BaseException:
            if worker is not None:
                worker.end()
            worker = None
            raise
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """Ends the processes."""
        super().close()
        with contextlib.suppress(queue.Empty):
            while True:
                if worker := self._idle.get_nowait():
                    worker.end()


def open_runner(settings: RunnerSettings) -> Workers:
    """The workers that the settings name; end them by `with`.

    Raises:
        SettingsError: of a Dask cluster, as `tasks.runtime.cluster.check_cluster`.
    """
    if settings.kind == "dask":
        from tasks.runtime.cluster import open_cluster  # noqa: PLC0415 - few have it

        found: Workers = open_cluster(settings)
        return found
    return (Here if settings.kind == "threads" else Processes)(n_workers(settings))


def check_runner(settings: RunnerSettings, paths: Iterable[str]) -> None:
    """Refuses workers that cannot do this run's work, before any of it.

    Args:
        settings: the runner's.
        paths: of files, or URLs, that workers elsewhere must see as this process does; some of many are looked at.

    Raises:
        SettingsError: with what is missing, and where.
    """
    if settings.kind != "dask":
        return
    if importlib.util.find_spec("distributed") is None:
        raise SettingsError(
            'runner.kind is "dask", but the package distributed is not installed; install it with: '
            'python -m pip install "distributed>=2026.7", or set another kind'
        )
    from tasks.runtime.cluster import check_cluster  # noqa: PLC0415 - few have it

    check_cluster(settings, [*itertools.islice(paths, _MOST_CHECKED)])


def n_workers(settings: RunnerSettings) -> int:
    """How many things are done at once on this machine."""
    return settings.workers or available_cores()


def threads_of(n: int) -> dict[str, str]:
    """The environment of each of n workers of this machine: the threads of its libraries are its share of the cores."""
    share = str(max(1, available_cores() // n))
    return {"OMP_NUM_THREADS": share, "TF_NUM_INTRAOP_THREADS": share, "TF_NUM_INTEROP_THREADS": share}


_of_run: list[Workers] = []  # a process runs one batch at a time


@contextlib.contextmanager
def kept_for_run(workers: Workers) -> Iterator[None]:
    """Makes workers those of the run that this process is in, for steps whose parameters Prefect shows."""
    _of_run.append(workers)
    try:
        yield
    finally:
        _of_run.remove(workers)


def workers_of_run() -> Workers:
    """The workers of the run that this process is in."""
    return _of_run[-1]


class _Worker:
    def __init__(self, call: str, environment: dict[str, str]) -> None:
        self._messages: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `end`
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "tasks.runtime.worker", call],
            cwd=CHECKOUT,
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._messages,
            text=True,
            encoding="utf-8",
            errors="backslashreplace",
        )

    def ask(self, request: dict[str, Any], told: Told) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise WorkerEnded(self._ending()) from error
        for line in self._process.stdout:
            message = json.loads(line)
            if "answer" in message:
                answer: dict[str, Any] = message["answer"]
                return answer
            if "error" in message:
                raise Seq2SeqError(message["error"])
            told(message["told"])
        raise WorkerEnded(self._ending())

    def _ending(self) -> str:
        code = self._process.wait()
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        self._messages.seek(0)
        lines = self._messages.read().decode(errors="backslashreplace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f"{how}, {last[:_LINE_LIMIT]!r}" if last else how

    def end(self) -> None:
        """Ends the process, by force where it does not by itself."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(_END_SECONDS if self._process.poll() is None else 0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._messages.close()


def find_call(call: str) -> Answer:
    """The function of our own that a call names."""
    module, _, name = call.partition(":")
    found: Answer = getattr(importlib.import_module(module), name)
    return found
