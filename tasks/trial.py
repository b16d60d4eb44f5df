"""A trial of a sweep as a task: a worker process makes it, and says what came of it."""

from __future__ import annotations

import time
from typing import Any

from prefect import task

from tasks.runtime.caching import TASK_OPTIONS
from tasks.runtime.log import logger
from tasks.runtime.runners import WorkerEnded, workers_of_run
from tasks.seq2seq.errors import Seq2SeqError
from tasks.seq2seq.sweep.trials import Result, Trial

TRIES = 2  # of a trial whose worker ends: the system may have taken its memory for a moment


@task(name="run trial", task_run_name="trial {trial.number}, seed {trial.seed}", **TASK_OPTIONS)
def run_trial(trial: Trial, request: dict[str, Any], before: float | None = None) -> Result | None:
    """Has a worker of the run make a trial.

    Args:
        trial: what is tried.
        request: what the worker takes, and which of our functions that is (`call`).
        before: no trial is begun after this time, in seconds since the epoch.

    Returns:
        What came of it; None where it was not begun.
    """
    how = ""
    for _ in range(TRIES):
        if before is not None and time.time() >= before:
            return None
        try:
            return _said(Result.model_validate(workers_of_run().run(request["call"], request, lambda _told: None)))
        except Seq2SeqError as error:
            return _said(Result.without_score(trial, "refused", str(error)))
        except WorkerEnded as error:
            how = str(error)
            logger().warning("The process of trial %d ended by %s", trial.number, how)
    return _said(Result.without_score(trial, "failed", f"its process ended by {how}"))


def _said(result: Result) -> Result:
    if result.score is None:
        logger().info("Trial %d, %s, %s: %s", result.number, result.settings, result.state, result.reason)
    else:
        logger().info("Trial %d, %s: %.6g", result.number, result.settings, result.score)
    return result
