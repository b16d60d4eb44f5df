"""The local Prefect server's own process: `python -m flows._server.process SOCKET [full]`.

Standard input is its lifeline. The starter writes one line when the run may begin, and the server ends
when the pipe closes, which the kernel sees to however the starter ends, SIGKILL included. Until that
line it only imports: a refused setting never touches the user's database. A run needs the API alone; `full`
adds the pages of Prefect's UI and the services, the scheduler among them.
"""

from __future__ import annotations

import asyncio
import fcntl
import importlib
import logging
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from flows._server.prefect_internals import lock_before_reading, make_server_app, recorder_log

GRACE_SECONDS = 5.0


def main() -> None:
    """Imports, waits for the word, serves, and ends with the starter."""
    go, gone = threading.Event(), threading.Event()
    threading.Thread(target=_watch_lifeline, args=(go, gone), daemon=True).start()

    import uvicorn  # noqa: PLC0415 - the lifeline is watched first
    from prefect.settings import PREFECT_HOME  # noqa: PLC0415 - likewise

    home = PREFECT_HOME.value()
    importlib.import_module("prefect.server.api.server")  # before the word: it takes most of the time

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            # Two commands on one PREFECT_HOME: the second migrates when the first has.
            with _lock(home):
                await super().startup(sockets)

    go.wait()
    lock_before_reading()
    app = make_server_app(full=sys.argv[2:] == ["full"])
    config = uvicorn.Config(app, log_level="error", lifespan="on", timeout_graceful_shutdown=2)
    server = Server(config)
    threading.Thread(target=_end_with_starter, args=(gone, server), daemon=True).start()
    asyncio.run(server.serve(sockets=[socket.socket(fileno=int(sys.argv[1]))]))
    os._exit(0)  # without waiting for threads that sleep


def _watch_lifeline(go: threading.Event, gone: threading.Event) -> None:
    if not sys.stdin.readline():
        os._exit(0)
    go.set()
    sys.stdin.read()
    gone.set()


def _end_with_starter(gone: threading.Event, server: Any) -> None:  # noqa: ANN401 - a class made in main
    gone.wait()
    recorder_log().addFilter(is_news)
    server.should_exit = True
    threading.Timer(GRACE_SECONDS, os._exit, args=(0,)).start()


def is_news(record: logging.LogRecord) -> bool:
    """False for what the end itself causes: a write that it cuts off is logged as an error, then done again."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def _lock(home: Path) -> Any:  # noqa: ANN401 - a file, locked until it is closed
    home.mkdir(parents=True, exist_ok=True)
    file = (home / "nightly-seq2seq.start.lock").open("a")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


if __name__ == "__main__":
    main()
