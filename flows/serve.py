"""Serves the deployments of prefect.yaml from one process, for whoever has no worker."""

from __future__ import annotations

import sys

if __name__ == "__main__" and not __package__:  # a script cannot import what is ours
    print("refused: in the folder of the checkout, type: python -m flows.serve", file=sys.stderr)
    sys.exit(2)

from flows._cli.start import STARTER, start

if __name__ == "__main__":
    sys.exit(start("serve"))

import asyncio
import contextlib
import os
import signal
import threading

import psutil
from prefect.deployments.runner import RunnerDeployment
from prefect.runner import Runner
from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL, temporary_settings

from flows._cli.checkout import ROOT
from flows._cli.command import EXIT_FAILED, EXIT_SUCCESS, Summary, run_command, say, write_summary
from flows._cli.commands.serve import COMMAND, ServeOptions, ServeSettings
from flows._cli.deployments import Served, read_deployments
from flows._cli.failures import only_news
from flows._cli.flow_work import log_level, use_configured
from flows._cli.notify import check_block
from flows._cli.pages_server import pages_served
from flows._server import local as _server
from flows._server.prefect_internals import drain
from tasks.seq2seq.errors import SettingsError
from tasks.storage.store.artifact_store import Store

END_SECONDS = 45.0


def work(settings: ServeSettings, options: ServeOptions) -> int:
    """Serves until the process is told to end; gives the exit code."""
    with contextlib.suppress(KeyboardInterrupt), log_level(options), contextlib.ExitStack() as stack:
        served = read_deployments(settings.deployments)
        _find_server(settings.port, stack)
        for one in served:
            check_block(one.entry.parameters.get("notify"))
        os.environ[STARTER] = str(os.getpid())
        only_news()
        os.chdir(ROOT)  # the runs' processes begin here, and import flows and tasks from here
        write_summary(options.summary, _describe(served))
        deployments = [one.create(options.named_store) for one in served]
        if settings.pages is not None:
            _serve_pages(Store(options.store), settings.pages, stack, is_told=not options.quiet)
        asyncio.run(serve(served, deployments, settings.limit, is_told=not options.quiet))
    return EXIT_SUCCESS


def _describe(served: list[Served]) -> Summary:
    return {
        "url": PREFECT_API_URL.value(),
        "deployments": [{"name": one.name, "when": one.entry.when_shown} for one in served],
    }


def _serve_pages(store: Store, port: int, stack: contextlib.ExitStack, *, is_told: bool) -> None:
    try:
        address = stack.enter_context(pages_served(store, port))
    except OSError as error:
        raise SettingsError(
            f"--pages {port}: {error.strerror}; name another port, or 0 for any that is free"
        ) from error
    if is_told:
        print(f"pages of the store: {address}", flush=True)


def _find_server(port: int, stack: contextlib.ExitStack) -> None:
    """The server that is configured, or one of our own until the stack ends."""
    if url := _server.configured_url():
        use_configured(url, stack)
        return
    server = _server.launch(port, full=True)
    stack.callback(server.end)
    stack.callback(drain)
    server.go()
    server.wait_until_up()
    ui = server.url.removesuffix("/api")
    stack.enter_context(temporary_settings({PREFECT_API_URL: server.url, PREFECT_UI_URL: ui}))


async def serve(
    served: list[Served], deployments: list[RunnerDeployment], limit: int | None, *, is_told: bool = True
) -> None:
    """Serves until the process is told to end; runs that are under way are then cancelled."""
    runner = Runner(name="nightly-seq2seq", limit=limit, pause_on_shutdown=True)
    if is_told:
        print(f"serving; look at {PREFECT_UI_URL.value() or PREFECT_API_URL.value()}")
    for one, deployment in zip(served, deployments, strict=True):
        await runner.aadd_deployment(deployment)
        if is_told:
            print(f"  {one.name}: {one.entry.when_shown}", flush=True)
    asked = asyncio.create_task(_told_to_end())
    serving = asyncio.create_task(runner.start())
    await asyncio.wait({asked, serving}, return_when=asyncio.FIRST_COMPLETED)
    if not serving.done():
        say("ending; runs under way are cancelled")
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
    os._exit(EXIT_FAILED)


async def _told_to_end() -> None:
    """Returns on Ctrl-C or SIGTERM."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    # The runner sets a handler of its own for SIGTERM when it starts, which would wait for a server that is gone.
    await asyncio.sleep(0)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    # Ctrl-C goes to the runs' processes too, but it is for this one, which then ends them: they inherit that it is
    # blocked in the thread that starts them. Another thread takes it.
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    await told.wait()


def main(argv: list[str] | None = None) -> int:
    """`python -m flows.serve`; gives the exit code."""
    return run_command(COMMAND, argv)
