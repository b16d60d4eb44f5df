"""A Dask cluster of this machine that a test starts, kills in parts, and ends."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import psutil

from tests.conftest import ROOT


def free_port():
    """A port of loopback that nobody has."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class OwnCluster:
    """A scheduler and workers as users start them, on loopback."""

    def __init__(self, n=2, path=ROOT, cwd="/"):
        self._environment = {**os.environ, "PYTHONPATH": str(path), "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "3s"}
        self._port, self._cwd = free_port(), cwd
        self.address = f"tcp://127.0.0.1:{self._port}"
        self.scheduler, self.workers = self._scheduler(), []
        for _ in range(n):
            self.add_worker()

    def _start(self, command, *words):
        given = [sys.executable, "-m", f"distributed.cli.{command}", *words]
        return subprocess.Popen(
            given, cwd=self._cwd, env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def _scheduler(self):
        place = ("--host", "127.0.0.1", "--port", str(self._port), "--dashboard-address", "127.0.0.1:0")
        return self._start("dask_scheduler", *place)

    def add_worker(self, *more, through=None):
        """Starts one more, which reaches the scheduler at its own address, or through another."""
        flags = ("--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1", "--death-timeout", "60")
        self.workers.append(self._start("dask_worker", through or self.address, *flags, *(more or ("--no-nanny",))))

    def restart_scheduler(self):
        """Kills the scheduler, starts another, and workers for it."""
        self.scheduler.kill()
        self.scheduler.wait()
        self.scheduler = self._scheduler()
        for _ in range(2):
            self.add_worker()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


class Line:
    """A line to an address that can stall, as networks do: what is sent waits, and comes once it goes on."""

    def __init__(self, address):
        self._port = int(address.rpartition(":")[2])
        self._open, self._listening = threading.Event(), socket.create_server(("127.0.0.1", 0))
        self._open.set()
        self.address = f"tcp://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def stall(self, seconds):
        """Lets nothing through for so long."""
        self._open.clear()
        time.sleep(seconds)
        self._open.set()

    def _accept(self):
        with contextlib.suppress(OSError):  # it was closed
            while True:
                threading.Thread(target=self._connect, args=(self._listening.accept()[0],), daemon=True).start()

    def _connect(self, near):
        """Joins whoever comes to the other end, once that is there."""
        while True:
            try:
                far = socket.create_connection(("127.0.0.1", self._port))
                break
            except ConnectionRefusedError:
                time.sleep(0.1)
        threading.Thread(target=self._pass_on, args=(far, near), daemon=True).start()
        self._pass_on(near, far)

    def _pass_on(self, one, other):
        with contextlib.suppress(OSError), one, other:
            while content := one.recv(65_536):
                self._open.wait()
                other.sendall(content)
            other.shutdown(socket.SHUT_WR)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listening.close()
        self._open.set()


@contextlib.contextmanager
def stopped(process, seconds):
    """Stops a process, as a machine that stalls, for so long."""
    process.send_signal(signal.SIGSTOP)
    try:
        time.sleep(seconds)
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def workers_below():
    """The processes of a local cluster of this process that do the work, without those that watch over them."""
    below = psutil.Process().children(recursive=True)
    return [one for one in below if any("spawn_main" in word for word in one.cmdline())]


def wait_for_workers(cluster, n):
    """Waits until so many are there."""
    from distributed import Client

    with Client(cluster.address, timeout=60, set_as_default=False) as client:
        client.wait_for_workers(n, timeout=90)
