"""What a command does around its flow once its settings are accepted: a server, the run, its summary, its exit code."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from prefect.logging.loggers import get_logger
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_LOGGING_LEVEL,
    temporary_settings,
)

from flows._cli import sign_of_life
from flows._cli.command import EXIT_SUCCESS, Command, Summary, say, write_summary
from flows._cli.failures import failures_told, told_at_the_end
from flows._cli.limits import LEAST_WITH_TENSORFLOW_MIB, too_little_memory
from flows._cli.memory import Peak, watch_memory
from flows._cli.notify import check_block
from flows._cli.server_watch import server_watched
from flows._cli.settings import FlowOptions, LoggedOptions, SomeSettings
from flows._cli.start import load_tensorflow
from flows._server import local as _server
from flows._server.credentials import split_credentials
from flows._server.prefect_internals import drain
from tasks.seq2seq.errors import SettingsError

SomeFlowOptions = TypeVar("SomeFlowOptions", bound=FlowOptions)


@dataclass(frozen=True)
class FlowWork(Generic[SomeSettings, SomeFlowOptions]):
    """The work of a command around one flow.

    Args:
        command: whose work it is.
        run: runs the flow and gives its summary.
        show: prints the summary.
        plan: says what a run would do, where that is all that was asked for, and gives the exit code.
        verdict: the exit code of a run that did not fail.
        needs_tensorflow: whether a step of the run will; it is then loaded while the server starts.
    """

    command: Command[SomeSettings, SomeFlowOptions]
    run: Callable[[SomeSettings, SomeFlowOptions], Summary]
    show: Callable[[Summary], None]
    plan: Callable[[SomeSettings, SomeFlowOptions], int]
    verdict: Callable[[Summary, SomeSettings, SomeFlowOptions], int] = lambda *_: EXIT_SUCCESS
    needs_tensorflow: Callable[[SomeSettings, SomeFlowOptions], bool] = lambda *_: False

    def __call__(self, settings: SomeSettings, options: SomeFlowOptions) -> int:
        """Runs the flow, or says what a run would do; gives the exit code.

        Raises:
            Seq2SeqError: the server or a notification block is refused.
            SystemExit: the run failed or was interrupted, which is told.
        """
        began = time.perf_counter()
        with log_level(options):
            get_logger("command").debug("%s: %r %r", self.command.name, settings, options)
            if options.makes_nothing:
                sign_of_life.end()
                return self.plan(settings, options)
            with contextlib.ExitStack() as stack:
                local = _find_server(stack)
                ended = self._run(settings, options, local, stack)
                summary = {**ended, "total_seconds": round(time.perf_counter() - began, 3)}
                return self._tell(summary, settings, options, is_local=local is not None)

    def _run(
        self,
        settings: SomeSettings,
        options: SomeFlowOptions,
        local: _server.LocalServer | None,
        stack: contextlib.ExitStack,
    ) -> Summary:
        """The summary of the run with its peak memory."""
        with failures_told():
            peak = stack.enter_context(watch_memory(local.process.pid if local else None))
            needs_tensorflow = self.needs_tensorflow(settings, options)
            if needs_tensorflow and (refusal := too_little_memory(LEAST_WITH_TENSORFLOW_MIB)):
                raise SettingsError(refusal)
            if local:
                local.go()
                if needs_tensorflow:
                    threading.Thread(target=load_tensorflow, daemon=True).start()
                local.wait_until_up()
            stack.enter_context(server_watched(str(PREFECT_API_URL.value()), local))
            if local:
                stack.callback(drain)
                stack.enter_context(temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}))
        check_block(options.notify)
        sign_of_life.end()
        with failures_told(), told_at_the_end():
            return {**self.run(settings, options), **_memory(peak)}

    def _tell(self, summary: Summary, settings: SomeSettings, options: SomeFlowOptions, *, is_local: bool) -> int:
        verdict = self.verdict(summary, settings, options)
        write_summary(options.summary, summary)
        if not options.quiet or verdict != EXIT_SUCCESS:  # what it shows says why
            self.show(summary)
            say(_where_to_browse(is_local))
        return verdict


@contextlib.contextmanager
def log_level(options: LoggedOptions) -> Iterator[None]:
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


def _find_server(stack: contextlib.ExitStack) -> _server.LocalServer | None:
    """The server that was begun with the command, or one for a command that is called from Python.

    None where one is configured, which answers.
    """
    if begun := _server.take_begun():
        stack.callback(begun.end)
        return begun
    if url := PREFECT_API_URL.value():
        use_configured(url, stack)
        return None
    server = _server.launch()
    stack.callback(server.end)
    stack.enter_context(temporary_settings({PREFECT_API_URL: server.url, PREFECT_API_AUTH_STRING: server.auth_string}))
    return server


def use_configured(url: str, stack: contextlib.ExitStack) -> None:
    """Has Prefect use a server that is configured, a password in its URL taken from there: Prefect shows URLs.

    Raises:
        ServerError: it does not answer, or does not let us in.
    """
    given = PREFECT_API_AUTH_STRING.value()
    _server.check_configured(url, given)
    bare, in_url = split_credentials(url)
    stack.enter_context(temporary_settings({PREFECT_API_URL: bare, PREFECT_API_AUTH_STRING: in_url or given}))


def _memory(peak: Peak) -> Summary:
    return {
        "peak_rss_mib": round(peak.all_mib, 1),
        "peak_rss_without_server_mib": round(peak.without_server_mib, 1),
        "peak_rss_server_mib": round(peak.server_mib, 1),
    }


def _where_to_browse(is_local: bool) -> str:
    if is_local:
        return "history of runs: `prefect server start`, then http://127.0.0.1:4200"
    return f"history of runs: {str(PREFECT_API_URL.value()).removesuffix('/api')}"
