"""The worker process of a sweep."""

import contextlib
import os
import subprocess
import sys

import psutil
import pytest

from tests.conftest import ROOT
from tests.helpers.processes import wait_for

pytestmark = pytest.mark.seconds
# What a worker does with its first request, before it trains for a long time.
WORKER = """
import sys, time
from flows._pipelines.trial_worker import end_with
end_with(int(sys.argv[1]))
print("watching", flush=True)
time.sleep(600)
"""
STARTER = f"""
import os, subprocess, sys
worker = subprocess.Popen([sys.executable, "-c", {WORKER!r}, str(os.getpid())])
print(worker.pid, flush=True)
worker.wait()
"""


def test_a_worker_ends_when_whoever_started_it_is_killed():
    starter = subprocess.Popen([sys.executable, "-c", STARTER], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    worker = psutil.Process(int(starter.stdout.readline()))
    try:
        assert starter.stdout.readline() == "watching\n"
        starter.kill()
        starter.wait()
        wait_for(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, seconds=60)
    finally:
        starter.kill()
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.kill()
        starter.communicate()


def test_a_worker_whose_starter_ended_before_it_was_asked_ends_at_once():
    """Its parent is then another process, which did not send the request."""
    worker = subprocess.run([sys.executable, "-c", WORKER, str(os.getpid() + 1)], cwd=ROOT, timeout=120, check=False)
    assert worker.returncode == 1
