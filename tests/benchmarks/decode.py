"""Our greedy decoding, `python decode.py`: prints sequences/s of the predictor as one JSON object.

The default model with random weights, which decode as fast as trained ones: the predictor as the flows call it, arrays in
and out, in the batches that it chooses itself, side by side on the cores.
"""

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
from architectures import EMBEDDING, TOKENS, UNITS

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.inference.predictor import Predictor
from tasks.seq2seq.settings.architecture import Architecture, Side
from tasks.seq2seq.settings.model import ModelSettings
from tests.helpers.engines import engine_of
from tests.helpers.random_weights import random_weights

SOURCE_STEPS, TARGET_STEPS = 6, 3
ROWS, CALLS = 20_000, 5
VOCABULARY = Vocabulary.identity(TOKENS - 1)


def main() -> None:
    """Predicts `ROWS` sources several times, after a first time, and prints the rate."""
    settings = ModelSettings(units=UNITS, embedding=EMBEDDING)
    architecture = Architecture(Side(TOKENS), Side(TOKENS), masked=False, settings=settings)
    engine = engine_of(architecture, random_weights(architecture))
    predictor = Predictor(engine, Codecs(VOCABULARY, VOCABULARY), TARGET_STEPS)
    rows = Sequences.of_rows(np.random.default_rng(0).integers(1, TOKENS, (ROWS, SOURCE_STEPS), dtype=np.int32))
    predictor.predict(rows)
    began = time.perf_counter()
    for _ in range(CALLS):
        predictor.predict(rows)
    print(json.dumps({"predict_sequences_per_s": CALLS * ROWS / (time.perf_counter() - began)}))


if __name__ == "__main__":
    main()
