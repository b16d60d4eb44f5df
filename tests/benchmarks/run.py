"""Measures the project side by side with its anchors: `python tests/benchmarks/run.py --help`.

Exit codes: 0 everything was measured, whether or not the goals are met; 1 a measurement failed; 2 refused.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil
from architectures import SHAPES
from figures import FIGURES, FULL_ONLY, GROUPS, QUIET_CORES, Figure, Results, evaluate, format_table, is_disturbed
from measurements import IN_EACH_ROUND, MADE_BEFORE, ONCE, Place
from processes import MeasurementError, Processes

EXIT_SUCCESS, EXIT_FAILED, EXIT_REFUSED, EXIT_INTERRUPTED = 0, 1, 2, 130
PEERS = {"torch": "torch", "tutorial": "tensorflow", "gemm": "numpy", **{f"torch_{name}": "torch" for name in SHAPES}}
STREAM_BYTES = 2_000_000_000


class RefusedError(Exception):
    """This machine or environment cannot run what was asked for."""


def main(argv: list[str] | None = None) -> int:
    """Measures, prints the table, writes the JSON file, and gives the exit code."""
    chosen = parse(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    figures = [figure for figure in FIGURES if figure.group in chosen.only]
    wanted = measurements_for(figures)
    try:
        check(wanted)
        results = measure(wanted, chosen.rounds)
    except RefusedError as error:
        say(f"refused: {error}")
        return EXIT_REFUSED
    except MeasurementError as error:
        say(f"failed: {error}")
        return EXIT_FAILED
    except KeyboardInterrupt:
        say("interrupted")
        return EXIT_INTERRUPTED
    evaluated = [evaluate(figure, results) for figure in figures]
    print(format_table(evaluated))
    print(judge_quiet(results))
    content = {"machine": describe_machine(), "figures": evaluated, "measurements": results}
    chosen.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return EXIT_SUCCESS


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line; `only` is filled in."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured (3)")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="file to write (bench.json)")
    parser.add_argument("--only", nargs="+", choices=GROUPS, metavar="NAME", help=f"of {', '.join(GROUPS)}")
    parser.add_argument("--full", action="store_true", help=f"with {' and '.join(FULL_ONLY)}, which take long")
    chosen = parser.parse_args(argv)
    if chosen.rounds < 1:
        parser.error("--rounds must be at least 1")
    if not chosen.json.absolute().parent.is_dir():
        parser.error(f"--json {chosen.json}: there is no such folder")
    chosen.only = chosen.only or [group for group in GROUPS if chosen.full or group not in FULL_ONLY]
    return chosen


def measurements_for(figures: Iterable[Figure]) -> set[str]:
    """What must be measured for these figures, and before it."""
    wanted = set().union(*(figure.needs for figure in figures))
    while before := {MADE_BEFORE[name] for name in wanted if name in MADE_BEFORE} - wanted:
        wanted |= before
    return wanted


def check(wanted: set[str]) -> None:
    """Refuses to begin where a peer is not installed or the disk is too small.

    Raises:
        RefusedError: naming what is missing.
    """
    missing = {PEERS[name] for name in wanted if name in PEERS and not importlib.util.find_spec(PEERS[name])}
    if missing:
        raise RefusedError(
            f"{', '.join(sorted(missing))} is not installed, and the figures are ratios to it; install "
            f"requirements-bench.lock, or choose figures without it with --only"
        )
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if "stream" in wanted and free < STREAM_BYTES:
        raise RefusedError(
            f"{tempfile.gettempdir()} has {free / 1e9:.1f} GB left, streaming takes up to {STREAM_BYTES / 1e9:.0f}; "
            f"make room, or set TMPDIR"
        )


def measure(wanted: set[str], rounds: int) -> Results:
    """Every wanted measurement, round by round; nothing of it is left behind."""
    results: Results = {name: [] for name in (*IN_EACH_ROUND, *ONCE) if name in wanted}
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    with Processes(folder) as processes:
        for number in range(1, rounds + 1):
            with new_place(processes, folder / f"round-{number}") as place:
                for name in filter(wanted.__contains__, IN_EACH_ROUND):
                    results[name].append(measure_one(name, place, f"round {number}/{rounds}"))
        with new_place(processes, folder / "once") as place:
            for name in filter(wanted.__contains__, ONCE):
                results[name].append(measure_one(name, place, "once"))
    return results


@contextlib.contextmanager
def new_place(processes: Processes, folder: Path) -> Iterator[Place]:
    """A folder for one round, removed after it."""
    folder.mkdir()
    yield Place(processes, folder)
    shutil.rmtree(folder)


def measure_one(name: str, place: Place, when: str) -> dict[str, Any]:
    """One measurement, told to whoever watches."""
    began, elsewhere = time.perf_counter(), cpu_seconds_elsewhere()
    say(f"{when}: {name} ...")
    result = {**IN_EACH_ROUND, **ONCE}[name](place)
    seconds = time.perf_counter() - began
    cores = (cpu_seconds_elsewhere() - elsewhere) / seconds
    disturbed = f", DISTURBED: other programs used {cores:.2f} cores" if cores > QUIET_CORES else ""
    say(f"{when}: {name} took {seconds:.1f} s{disturbed}")
    return {**result, "cores_used_elsewhere": round(cores, 3)}


def cpu_seconds_elsewhere() -> float:
    """CPU seconds since the machine's start that neither this process nor one it waited for has used."""
    machine = psutil.cpu_times()
    ours = psutil.Process().cpu_times()
    busy = machine.user + machine.system + getattr(machine, "steal", 0.0) + getattr(machine, "irq", 0.0)
    return busy - ours.user - ours.system - ours.children_user - ours.children_system


def judge_quiet(results: Results) -> str:
    """Whether other programs were at work meanwhile, in which case the figures say little."""
    disturbed = sum(is_disturbed(run) for runs in results.values() for run in runs)
    total = sum(map(len, results.values()))
    if not disturbed:
        return f"the machine was quiet in all {total} measurements"
    return f"OTHER PROGRAMS DISTURBED {disturbed} of {total} measurements (cores_used_elsewhere in the JSON file)"


def describe_machine() -> dict[str, Any]:
    """What the figures were taken on."""
    libraries = ("keras", "numpy", "prefect", "pyarrow", "tensorflow", "torch")
    versions = {}
    for name in libraries:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return {
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": versions,
    }


def say(message: str) -> None:
    """Tells what is going on, apart from the table."""
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
