"""What a step tries again, on a real server."""

import pytest
from prefect import flow, task

from tasks.caching import TASK_OPTIONS, run_step
from tasks.seq2seq.errors import DataError


def run_failing(errors):
    """Runs a task that raises `errors` one after another, and gives how often it was called."""
    calls = []

    @task(**{**TASK_OPTIONS, "retry_delay_seconds": 0})
    def step():
        calls.append(1)
        if len(calls) <= len(errors):
            raise errors[len(calls) - 1]

    @flow
    def once():
        run_step(step)

    try:
        once()
    except (OSError, DataError, ValueError) as error:
        return len(calls), error
    return len(calls), None


def test_trouble_of_the_system_is_tried_again():
    assert run_failing([OSError("stale handle"), OSError("stale handle")]) == (3, None)


@pytest.mark.parametrize("error", [DataError("row 3 is wrong"), ValueError("a bug")])
def test_what_will_not_pass_is_not_tried_again(error):
    calls, raised = run_failing([error, error])
    assert calls == 1
    assert type(raised) is type(error)
