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


def lock_before_reading() -> None:
    """Lets a transaction of the server's SQLite database take the lock for writing when it begins, and wait for it.

    Prefect lets most read first. Where another one writes before such a transaction does, SQLite refuses its write at
    once, whatever time it may wait: "database is locked", and a run is not marked as late, or not as cancelled.
    """
    from prefect.server.database.configurations import AioSqliteConfiguration  # noqa: PLC0415 - see above
    from prefect.server.database.dependencies import set_database_config  # noqa: PLC0415 - likewise
    from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL  # noqa: PLC0415 - likewise

    class LocksBeforeReading(AioSqliteConfiguration):
        def begin_transaction(self, session: Any, with_for_update: bool = True) -> Any:  # noqa: ANN401, ARG002 - as Prefect has it
            return super().begin_transaction(session, with_for_update=True)

    url = PREFECT_API_DATABASE_CONNECTION_URL.value()
    if url.startswith("sqlite"):  # PostgreSQL has no such lock
        set_database_config(LocksBeforeReading(connection_url=url))


def recorder_log() -> logging.Logger:
    """The log of the service that records task runs, which tells of writes that the server's end cut off."""
    return logging.getLogger("prefect.server.services.task_run_recorder")
