"""Trials of a sweep by two workers against one, `python sweep.py`: eight small trainings, each of other settings.

Prints one JSON object: seconds from the first worker's start to the last trial's end, and CPU seconds of all workers, by
the number of workers; how many times as fast two are; and how many times as fast they would be if nothing else ran, by CPU
seconds: two workers share what they take, if the machine has two cores for them. Each round has a store of its own.
"""

import json
import resource
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from flows._pipelines.trials import WORKER, Trials
from tasks.runtime.runners import Workers
from tasks.seq2seq.sweep.check import check_sweep_settings
from tasks.seq2seq.sweep.trials import Trial

UNITS = (24, 28, 32, 36, 40, 44, 48, 52)


def settings_of(n_workers: int) -> dict[str, Any]:
    """A sweep over widths of a small model."""
    return {
        "data": {"n_samples": 20_000},
        "model": {"embedding": 32},
        "sweep": {"trials": len(UNITS), "workers": n_workers, "space": {"model.units": [*UNITS]}},
    }


def cpu_seconds() -> float:
    """Of all processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(n_workers: int) -> tuple[float, float]:
    """Seconds, and CPU seconds, of all trials."""
    cpu = cpu_seconds()
    with tempfile.TemporaryDirectory() as folder:
        trials = Trials(check_sweep_settings(settings_of(n_workers)), Path(folder) / "store")
        requests = [trials.request(Trial(i, {"model.units": units}, 0)) for i, units in enumerate(UNITS)]
        began = time.perf_counter()
        with Workers(WORKER, n_workers) as workers, ThreadPoolExecutor(n_workers) as threads:
            scores = [one["score"] for one in threads.map(lambda one: workers.run(one, lambda _told: None), requests)]
            seconds = time.perf_counter() - began
    assert all(score is not None for score in scores)
    return seconds, cpu_seconds() - cpu


def main() -> None:
    """Measures one worker and two."""
    measured = {n: measure(n) for n in (1, 2)}
    (one, cpu_of_one), (two, cpu_of_two) = measured[1], measured[2]
    print(
        json.dumps(
            {
                "seconds": {n: round(seconds, 1) for n, (seconds, _) in measured.items()},
                "cpu_seconds": {n: round(cpu, 1) for n, (_, cpu) in measured.items()},
                "times_as_fast": round(one / two, 2),
                "times_as_fast_by_cpu_seconds": round(2 * cpu_of_one / cpu_of_two, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
