"""The log of a step: Prefect's where it runs one, a plain one elsewhere."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.seq2seq.shown import shown_lines

if TYPE_CHECKING:
    from prefect.logging.handlers import PrefectConsoleHandler

    Logger = logging.Logger | logging.LoggerAdapter[Any]

RUN_LOGGERS = ("prefect.flow_runs", "prefect.task_runs")


def logger() -> Logger:
    """The run's logger, whose lines Prefect keeps with the run; outside of one, a plain one.

    Prefect is not loaded for it: without Prefect there is no run.
    """
    if "prefect" not in sys.modules:
        return _only_read(logging.getLogger("tasks"))
    from prefect.logging import get_run_logger  # noqa: PLC0415 - see above
    from prefect.logging.loggers import get_logger  # noqa: PLC0415 - see above

    try:
        return _only_read(get_run_logger())
    except RuntimeError:
        return _only_read(get_logger("tasks"))


def console_handlers() -> list[PrefectConsoleHandler]:
    """Those that write the lines of runs where a person sees them."""
    from prefect.logging.handlers import PrefectConsoleHandler  # noqa: PLC0415 - who has no run needs none

    found: list[PrefectConsoleHandler] = []
    logger: logging.Logger | None = logging.getLogger(RUN_LOGGERS[0])
    while logger:
        found += [handler for handler in logger.handlers if isinstance(handler, PrefectConsoleHandler)]
        logger = logger.parent
    return found


def _only_read(found: Logger) -> Logger:
    """The logger, of whose lines nothing acts on a terminal or on Prefect's pages: much in them comes from files."""
    inner = found.logger if isinstance(found, logging.LoggerAdapter) else found
    if _show not in inner.filters:
        inner.addFilter(_show)
    return found


def _show(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple(shown_lines(one) if isinstance(one, str | Path) else one for one in record.args)
    return True
