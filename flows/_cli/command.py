"""What every command does around its flow: checks, a server, the run, its summary, its exit code."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.logging.loggers import get_logger
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_LOGGING_LEVEL,
    temporary_settings,
)

from flows._cli.memory import Peak, watch_memory
from flows._cli.notify import check_block
from flows._cli.settings import Options, SomeOptions, SomeSettings, Tree, read_settings
from flows._cli.start import native_messages_aside
from flows._server import local as _server
from tasks.seq2seq.errors import Seq2SeqError, SettingsError
from tasks.storage.files.atomic import check_writable, write_atomically
from tasks.storage.store.artifact_store import Store

EXIT_SUCCESS, EXIT_FAILED, EXIT_REFUSED, EXIT_INTERRUPTED = 0, 1, 2, 130
DRAIN_SECONDS = 10.0

Summary = dict[str, Any]


@dataclass(frozen=True)
class Command(Generic[SomeSettings, SomeOptions]):
    """A command around one flow.

    Args:
        name: of the module in flows/.
        description: the first lines of `--help`; what follows `Example: ` is shown on a line of its own.
        tree: its settings.
        options: what it takes beside them.
        check: refuses input that cannot be worked on, before any work starts.
        needs_tensorflow: whether a step of the run will; it is then loaded while the server starts.
        run: runs the flow and gives its summary.
        show: prints the summary.
        verdict: the exit code of a run that did not fail.
        plan: says what a run would do, where that is all that was asked for (`--dry-run`), and gives the exit code.
    """

    name: str
    description: str
    tree: Tree[SomeSettings]
    options: type[SomeOptions]
    check: Callable[[SomeSettings, SomeOptions], None]
    needs_tensorflow: Callable[[SomeSettings, SomeOptions], bool]
    run: Callable[[SomeSettings, SomeOptions], Summary]
    show: Callable[[Summary], None]
    verdict: Callable[[Summary, SomeSettings, SomeOptions], int] = lambda _summary, _settings, _options: EXIT_SUCCESS
    plan: Callable[[SomeSettings, SomeOptions], int | None] = lambda _settings, _options: None


def run_command(command: Command[SomeSettings, SomeOptions], argv: list[str] | None) -> int:
    """Runs a command and gives its exit code: 0 success, 1 failed, 2 refused before any work started."""
    began = time.perf_counter()
    begun = _server.take_begun()
    with contextlib.ExitStack() as stack:
        if begun:
            stack.callback(begun.end)
        try:
            settings, options = read_settings(
                command.tree,
                command.options,
                sys.argv[1:] if argv is None else argv,
                f"python -m flows.{command.name}",
                command.description,
            )
            stack.enter_context(log_level(options))
            get_logger("command").debug("%s: %s %s", command.name, repr(settings), repr(options))
            command.check(settings, options)
            if (planned := command.plan(settings, options)) is not None:
                return planned
            if options.dry_run:
                raise SettingsError(f"--dry-run: {command.name} cannot say what it would do; leave the flag out")
            Store(options.store).prepare()
            check_writable(options.summary, "--summary")
            local = begun or _local_server(stack)
        except SystemExit as asked_for_help:
            return int(asked_for_help.code or 0)
        except Seq2SeqError as error:
            _say(f"refused: {error}")
            return EXIT_REFUSED
        ended = _run(command, settings, options, local, stack)
        if isinstance(ended, int):
            return ended
        summary = {**ended, "total_seconds": round(time.perf_counter() - began, 3)}
        verdict = command.verdict(summary, settings, options)
        if options.summary:
            _write_summary(options.summary, summary)
        if not options.quiet or verdict != EXIT_SUCCESS:  # what it shows says why
            command.show(summary)
            _say(_where_to_browse(local is not None))
        return verdict


def _run(
    command: Command[SomeSettings, SomeOptions],
    settings: SomeSettings,
    options: SomeOptions,
    local: _server.LocalServer | None,
    stack: contextlib.ExitStack,
) -> Summary | int:
    """The summary of the run with its peak memory, or the exit code where it did not come to an end."""
    try:
        peak = stack.enter_context(watch_memory(local.process.pid if local else None))
        if local:
            local.go()
            if command.needs_tensorflow(settings, options):
                _load_tensorflow_meanwhile()
            local.wait_until_up()
            stack.callback(drain)
            stack.enter_context(temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}))
        try:
            check_block(options.notify)
        except Seq2SeqError as error:
            _say(f"refused: {error}")
            return EXIT_REFUSED
        with _short_errors():
            return {**command.run(settings, options), **_memory(peak)}
    except Seq2SeqError as error:
        _say(f"failed: {error}")
    except KeyboardInterrupt:
        _say("interrupted; finished steps are kept, run the same command again to go on")
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001 - Prefect has logged where it happened
        _say(f"failed: {type(error).__name__}: {error}")
    return EXIT_FAILED


@contextlib.contextmanager
def log_level(options: Options) -> Iterator[None]:
    """Logs less or more where that is asked for; progress is shown where information is logged."""
    level = {options.quiet: "WARNING", options.verbose: "DEBUG"}.get(True)
    if level is None:
        yield
        return
    # Those that Prefect's logging.yml gives a level of their own.
    loggers = [logging.getLogger(name) for name in ("prefect", "prefect.client", "prefect.infrastructure")]
    before = [logger.level for logger in loggers]
    with temporary_settings({PREFECT_LOGGING_LEVEL: level}):  # processes that Prefect starts read it
        for logger in loggers:
            logger.setLevel(level)
        try:
            yield
        finally:
            for logger, former in zip(loggers, before, strict=True):
                logger.setLevel(former)


def _local_server(stack: contextlib.ExitStack) -> _server.LocalServer | None:
    """A server for a command that is called from Python, unless one is configured and answers."""
    if url := PREFECT_API_URL.value():
        _server.check_configured(url, PREFECT_API_AUTH_STRING.value())
        return None
    server = _server.launch()
    stack.callback(server.end)
    stack.enter_context(temporary_settings({PREFECT_API_URL: server.url}))
    return server


def _load_tensorflow_meanwhile() -> None:
    def load() -> None:
        # A failure is the step's to tell, when it imports the same.
        with contextlib.suppress(ImportError), native_messages_aside():
            import tasks.seq2seq.training.fit  # noqa: F401, PLC0415

    threading.Thread(target=load, daemon=True).start()


def drain() -> None:
    """Sends what Prefect still holds back: a server that ends before makes it print errors."""
    APILogWorker.drain_all(timeout=DRAIN_SECONDS)
    EventsWorker.drain_all(timeout=DRAIN_SECONDS)


@contextlib.contextmanager
def _short_errors() -> Iterator[None]:
    """Logs errors that the user can act on without their traceback."""

    def shorten(record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], Seq2SeqError):
            record.exc_info = record.exc_text = None
        return True

    loggers = [logging.getLogger(f"prefect.{name}") for name in ("flow_runs", "task_runs")]
    for logger in loggers:
        logger.addFilter(shorten)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(shorten)


def _write_summary(path: Path, summary: Summary) -> None:
    write_atomically(path, json.dumps(summary, indent=1, default=str))


def _memory(peak: Peak) -> Summary:
    return {
        "peak_rss_mib": round(peak.all_mib, 1),
        "peak_rss_without_server_mib": round(peak.without_server_mib, 1),
        "peak_rss_server_mib": round(peak.server_mib, 1),
    }


def _where_to_browse(local: bool) -> str:
    if local:
        return "history of runs: `prefect server start`, then http://127.0.0.1:4200"
    return f"history of runs: {str(PREFECT_API_URL.value()).removesuffix('/api')}"


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
