"""What tests of several folders share."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import hypothesis
import pytest

from tasks.runtime.code import read_source

ROOT = Path(__file__).parent.parent

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# Machines are shared: how long an example takes says nothing.
hypothesis.settings.register_profile("shared", deadline=None)
hypothesis.settings.load_profile("shared")
os.environ.setdefault("DO_NOT_TRACK", "1")  # else Prefect's server calls home


# What takes seconds: libraries that load slowly, and processes that tests start.
HEAVY = {"tensorflow", "keras", "prefect", "selenium", "matplotlib", "onnxruntime", "sacrebleu"}
PROCESSES = {"run_python", "start_python", "start_process"}


def pytest_addoption(parser):
    parser.addoption("--fast", action="store_true", help="only tests that load nothing large and start no process")


def pytest_ignore_collect(collection_path, config):
    """With `--fast`, a file of tests that reaches something large is not even imported."""
    if config.getoption("--fast") and collection_path.name.startswith("test_") and _is_heavy(collection_path):
        return True
    return None


def pytest_collection_modifyitems(config, items):
    if config.getoption("--fast"):
        config.hook.pytest_deselected(items=[item for item in items if PROCESSES & set(item.fixturenames)])
        items[:] = [item for item in items if not PROCESSES & set(item.fixturenames)]


def _is_heavy(path):
    """Whether a file, or a module that it imports, also in a function, imports something large."""
    waiting, seen = [path], set()
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        for module, names in read_source(one.read_text()).imports:
            if module.split(".")[0] in HEAVY:
                return True
            inside = (module, *(f"{module}.{name}" for name in names))
            waiting += [
                file for name in inside if (file := ROOT.joinpath(*name.split(".")).with_suffix(".py")).is_file()
            ]
    return False


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
