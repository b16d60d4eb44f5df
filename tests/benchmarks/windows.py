"""Windows of series against pairs of the same shape, `python windows.py [--series N] [--steps N] [--part index|train]`.

`index`: a panel of series, hours with one column of sales, is taken in on one core. Of the whole dataset step, and of the
part that puts the steps in order, counts, splits and indexes the windows and writes them, it gives windows per CPU second.
`train`: a small model is trained on the windows, and on the same windows as pairs; it gives the CPU seconds of an epoch of
each, without start and tracing: those of three epochs less those of one. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.generate import dataset_inputs, write_dataset
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.artifacts.dataset import read_split
from tasks.storage.ingest.ordered_steps import Steps
from tasks.storage.ingest.series_writing import SeriesMaker
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.manifest import Handle

HISTORY, HORIZON = 24, 6
HOUR = 3_600_000_000  # microseconds
VECTORS = {"source_encoding": "vectors", "target_encoding": "vectors"}


def write_panel(path: Path, n_series: int, n_steps: int) -> None:
    """A row an hour of each series, series by series: id, time, sales."""
    rng = np.random.default_rng(0)
    schema = pa.schema([("store", pa.string()), ("time", pa.timestamp("us")), ("sales", pa.float64())])
    hours = pa.array(np.arange(n_steps) * HOUR).cast(pa.timestamp("us"))
    with pq.ParquetWriter(path, schema) as writer:
        for i in range(n_series):
            sales = 10 + np.sin(np.arange(n_steps) * np.pi / 12) + rng.normal(0, 0.1, n_steps)
            ids = pa.repeat(pa.scalar(f"s{i:05}"), n_steps)
            writer.write_table(pa.table([ids, hours, sales], schema=schema))


def of_windows(path: Path, epochs: int = 1) -> Experiment:
    """Learns the windows of a panel."""
    series = {"source": "sales", "time": "time", "series": "store", "history": HISTORY, "horizon": HORIZON}
    return _experiment({"train": path, **series}, epochs)


def of_pairs(path: Path, epochs: int = 1) -> Experiment:
    """Learns pairs of that shape."""
    return _experiment({"train": path}, epochs)


def _experiment(data: dict[str, Any], epochs: int) -> Experiment:
    training = {"epochs": epochs, "batch_size": 256}
    return check_experiment({"data": {**data, **VECTORS}, "model": {"units": 32}, "training": training})


class Clock:
    """Adds up the CPU seconds of some calls."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, call: Any) -> Any:
        """The same, timed."""

        def run(*args: Any, **more: Any) -> Any:
            began = time.process_time()
            try:
                return call(*args, **more)
            finally:
                self.seconds += time.process_time() - began

        return run


def make(experiment: Experiment, store: Store) -> tuple[Handle, float]:
    """The dataset, and the CPU seconds of filling its folder."""
    clock = Clock()
    fill = clock.timed(write_dataset)
    handle = store.make(dataset_inputs(experiment, {}, store), lambda folder: fill(experiment, folder))
    return handle, clock.seconds


def index(path: Path, store: Store) -> dict[str, float]:
    """Rates on one core."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    clock, in_order = Clock(), Clock()
    with (
        patch.object(SeriesMaker, "add", clock.timed(SeriesMaker.add)),
        patch.object(Steps, "order", in_order.timed(Steps.order)),
    ):
        handle, seconds = make(of_windows(path), store)
    n = sum(handle.fact(f"{split}_rows", int) for split in ("train", "validation", "evaluation"))
    return {
        "windows": n,
        "indexed_windows_per_cpu_s": n / clock.seconds,
        "ordered_windows_per_cpu_s": n / in_order.seconds,
        "whole_step_windows_per_cpu_s": n / seconds,
    }


def write_as_pairs(dataset: Handle, path: Path) -> None:
    """The training windows of a dataset as a file of pairs."""
    blocks = list(read_split(dataset.path, "train"))
    sides = (np.concatenate([getattr(pairs, side).padded() for pairs in blocks]) for side in ("source", "target"))
    np.savez(path, **dict(zip(("source", "target"), sides, strict=True)))


def cpu_of_training(experiment: Experiment, store: Store, folder: Path) -> float:
    """CPU seconds of a training on a dataset that is made before."""
    from tasks.train import write_training

    handle, _ = make(experiment, store)
    folder.mkdir()
    began = time.process_time()
    write_training(experiment, handle, folder)
    return time.process_time() - began


def train(path: Path, store: Store, folder: Path) -> dict[str, float]:
    """CPU seconds of an epoch for each 1,000 windows and pairs; turn by turn, as machines warm up."""
    dataset, _ = make(of_windows(path), store)
    pairs = folder / "pairs.npz"
    write_as_pairs(dataset, pairs)
    experiments = {"windows": (of_windows, path), "pairs": (of_pairs, pairs)}
    seconds: dict[tuple[str, int], float] = {}
    for epochs in (1, 1, 3):  # the first turn also loads the libraries, and is not kept
        for kind, (experiment, where) in experiments.items():
            made = cpu_of_training(experiment(where, epochs), store, folder / f"{kind}-{epochs}-{len(seconds)}")
            seconds[kind, epochs] = made
    result = {}
    for kind, (experiment, where) in experiments.items():
        n = make(experiment(where), store)[0].fact("train_rows", int)
        result[f"{kind}_ms_per_1000"] = 1e6 * (seconds[kind, 3] - seconds[kind, 1]) / 2 / n
    return {**result, "rate_on_windows_over_that_on_pairs": result["pairs_ms_per_1000"] / result["windows_ms_per_1000"]}


def main() -> None:
    """Writes the panel, measures, and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=1_000)
    parser.add_argument("--steps", type=int, default=2_000)
    parser.add_argument("--part", choices=("index", "train"), default="index")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.write:
        write_panel(chosen.write, chosen.series, chosen.steps)
        return
    with tempfile.TemporaryDirectory() as folder:
        path, store = Path(folder, "panel.parquet"), Store(Path(folder, "store"))
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--write", str(path)], check=True)
        found = index(path, store) if chosen.part == "index" else train(path, store, Path(folder))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
