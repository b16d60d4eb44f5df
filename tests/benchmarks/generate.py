"""Our dataset step, `python generate.py [--samples N] [--repeats N] [--folder DIR]`: prints one JSON object.

Pairs of the default problem are drawn and stored as the store does it: written aside, digested, flushed and
renamed, each time into a new store below DIR. `seconds` is the median, imports are not in it;
`peak_rss_mib` is the peak memory of this process.
"""

import argparse
import json
import resource
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tasks.generate import dataset_inputs, write_dataset
from tasks.seq2seq.settings.data import SyntheticData
from tasks.seq2seq.settings.experiment import Experiment
from tasks.storage.store.artifact_store import Store


def store_dataset(samples: int, folder: Path) -> tuple[float, int]:
    """Seconds to make a dataset of `samples` pairs in a new store, and its size in bytes; removes it again."""
    experiment = Experiment(data=SyntheticData(n_samples=samples))
    root = Path(tempfile.mkdtemp(dir=folder))
    try:
        store = Store(root)
        began = time.perf_counter()
        made = store.make(dataset_inputs(experiment, {}, store), lambda path: write_dataset(experiment, path))
        seconds = time.perf_counter() - began
        return seconds, sum(path.stat().st_size for path in made.path.iterdir())
    finally:
        shutil.rmtree(root)


def main() -> None:
    """Makes the dataset as often as asked and prints the median time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    chosen = parser.parse_args()
    times, sizes = zip(*(store_dataset(chosen.samples, chosen.folder) for _ in range(chosen.repeats)), strict=True)
    seconds = statistics.median(times)
    result = {
        "pairs": chosen.samples,
        "seconds": seconds,
        "first_s": times[0],
        "pairs_per_s": chosen.samples / seconds,
        "bytes": sizes[0],
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
