"""What tests of several folders share."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).parent.parent

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# Machines are shared: how long an example takes says nothing.
hypothesis.settings.register_profile("shared", deadline=None)
hypothesis.settings.load_profile("shared")
os.environ.setdefault("DO_NOT_TRACK", "1")  # else Prefect's server calls home


@pytest.fixture(autouse=True, scope="session")
def interrupts_reach_processes():
    """A test run in the background of a shell ignores interrupts, and so would every process that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def start_python():
    """Starts a process of its own that runs some code from the checkout; it is killed when the test ends."""
    started = []

    def start(code, *arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def run_python(start_python):
    """Runs some code in a process of its own and gives what it printed; it must succeed."""

    def run(code, *arguments):
        process = start_python(code, *arguments)
        out, err = process.communicate()
        assert process.returncode == 0, err
        return out

    return run
