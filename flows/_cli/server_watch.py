"""A Prefect server that is gone for good ends the run, which would wait for ever; one that comes back does not."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from flows._cli.command import EXIT_FAILED
from flows._cli.interruption import end_process, is_watching
from flows._server.local import LocalServer, answers
from tasks.storage.files.atomic import is_writing

SECONDS_BETWEEN_LOOKS = 1.0
ANSWER_SECONDS = 10.0
GONE_SECONDS = 20.0


@contextlib.contextmanager
def server_watched(url: str, local: LocalServer | None) -> Iterator[None]:
    """Ends the process where the server stays away while the block runs.

    A step that is being made is finished first, since it needs no server and is kept. In a process that is not a
    command's, such as a notebook's, nothing is ended.

    Args:
        url: of the server.
        local: the run's own, if it is that one.
    """
    if not is_watching():
        yield
        return
    stop = threading.Event()
    thread = threading.Thread(target=_watch, args=(url, local, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()


def _watch(url: str, local: LocalServer | None, stop: threading.Event) -> None:
    last = time.monotonic()
    while not stop.wait(SECONDS_BETWEEN_LOOKS):
        ended = local.process.poll() if local else None
        if is_writing() or (ended is None and answers(url, ANSWER_SECONDS)):
            last = time.monotonic()
        elif not stop.is_set() and (ended is not None or time.monotonic() - last > GONE_SECONDS):
            end_process(f"failed: {_describe(url, local, ended)} run the same command again to go on", EXIT_FAILED)


def _describe(url: str, local: LocalServer | None, ended: int | None) -> str:
    if ended is not None:
        return f"the run's own Prefect server ended (exit code {ended}); finished steps are kept,"
    gone = f"the Prefect server at {url} has not answered for {GONE_SECONDS:.0f} seconds; finished steps are kept,"
    return gone if local else f"{gone} start it and"
