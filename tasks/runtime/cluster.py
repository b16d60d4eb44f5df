"""Workers of a Dask cluster: one that is there, by its scheduler's address, or one of this machine for a run.

Plain `distributed` does it all: it hands a call to another worker where one dies, and takes the first answer of those
that come. What a call writes it writes whole or not at all, and the same bytes each time.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from concurrent.futures import CancelledError
from contextlib import suppress
from functools import lru_cache
from json import dumps
from typing import Any

from dask import config
from distributed import Client, Future, KilledWorker, Scheduler, SpecCluster
from distributed.comm.core import CommClosedError
from distributed.deploy.subprocess import SubprocessWorker

from tasks.runtime.cluster_check import check_workers
from tasks.runtime.runners import CHECKOUT, Request, Told, WorkerEnded, Workers, find_call, n_workers, threads_of
from tasks.seq2seq.errors import Seq2SeqError, ServerError, SettingsError
from tasks.seq2seq.settings.runner import RunnerSettings

LOOPBACK = "127.0.0.1"
_CONNECT_SECONDS = 20.0
_START_SECONDS = 90.0
_LOOK_SECONDS = 5.0
_ALONE_SECONDS = 120.0  # in which workers that ended may be started again
_LOCAL: dict[str, Any] = {
    "distributed.scheduler.worker-ttl": "60s",  # a worker that is stopped loses its calls to another
    "distributed.comm.timeouts.connect": f"{_CONNECT_SECONDS:g}s",
    "distributed.admin.low-level-log-length": 1_000,
}


class Cluster(Workers):
    """Workers of a cluster."""

    def __init__(self, client: Client, n: int, local: SpecCluster | None = None) -> None:
        """Takes the connection, how many calls there may be at once, and the cluster itself where it is this run's."""
        super().__init__(n)
        self._client, self._local = client, local
        self._address = str(client.scheduler.address) if client.scheduler else ""

    def run(self, call: str, request: Request, told: Told) -> dict[str, Any]:
        """Has a worker of the cluster call the function."""
        try:
            found = self._wait(self._client.submit(call_there, call, request, pure=False))
        except KilledWorker as error:
            raise WorkerEnded(f"{error.allowed_failures + 1} workers that had it ended", is_mute=True) from error
        except (CancelledError, asyncio.CancelledError, CommClosedError, TimeoutError, OSError, RuntimeError) as error:
            raise ServerError(
                f"the Dask scheduler at {self._address} is gone, or was started anew; run the same command again: "
                f"what is finished is kept"
            ) from error
        for news in found["told"]:
            told(news)
        if "ended" in found:
            raise WorkerEnded(found["ended"], is_mute=True)
        if "error" in found:
            raise Seq2SeqError(found["error"])
        answer: dict[str, Any] = found["answer"]
        return answer

    def _wait(self, future: Future[Any]) -> dict[str, Any]:
        """What a call gives, for as long as there are workers to give it."""
        alone_since: float | None = None
        while True:
            with suppress(TimeoutError):
                found: dict[str, Any] = future.result(timeout=_LOOK_SECONDS)
                return found
            now = time.monotonic()
            alone_since = None if self._client.nthreads() else alone_since or now
            if alone_since is not None and now - alone_since > _ALONE_SECONDS:
                raise ServerError(
                    f"the Dask scheduler at {self._address} has had no worker for {_ALONE_SECONDS:g} s; start some, "
                    f"and run the same command again: what is finished is kept"
                )

    def close(self) -> None:
        """Leaves the cluster, and ends it where it is this run's."""
        super().close()
        self._client.close(timeout=_CONNECT_SECONDS)
        if self._local:
            self._local.close(timeout=_CONNECT_SECONDS)


def call_there(call: str, request: Request) -> dict[str, Any]:
    """What a worker of the cluster runs: a call, all that it says, and how it ended, as JSON."""
    news: list[dict[str, Any]] = []
    try:
        return {"told": news, "answer": find_call(call)(request, news.append)}
    except Seq2SeqError as error:
        return {"told": news, "error": str(error)}
    except Exception as error:  # noqa: BLE001 - as it would end a process; which file it is, the run finds out
        return {"told": news, "ended": f"{type(error).__name__}: {error}"}


def open_cluster(settings: RunnerSettings) -> Cluster:
    """The cluster at the settings' address, which is checked, or one of this machine.

    Raises:
        SettingsError: there is none, or not all of it can do this run's work.
    """
    _quieten()
    if settings.address is None:
        n = n_workers(settings)
        local = _start(n)
        client = Client(local, timeout=_START_SECONDS, set_as_default=False)
        client.wait_for_workers(n, timeout=_START_SECONDS)
        return Cluster(client, n, local)
    client = _connect(settings.address)
    try:
        n = check_workers(client)
    except BaseException:
        client.close()
        raise
    return Cluster(client, min(n, settings.workers or n))


def check_cluster(settings: RunnerSettings, paths: list[str]) -> None:
    """Refuses a cluster that cannot do this run's work; one of this machine, which is not there yet, can.

    Args:
        settings: the runner's.
        paths: files and folders that all workers must see as this process does.

    Raises:
        SettingsError: with what is missing, and where.
    """
    if settings.address is None:
        return
    _quieten()
    client = _connect(settings.address)
    try:
        check_workers(client, paths)
    finally:
        client.close()


def _connect(address: str) -> Client:
    try:
        return Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise SettingsError(
            f"runner.address is {address}, where no Dask scheduler answers ({error}); start one, or leave the address "
            f"out for a cluster of this machine"
        ) from error


def _start(n: int) -> SpecCluster:
    """A scheduler in this process, with which its workers end however it ends, and n workers of one thread each."""
    where = {"host": LOOPBACK, "dashboard_address": f"{LOOPBACK}:0"}
    with config.set(_LOCAL):
        return SpecCluster(
            scheduler={"cls": Scheduler, "options": {**where, "port": 0}},
            workers={i: {"cls": _LocalWorker, "options": {"n": n, "where": where}} for i in range(n)},
            silence_logs=logging.CRITICAL,
        )


class _LocalWorker(SubprocessWorker):
    """A worker process, and beside it one that replaces it when it dies; neither imports what this process runs."""

    def __init__(self, scheduler: str, n: int, where: dict[str, Any], name: str | None = None) -> None:
        own = {"nthreads": 1, "memory_limit": 0, "env": threads_of(n), **where}
        super().__init__(scheduler, name=name, worker_kwargs=own)
        self._environment = threads_of(n)

    async def _start(self) -> None:
        spec = dumps({"cls": self.worker_class, "opts": self.worker_kwargs})
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "dask", "spec", self.scheduler, "--spec", spec,
            cwd=CHECKOUT,
            env=os.environ | self._environment | {"PYTHONPATH": str(CHECKOUT)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip


@lru_cache(maxsize=1)
def _quieten() -> None:
    """Keeps what `distributed` says of connections that come and go from the screen."""
    for name in ("distributed", "tornado", "bokeh"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
