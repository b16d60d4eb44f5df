"""One sequence at a time, `python predict_one.py --store DIR`: prints sequences/s of `load_predictor` as JSON.

Plain lists in and out, as a service would call it, with the model that is promoted in the store.
"""

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from tasks.predict import load_predictor

CALLS = 500
SOURCE_STEPS, SYMBOLS = 6, 50


def main() -> None:
    """Predicts `CALLS` sequences, each on its own, after a first one that compiles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, required=True)
    predictor = load_predictor(store=parser.parse_args().store)
    sources = np.random.default_rng(0).integers(1, SYMBOLS + 1, (CALLS, 1, SOURCE_STEPS)).tolist()
    predictor.predict(sources[0])
    began = time.perf_counter()
    for source in sources:
        predictor.predict(source)
    print(json.dumps({"sequences_per_s": CALLS / (time.perf_counter() - began)}))


if __name__ == "__main__":
    main()
