"""Parts of Prefect that it does not promise to keep, in one place. Tried on Prefect 3.9.1.

A test holds each to what it is used for, so that a new version of Prefect that moves one fails there and nowhere else.
Prefect is imported where a part is asked for: who only starts a server process has not loaded it.
"""

from __future__ import annotations

import logging
from typing import Any

DRAIN_SECONDS = 10.0


def drain() -> None:
    """Sends the logs and events that Prefect still holds back: a server that ends before makes it print errors."""
    from prefect.events.worker import EventsWorker  # noqa: PLC0415 - see above
    from prefect.logging.handlers import APILogWorker  # noqa: PLC0415 - likewise

    APILogWorker.drain_all(timeout=DRAIN_SECONDS)
    EventsWorker.drain_all(timeout=DRAIN_SECONDS)


def make_server_app(*, full: bool) -> Any:  # noqa: ANN401 - an ASGI application
    """Prefect's server for a process of our own; `full` with its pages and its services, the scheduler among them."""
    from prefect.server.api.server import create_app  # noqa: PLC0415 - see above

    return create_app(ephemeral=not full, final=True)


def recorder_log() -> logging.Logger:
    """The log of the service that records task runs, which tells of writes that the server's end cut off."""
    return logging.getLogger("prefect.server.services.task_run_recorder")
