"""What runs shards of work: threads of this process, or worker processes, which may die without the run.

A worker is a process that reads requests, one a line of JSON, and answers each with lines: any number of `told`, then
an `answer` or an `error`. Native code that aborts it, a signal, or memory that the system takes away ends that worker
alone: whoever waits for its answer is told how it ended, and another worker takes its place.
"""

from __future__ import annotations

import contextlib
import contextvars
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeVar

from tasks.seq2seq.errors import Seq2SeqError

CHECKOUT = Path(__file__).parents[2]
_LINE_LIMIT = 400  # characters of what a dying worker said
_END_SECONDS = 5.0

Item = TypeVar("Item")
Result = TypeVar("Result")
Told = Callable[[dict[str, Any]], None]
Answer = Callable[[dict[str, Any], Told], dict[str, Any]]  # what a worker does with a request


class WorkerEnded(Exception):  # noqa: N818 - a finding: whoever waits decides what it means
    """A worker process ended before it answered; says how."""


class Workers:
    """Worker processes of one module, started as they are needed and kept for the next request."""

    def __init__(self, module: str, n: int) -> None:
        """Takes the module, which is run as `python -m MODULE`, and how many there may be at once."""
        self._module, self.n = module, n
        self._threads = ThreadPoolExecutor(n, thread_name_prefix="workers")
        self._idle: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        for _ in range(n):
            self._idle.put(None)

    def run(self, request: dict[str, Any], told: Told) -> dict[str, Any]:
        """The answer to a request; waits for a worker, and may be called from several threads.

        Args:
            request: what JSON can hold.
            told: is told what the worker says meanwhile.

        Raises:
            WorkerEnded: the worker ended first.
            Seq2SeqError: the worker says what is wrong with the request.
        """
        worker = self._idle.get()
        try:
            worker = worker or _Worker(self._module)
            return worker.ask(request, told)
        except BaseException:
            if worker is not None:
                worker.end()
            worker = None
            raise
        finally:
            self._idle.put(worker)

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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(cancel_futures=True)
        with contextlib.suppress(queue.Empty):
            while True:
                if worker := self._idle.get_nowait():
                    worker.end()


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
    def __init__(self, module: str) -> None:
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `end`
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", module],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
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
            said = json.loads(line)
            if "answer" in said:
                answer: dict[str, Any] = said["answer"]
                return answer
            if "error" in said:
                raise Seq2SeqError(said["error"])
            told(said["told"])
        raise WorkerEnded(self._ending())

    def _ending(self) -> str:
        code = self._process.wait()
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        self._said.seek(0)
        lines = self._said.read().decode(errors="backslashreplace").split("\n")
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
        self._said.close()


def serve_requests(answer: Answer) -> None:
    """What a worker's module runs: answers requests until there are no more.

    Standard output is the answers' alone; what libraries print goes to standard error.
    """
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as out:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

        def say(line: dict[str, Any]) -> None:
            out.write(json.dumps(line) + "\n")
            out.flush()

        for request in _requests():
            try:
                say({"answer": answer(request, lambda told: say({"told": told}))})
            except Seq2SeqError as error:
                say({"error": str(error)})


def _requests() -> Iterator[dict[str, Any]]:
    for line in sys.stdin:
        yield json.loads(line)
