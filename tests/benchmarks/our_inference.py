"""Our predictions, `python our_inference.py [CASE ...]`, of the cases in `inference_cases.py`.

The predictor as the flows call it, arrays in and out, on one thread, with random weights, which decode as fast as trained
ones. Prints one JSON object with CPU microseconds a row and rows/s by case; of `one` also the graphs alone.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
from inference_cases import CASES, Case, cost

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.inference.predictor import Predictor
from tasks.seq2seq.inference.search.choices import likeliest
from tasks.seq2seq.settings.architecture import Architecture, Side
from tasks.seq2seq.settings.decoding import DecodingSettings
from tasks.seq2seq.settings.model import ModelSettings
from tests.helpers.engines import engine_of
from tests.helpers.random_weights import random_weights


def measure(name: str, case: Case) -> dict[str, float]:
    """The cost of a row."""
    side = Side(case.tokens)
    settings = ModelSettings.model_validate({**case.shape.settings, "units": case.units})
    architecture = Architecture(side, side, masked=False, settings=settings)
    engine = engine_of(architecture, random_weights(architecture))
    vocabulary = Vocabulary.identity(case.tokens - 1)
    decoding = DecodingSettings(method="beam", beam_width=case.beam) if case.beam else DecodingSettings()
    predictor = Predictor(engine, Codecs(vocabulary, vocabulary), case.n_out, decoding, threads=1)
    source = np.random.default_rng(0).integers(1, case.tokens, (case.rows, case.n_in), dtype=np.int32)
    rows = Sequences.of_rows(source)
    found = cost(lambda: predictor.predict(rows), case.rows)
    if name != "one":
        return found

    def graphs_only() -> None:
        state, memory = engine.encode(source)
        token = np.zeros(1, np.int32)
        for _ in range(case.n_out):
            logits, state = engine.step(token, state, memory)
            token, _ = likeliest(logits)

    return {**found, "graphs": cost(graphs_only, 1)}


def main() -> None:
    """Measures each case and prints the costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=list(CASES))
    print(json.dumps({name: measure(name, CASES[name]) for name in parser.parse_args().cases}))


if __name__ == "__main__":
    main()
