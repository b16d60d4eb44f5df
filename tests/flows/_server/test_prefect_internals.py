"""What of Prefect is not promised and used: each part still does what it is used for."""

import asyncio
import logging
import time

import pytest
import sqlalchemy
from prefect import flow, get_run_logger
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.server.database.dependencies import provide_database_interface, temporary_database_interface
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, temporary_settings

from flows._server.prefect_internals import drain, lock_before_reading, make_server_app, recorder_log


@flow
def say_something():
    get_run_logger().warning("a line that may still be held back")
    return get_run_logger().extra["flow_run_id"]


def test_after_a_drain_the_server_has_every_line():
    run = say_something()
    drain()
    with get_client(sync_client=True) as client:
        logs = client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run])))
    assert "a line that may still be held back" in {log.message for log in logs}


def test_a_drain_of_nothing_takes_no_time():
    drain()
    began = time.perf_counter()
    drain()
    assert time.perf_counter() - began < 5


def test_the_server_for_a_run_answers_like_the_full_one():
    """That the whole app is there; what it serves, the tests of processes show."""
    for full in (False, True):
        app = make_server_app(full=full)
        assert callable(app)
        assert {"/api"} <= {getattr(route, "path", None) for route in app.routes}


def test_the_recorder_logs_under_the_name_that_is_filtered():
    from prefect.server.services import task_run_recorder

    assert recorder_log().name in {
        value.name for value in vars(task_run_recorder).values() if isinstance(value, logging.Logger)
    }


@pytest.fixture
def database(tmp_path):
    """The configuration of a SQLite database of its own; Prefect's again when the test ends."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'prefect.db'}"
    with temporary_settings({PREFECT_API_DATABASE_CONNECTION_URL: url}), temporary_database_interface():
        yield lambda: provide_database_interface().database_config


async def write_after_another_has(database):
    """A transaction that reads, and writes when another one has written, or waits to."""
    engine = await database.engine()

    async def write(session):
        await session.execute(sqlalchemy.text("INSERT INTO numbers VALUES (1)"))

    async def write_in_between():
        async with await database.session(engine) as other, database.begin_transaction(other):
            await write(other)

    async with await database.session(engine) as first:
        async with database.begin_transaction(first):
            await first.execute(sqlalchemy.text("CREATE TABLE numbers (one)"))
        async with database.begin_transaction(first):
            await first.execute(sqlalchemy.text("SELECT * FROM numbers"))
            other = asyncio.create_task(write_in_between())
            await asyncio.wait([other], timeout=1)
            await write(first)
        await other
        async with database.begin_transaction(first):
            found = await first.execute(sqlalchemy.text("SELECT count(*) FROM numbers"))
            return found.scalar()


def test_a_transaction_of_our_server_that_reads_first_can_write_when_another_has_written(database):
    lock_before_reading()
    assert asyncio.run(write_after_another_has(database())) == 2


def test_prefects_own_cannot(database):
    """When it can, what our server does instead is not needed any more."""
    with pytest.raises(sqlalchemy.exc.OperationalError, match="database is locked"):
        asyncio.run(write_after_another_has(database()))
