"""What of Prefect is not promised and used: each part still does what it is used for."""

import logging
import time

from prefect import flow, get_run_logger
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId

from flows._server.prefect_internals import drain, make_server_app, recorder_log


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
