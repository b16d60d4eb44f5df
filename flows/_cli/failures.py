"""A run that fails says why once, at its end; Prefect, which logs it at each level, keeps all of it with the run.

What reaches the terminal before the end names the kind of error only.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import re
from collections.abc import Iterator

from flows._cli.command import EXIT_FAILED, EXIT_INTERRUPTED, OUT_OF_MEMORY, say
from flows._cli.interruption import LINE, interrupted_by
from flows._server.credentials import without_credentials
from tasks.runtime.log import RUN_LOGGERS, console_handlers
from tasks.seq2seq.errors import Seq2SeqError

# What Prefect logs when a run ends by an exception: the state, and in it the exception.
FAILED_STATE = re.compile(r"^(Finished in state \w+)\(.*? run encountered an exception:? (\w+)\b.*\)$", re.DOTALL)
# What it logs though all goes well: each step tells what came of it itself.
_ROUTINE = re.compile(
    r"Finished in state (Completed|Cached)\(|Running hook '|Hook '\w+' finished running successfully$"
    r"|Downloading flow code from storage"
)


@contextlib.contextmanager
def failures_told() -> Iterator[None]:
    """Says why a run does not come to its end, and ends the command with the exit code."""
    code = EXIT_FAILED
    try:
        yield
    except Seq2SeqError as error:
        say(closing_words(str(error), error))
    except KeyboardInterrupt:
        if not interrupted_by():
            say(LINE)
        code = EXIT_INTERRUPTED
    except MemoryError as error:
        say(closing_words(OUT_OF_MEMORY, error))
    except Exception as error:  # noqa: BLE001 - Prefect has logged where it happened
        say(closing_words(f"{type(error).__name__}: {error}", error))
    else:
        return
    raise SystemExit(code)


def closing_words(message: str, error: Exception) -> str:
    """What a failed run says at its end, with whatever was noted of the error on its way."""
    return "\n".join([f"failed: {message}", *getattr(error, "__notes__", ())])


@contextlib.contextmanager
def told_at_the_end() -> Iterator[None]:
    """Keeps the messages of errors out of what is logged to the terminal: whoever is inside tells them at the end."""
    with contextlib.ExitStack() as stack:
        for name in RUN_LOGGERS:
            logger = logging.getLogger(name)
            for change in (without_traceback, without_credentials_in):
                logger.addFilter(change)
                stack.callback(logger.removeFilter, change)
        for handler in console_handlers():
            stack.callback(handler.setFormatter, handler.formatter)
            handler.setFormatter(_Brief(handler.formatter or logging.Formatter()))
            for choice in (_is_not_told_at_the_end, is_news):
                handler.addFilter(choice)
                stack.callback(handler.removeFilter, choice)
        yield


def without_traceback(record: logging.LogRecord) -> bool:
    """Takes the traceback from a record of an error that the user can act on."""
    if record.exc_info and isinstance(record.exc_info[1], Seq2SeqError):
        record.exc_info = record.exc_text = None
        record.is_told_at_the_end = True
    return True


def without_credentials_in(record: logging.LogRecord) -> bool:
    """Takes passwords from the URLs of a record, before any handler has it."""
    message = record.getMessage()
    if (shown := without_credentials(message)) != message:
        record.msg, record.args = shown, ()
    return True


def _is_not_told_at_the_end(record: logging.LogRecord) -> bool:
    return not getattr(record, "is_told_at_the_end", False)


def only_news() -> None:
    """Has the log of this process say nothing of what is routine, unless it is a detailed one."""
    for handler in console_handlers():
        handler.addFilter(is_news)


def is_news(record: logging.LogRecord) -> bool:
    """Whether it is more than Prefect's word that all went well, which only `--verbose` shows."""
    is_detailed = logging.getLogger(record.name).getEffectiveLevel() <= logging.DEBUG
    return is_detailed or not _ROUTINE.match(record.getMessage())


class _Brief(logging.Formatter):
    """Formats records as another does, the kinds of errors in place of their messages."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        brief = copy.copy(record)  # other handlers have the record too
        if found := FAILED_STATE.match(str(record.msg)):
            brief.msg = f"{found[1]}: {found[2]}"
        elif isinstance(record.args, tuple):
            brief.args = tuple(_kind(value) for value in record.args)
        return without_credentials(self._inner.format(brief))  # of tracebacks too


def _kind(value: object) -> object:
    return f"{type(value).__name__}, see the end" if isinstance(value, Seq2SeqError) else value
