"""A user's file of pairs, `python own_data.py --pairs N [--characters N | --lists] [--train] [--folder DIR]`.

Pairs of random lower-case text are written as Parquet, or with `--lists` lists of six and of three integers in brackets as
CSV, then read, checked, split, encoded and written by the dataset
step, on one core; with `--train`, a small model is then trained on them for one epoch, on all cores. Prints one JSON object;
`peak_rss_mib` is the peak memory of the process that reads and trains, the file is written by another.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.generate import dataset_inputs, write_dataset
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.making import Made

ROWS = 100_000  # of a row group of the file
# So small that 10,000,000 pairs are trained in minutes: what is measured is how they are fed.
MODEL = {"units": 16, "embedding": 8}
BATCH = 1024


def write_file(path: Path, pairs: int, characters: int) -> None:
    """Writes `pairs` pairs of random text, `characters` a side."""
    rng = np.random.default_rng(0)
    schema = pa.schema([("source", pa.string()), ("target", pa.string())])
    with pq.ParquetWriter(path, schema) as writer:
        for first in range(0, pairs, ROWS):
            rows = min(ROWS, pairs - first)
            offsets = pa.py_buffer(np.arange(0, (rows + 1) * characters, characters, dtype=np.int32))
            texts = [
                pa.StringArray.from_buffers(
                    rows, offsets, pa.py_buffer(rng.integers(97, 123, rows * characters, dtype=np.uint8))
                )
                for _ in schema
            ]
            writer.write_table(pa.table(texts, schema=schema))


def write_lists(path: Path, pairs: int) -> None:
    """Writes `pairs` rows such as `"[1, 2, 3, 4, 5, 6]","[3, 2, 1]"`."""
    rng = np.random.default_rng(0)
    with path.open("w") as file:
        file.write("source,target\n")
        for first in range(0, pairs, ROWS):
            rows = rng.integers(1, 51, (min(ROWS, pairs - first), 6)).tolist()
            file.writelines(f'"{row}","{row[2::-1]}"\n' for row in rows)


def experiment_for(path: Path) -> Experiment:
    """The experiment that learns the file."""
    encoding = "integers" if path.suffix == ".csv" else "characters"
    return check_experiment(
        {
            "data": {"train": path, "source_encoding": encoding, "target_encoding": encoding},
            "model": MODEL,
            "training": {"batch_size": BATCH},
        }
    )


def read(path: Path, store: Store) -> tuple[float, object]:
    """Seconds to read the file and fill the dataset's folder on one core, and the dataset's handle.

    The store's digests and flushes come after, and are not in the seconds.
    """
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    experiment = experiment_for(path)
    seconds = []

    def write(folder: Path) -> Made:
        began = time.perf_counter()
        made = write_dataset(experiment, folder)
        seconds.append(time.perf_counter() - began)
        return made

    dataset = store.make(dataset_inputs(experiment, {}, store), write)
    os.sched_setaffinity(0, cores)
    return seconds[0], dataset


def main() -> None:
    """Writes the file, reads it, trains on it where asked, and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--characters", type=int, default=20)
    parser.add_argument("--lists", action="store_true")
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    chosen = parser.parse_args()
    if chosen.write:
        if chosen.lists:
            write_lists(chosen.write, chosen.pairs)
        else:
            write_file(chosen.write, chosen.pairs, chosen.characters)
        return
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        path = Path(folder, "pairs.csv" if chosen.lists else "pairs.parquet")
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--write", str(path)], check=True)
        seconds, dataset = read(path, Store(Path(folder, "store")))
        result = {"pairs": chosen.pairs, "seconds": seconds, "pairs_per_s": chosen.pairs / seconds}
        if chosen.train:
            from tasks.train import write_training

            training = Path(folder, "training")
            training.mkdir()
            made = write_training(experiment_for(path), dataset, training)
            result["train_sequences_per_s"] = made.facts["sequences_per_s"]
        result["peak_rss_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(result))


if __name__ == "__main__":
    main()
