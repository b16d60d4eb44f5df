"""Serves the deployments of prefect.yaml from one process, for whoever has no worker."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import threading
from pathlib import Path

import psutil
from prefect.deployments.runner import RunnerDeployment
from prefect.runner import Runner
from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL, temporary_settings

from flows._cli.command import drain
from flows._cli.deployments import DEPLOYMENTS, Served, read_deployments
from flows._cli.notify import check_block
from flows._cli.settings import ROOT
from flows._cli.start import STARTER
from flows._server import local as _server
from tasks.seq2seq.errors import Seq2SeqError

PORT = 4200
END_SECONDS = 45.0


def read_arguments(argv: list[str] | None) -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="python -m flows.serve",
        description="Serve the deployments of prefect.yaml: run them by their schedules, and whenever Prefect's UI or "
        "`prefect deployment run` asks. Where PREFECT_API_URL is not set, a Prefect server with its UI runs as long.",
    )
    parser.add_argument("--deployments", type=Path, default=DEPLOYMENTS, help="file such as prefect.yaml (that one)")
    parser.add_argument("--port", type=int, default=PORT, help=f"port of the own server, on loopback ({PORT})")
    parser.add_argument("--limit", type=int, help="runs at once, of all deployments together (any number)")
    options = parser.parse_args(argv)
    if not 0 <= options.port < 2**16:
        parser.error(f"--port {options.port}: expected a number from 0 (any that is free) to 65535")
    if options.limit is not None and options.limit < 1:
        parser.error(f"--limit {options.limit}: expected a number from 1")
    return options


def main(argv: list[str] | None = None) -> int:
    """`python -m flows.serve`; gives the exit code."""
    try:
        options = read_arguments(argv)
        served = read_deployments(options.deployments.absolute())
        with contextlib.ExitStack() as stack:
            _find_server(options.port, stack)
            for one in served:
                check_block(one.entry.parameters.get("notify"))
            os.environ[STARTER] = str(os.getpid())
            os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
            os.chdir(ROOT)  # the runs' processes begin here, and import flows and tasks from here
            asyncio.run(serve(served, [one.create() for one in served], options.limit))
    except SystemExit as asked_for_help:
        return int(asked_for_help.code or 0)
    except KeyboardInterrupt:
        return 0
    except Seq2SeqError as error:
        print(f"refused: {error}", file=sys.stderr)
        return 2
    return 0


def _find_server(port: int, stack: contextlib.ExitStack) -> None:
    """The server that is configured, or one of our own until the stack ends."""
    if url := _server.configured_url():
        _server.check_configured(url)
        return
    server = _server.launch(port, full=True)
    stack.callback(server.end)
    stack.callback(drain)
    server.go()
    server.wait_until_up()
    ui = server.url.removesuffix("/api")
    stack.enter_context(temporary_settings({PREFECT_API_URL: server.url, PREFECT_UI_URL: ui}))


async def serve(served: list[Served], deployments: list[RunnerDeployment], limit: int | None) -> None:
    """Serves until the process is told to end; runs that are under way are then cancelled."""
    runner = Runner(name="nightly-seq2seq", limit=limit, pause_on_shutdown=True)
    print(f"serving; look at {PREFECT_UI_URL.value() or PREFECT_API_URL.value()}")
    for one, deployment in zip(served, deployments, strict=True):
        await runner.aadd_deployment(deployment)
        print(f"  {one.flow.name}/{one.entry.name}: {one.entry.said_when}", flush=True)
    asked = asyncio.create_task(_told_to_end())
    serving = asyncio.create_task(runner.start())
    await asyncio.wait({asked, serving}, return_when=asyncio.FIRST_COMPLETED)
    if not serving.done():
        print("ending; runs under way are cancelled", file=sys.stderr, flush=True)
        last_resort = threading.Timer(END_SECONDS, _end_at_once)
        last_resort.daemon = True
        last_resort.start()
        await runner.astop()
    await serving
    asked.cancel()


def _end_at_once() -> None:
    """For when the server is gone, whose answers the end in good order waits for."""
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os._exit(1)


async def _told_to_end() -> None:
    """Returns on Ctrl-C or SIGTERM."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0)  # the runner sets a handler of its own, which cancels nothing, when it starts
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    # Ctrl-C goes to the runs' processes too, but it is for this one, which then ends them: they inherit that it is
    # blocked in the thread that starts them. Another thread takes it.
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    await told.wait()


if __name__ == "__main__":
    sys.exit(main())
