"""`python -m flows.serve` as a process, and what its server knows of the runs."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise

import httpx
import psutil
import yaml

from flows._cli.checkout import ROOT

TINY = {
    "data": {"n_in": 4, "n_out": 2, "cardinality": 6, "n_samples": 3000},
    "model": {"units": 16, "embedding": 8},
    "training": {"batch_size": 64},
    "evaluation": {"n_samples": 20, "n_examples": 3, "min_sequence_accuracy": 0.0},
}


def write_yaml(path, *deployments, **more):
    """A file of deployments of `train_and_eval` and others."""
    path.write_text(yaml.safe_dump({"deployments": deployments, **more}))
    return path


def training(name, store, *, seconds=None, **more):
    """A deployment that trains a tiny model of that name every so many seconds."""
    return {
        "name": name,
        "entrypoint": "flows/train_and_eval.py:train_and_eval",
        "parameters": {"experiment": {"name": name, **TINY}, "store": str(store)},
        "schedules": [{"interval": seconds}] if seconds else [],
        **more,
    }


@contextmanager
def serving(path, environment, *flags, log):
    """The process, once it serves, with the URL of its server; killed when the block ends."""
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.serve", "--deployments", str(path), "--port", "0", *flags],
            cwd=ROOT,
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # as a terminal does, so that Ctrl-C can be sent to all of it
        )
        try:
            url = wait_for(lambda: re.search(r"look at (\S+)\n(  .*\n)+", log.read_text()), process=process)[1]
            yield process, f"{url}/api"
        except AssertionError as error:
            error.add_note(log.read_text())  # what waiting in vain does not say
            raise
        finally:
            left = children(process)
            process.kill()
            process.wait()
            for child in left:
                child.kill()


def children(process):
    """Processes below this one."""
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        return []


def end(process, number=signal.SIGINT):
    """Ctrl-C, or another signal; gives the exit code, once all of its processes are gone."""
    below = children(process)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does: to all of the foreground
    else:
        process.send_signal(number)
    code = process.wait(60)
    _, alive = psutil.wait_procs(below, timeout=60)
    assert not alive
    return code


def wait_for(condition, seconds=280, process=None):
    """What a condition gives, once it is true."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline
        assert process is None or process.poll() is None
        time.sleep(0.5)
    return result


def ask(url, what, **query):
    """What the server answers to a filter."""
    answer = httpx.post(f"{url}/{what}/filter", json=query, timeout=30)
    answer.raise_for_status()
    return answer.json()


def runs_of(url, name):
    """The runs of a deployment."""
    return ask(url, "flow_runs", deployments={"name": {"any_": [name]}}, sort="EXPECTED_START_TIME_ASC")


def states(url, name, state):
    """Those in a state."""
    return [run for run in runs_of(url, name) if run["state_name"] == state]


def overlapping(runs):
    """Pairs of runs that were under way at once."""
    spans = sorted((datetime.fromisoformat(run["start_time"]), datetime.fromisoformat(run["end_time"])) for run in runs)
    return [(one, other) for one, other in pairwise(spans) if other[0] < one[1]]
