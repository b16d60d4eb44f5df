"""The log of a step: Prefect's where it runs one, a plain one elsewhere."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Logger = logging.Logger | logging.LoggerAdapter[Any]


def logger() -> Logger:
    """The run's logger, whose lines Prefect keeps with the run; outside of one, a plain one.

    Prefect is not loaded for it: without Prefect there is no run.
    """
    if "prefect" not in sys.modules:
        return logging.getLogger("tasks")
    from prefect.logging import get_run_logger  # noqa: PLC0415 - see above
    from prefect.logging.loggers import get_logger  # noqa: PLC0415 - see above

    try:
        return get_run_logger()
    except RuntimeError:
        return get_logger("tasks")
