"""What becomes of a trial whose worker refuses, ends, or is not asked in time."""

import time

import pytest

from tasks.runtime.runners import Processes, kept_for_run
from tasks.seq2seq.sweep.trials import Trial
from tasks.trial import run_trial

pytestmark = pytest.mark.seconds


@pytest.fixture
def run(tmp_path):
    """Runs a trial by a real process; what it does is its setting."""

    def run(what, before=None):
        trial = Trial(3, {"model.units": what}, 7)
        return run_trial.fn(
            trial,
            {"call": "tests.helpers.trial_workers:answer", "trial": trial._asdict(), "store": str(tmp_path)},
            before,
        )

    with Processes(1) as workers, kept_for_run(workers):
        yield run


def test_a_trial_has_the_score_that_its_worker_says(run):
    result = run("work")
    assert (result.number, result.seed, result.state, result.score) == (3, 7, "scored", 0.5)


def test_a_trial_that_cannot_be_trained_is_refused_with_the_reason(run):
    result = run("refuse")
    assert (result.state, result.reason, result.score) == ("refused", "the loss is not a number", None)


def test_a_trial_whose_worker_is_killed_is_begun_once_more(run):
    assert run("die once").state == "scored"


def test_a_trial_whose_worker_is_killed_every_time_is_failed_and_the_next_one_is_made(run):
    result = run("die")
    assert (result.state, result.reason) == ("failed", "its process ended by signal SIGKILL")
    assert run("work").state == "scored"


def test_no_trial_is_begun_once_the_time_is_over(run):
    assert run("work", before=time.time() - 1) is None
    assert run("work", before=time.time() + 60).state == "scored"
