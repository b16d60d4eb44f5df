"""What a flow logs that no command of ours runs, but a worker, `flows.serve` or Python; importing it sees to that.

A worker's process has one line of an error of ours: Prefect logs it with a traceback when the flow ends, again as its
state, and with a traceback as the process ends. Where Python calls a flow, Prefect says where its server is.
"""

from __future__ import annotations

import logging
import os

from flows._cli.failures import FAILED_STATE, closing_words, only_news, without_credentials_in, without_traceback
from tasks.runtime.log import RUN_LOGGERS, console_handlers
from tasks.seq2seq.errors import Seq2SeqError

_ENGINE = "prefect.engine"
_NOTICES = ("Starting temporary server", "Stopping temporary server")


_told: list[Seq2SeqError] = []


def is_deployed() -> bool:
    """Whether Prefect runs one flow run in this process."""
    return "PREFECT__FLOW_RUN_ID" in os.environ


def tell_once() -> None:
    """Has each error be one line of the log, which a person reads; Prefect's pages keep the state of each step."""
    logging.getLogger(_ENGINE).addFilter(_is_not_ours)
    for name in RUN_LOGGERS:
        logger = logging.getLogger(name)
        for change in (_in_one_line, without_traceback, without_credentials_in):
            logger.addFilter(change)
    only_news()
    for handler in console_handlers():
        handler.addFilter(_is_first)


def _error_of(record: logging.LogRecord) -> Seq2SeqError | None:
    error = record.exc_info[1] if record.exc_info else None
    return error if isinstance(error, Seq2SeqError) else None


def _is_not_ours(record: logging.LogRecord) -> bool:
    return _error_of(record) is None


def _in_one_line(record: logging.LogRecord) -> bool:
    """Says the error of a flow as a command does, once; that of a step is the flow's a moment later."""
    error = _error_of(record)
    if error and error not in _told and record.name == RUN_LOGGERS[0]:
        record.msg, record.args = closing_words(str(error), error), ()
        record.is_told = True
        _told.append(error)
    return True


def _is_first(record: logging.LogRecord) -> bool:
    """Whether a record is not one of those that tell an error again."""
    is_again = getattr(record, "is_told_at_the_end", False) and not getattr(record, "is_told", False)
    return not is_again and not FAILED_STATE.match(str(record.msg))


def _is_no_notice(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_NOTICES)


logging.getLogger("prefect").addFilter(_is_no_notice)
if is_deployed():
    tell_once()
