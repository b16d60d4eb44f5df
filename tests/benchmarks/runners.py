"""The kinds of runners on the same rows, `python tests/benchmarks/runners.py --model NAME --store DIR`.

Each kind predicts the rows in one file and in several, in turns; what is told of each is the median of its turns: seconds
by the clock, CPU seconds of all its processes, and CPU microseconds a row. Where a machine has other work, only the CPU
seconds tell.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rows import write_rows

ROOT = Path(__file__).parents[2]
KINDS = ("threads", "processes", "dask")


def measure(inbox: Path, output: Path, kind: str, flags: list[str]) -> tuple[float, float]:
    """Seconds by the clock and of CPU that a batch prediction takes."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    words = ["-m", "flows.batch_predict", str(inbox), "--output", str(output), "--settle", "0", "--runner.kind", kind]
    done = subprocess.run([sys.executable, *words, *flags], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - began, cpu


def write_inbox(folder: Path, rows: int, files: int) -> Path:
    """A folder of files with so many rows together."""
    folder.mkdir()
    for i in range(files):
        write_rows(folder / f"{i:03d}.parquet", rows // files)
    return folder


def main() -> None:
    """Measures, and prints a line of JSON for each kind and number of files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--kinds", nargs="+", default=["threads", "processes"], choices=KINDS)
    parser.add_argument("--model", required=True)
    parser.add_argument("--store", type=Path, required=True)
    chosen = parser.parse_args()
    flags = ["--model", chosen.model, "--store", str(chosen.store), "--runner.workers", str(chosen.workers)]
    with tempfile.TemporaryDirectory() as where:
        for files in chosen.files:
            inbox = write_inbox(Path(where) / f"in{files}", chosen.rows, files)
            found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in chosen.kinds}
            for turn in range(chosen.turns):
                for kind in chosen.kinds:
                    found[kind].append(measure(inbox, Path(where) / f"{files}-{kind}-{turn}", kind, flags))
            for kind, pairs in found.items():
                seconds, cpu = (statistics.median(values) for values in zip(*pairs, strict=True))
                said = {"files": files, "kind": kind, "seconds": round(seconds, 1), "cpu": round(cpu, 1)}
                print(json.dumps({**said, "cpu_us_a_row": round(cpu / chosen.rows * 1e6, 1)}), flush=True)


if __name__ == "__main__":
    main()
