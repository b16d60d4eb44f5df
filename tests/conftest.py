"""What tests of several folders share."""

import functools
import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).parent.parent

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

os.environ.setdefault("DO_NOT_TRACK", "1")  # else Prefect's server calls home

# Machines are shared: how long an example takes says nothing.
hypothesis.settings.register_profile("shared", deadline=None)
hypothesis.settings.register_profile("fast", deadline=None, max_examples=10)

# Libraries that take seconds to load, and fixtures that start processes.
HEAVY = {"tensorflow", "keras", "prefect", "selenium", "matplotlib", "onnxruntime", "sacrebleu"}
STARTING = {"start_python", "start_process"}
# Imports by patterns: to read tokens or syntax trees would take longer than most tests.
NOT_RUN = re.compile(r'"""(?s:.*?)"""|#.*|^if TYPE_CHECKING:\n(?:(?: .*)?\n)+', re.MULTILINE)
IMPORT = re.compile(r"^ *(?:from ([\w.]+) )?import (\([^)]*\)|.*)", re.MULTILINE)


def pytest_addoption(parser):
    parser.addoption("--fast", action="store_true", help="only tests that load nothing large and start no process")


def pytest_configure(config):
    fast = config.getoption("--fast")
    hypothesis.settings.load_profile("fast" if fast else "shared")
    if fast:
        sys.addaudithook(_refuse_processes)


def pytest_ignore_collect(collection_path, config):
    """With `--fast`, a file of tests that reaches something large is not even imported."""
    if config.getoption("--fast") and collection_path.name.startswith("test_") and _is_heavy(collection_path):
        return True
    return None


def pytest_collection_modifyitems(config, items):
    if config.getoption("--fast"):
        config.hook.pytest_deselected(items=[item for item in items if _takes_seconds(item)])
        items[:] = [item for item in items if not _takes_seconds(item)]


def _takes_seconds(item):
    return item.get_closest_marker("seconds") or STARTING & set(item.fixturenames)


def _refuse_processes(event, _arguments):
    """With `--fast`, a test that starts a process fails, so that each new one gets its marker."""
    if event == "subprocess.Popen" and "PYTEST_CURRENT_TEST" in os.environ:
        raise AssertionError("expected no process in a test of --fast; give the test the marker `seconds`")


def _is_heavy(path):
    """Whether a file, or a module that it imports, also in a function, imports something large."""
    waiting, seen = [path], set()
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        names = _imported(one)
        if any(name.split(".")[0] in HEAVY for name in names):
            return True
        waiting += [file for name in names if (file := _file_of(name))]
    return False


@functools.cache
def _imported(path):
    """The modules that a file imports, and what it imports from them."""
    imported = set()
    for module, listed in IMPORT.findall(NOT_RUN.sub("", path.read_text())):
        names = [words.split()[0] for words in listed.strip("()").split(",") if words.strip()]
        imported |= {module, *(f"{module}.{name}" for name in names)} if module else {*names}
    return imported


@functools.cache
def _file_of(module):
    file = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    return file if file.is_file() else None


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
