"""How the cost of a prediction grows, `python growth.py`: with rows, lengths, units and vocabulary.

CPU microseconds a row of our predictor, greedy, on one thread, with random weights. Prints one JSON object: for each
quantity its values, the costs, and the exponent between the two largest values, beside that which the arithmetic has
there (multiplications and additions of a row; of rows, of all of them together).
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
from architectures import EMBEDDING
from inference_cases import Case, cost

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.inference.graphs.embedded_inputs import MOST_FOLDED
from tasks.seq2seq.inference.predictor import Predictor
from tasks.seq2seq.settings.architecture import Architecture, Side
from tasks.seq2seq.settings.model import ModelSettings
from tests.helpers.engines import engine_of
from tests.helpers.random_weights import random_weights

SERIES: dict[str, list[Case]] = {
    "rows": [Case(rows=rows) for rows in (1, 16, 256, 4_096, 65_536)],
    "length": [Case(n_in=length, n_out=length, rows=max(200, 20_000 // length)) for length in (5, 20, 80, 320)],
    "units": [Case(units=units, rows=1_000) for units in (64, 128, 256, 512, 1_024)],
    "vocabulary": [Case(tokens=tokens, rows=200) for tokens in (500, 5_000, 50_000)],
}


def value(name: str, case: Case) -> int:
    """What a series varies."""
    return {"rows": case.rows, "length": case.n_in, "units": case.units, "vocabulary": case.tokens}[name]


def operations(case: Case) -> float:
    """Multiplications and additions of a row: a product of the state a step and layer, and one into the vocabulary."""
    product = 2 * case.units * 4 * case.units
    folded = case.tokens * 4 * case.units <= MOST_FOLDED
    step = product + (0 if folded else 2 * EMBEDDING * 4 * case.units)
    return case.n_in * step - product + case.n_out * (step + 2 * case.units * case.tokens)


def measure(case: Case) -> float:
    """CPU microseconds a row."""
    side = Side(case.tokens)
    architecture = Architecture(side, side, masked=False, settings=ModelSettings(units=case.units))
    vocabulary = Vocabulary.identity(case.tokens - 1)
    engine = engine_of(architecture, random_weights(architecture))
    predictor = Predictor(engine, Codecs(vocabulary, vocabulary), case.n_out, threads=1)
    source = np.random.default_rng(0).integers(1, case.tokens, (case.rows, case.n_in), dtype=np.int32)
    return cost(lambda: predictor.predict(Sequences.of_rows(source)), case.rows)["cpu_us_per_row"]


def exponent(name: str, cases: list[Case], costs: list[float]) -> dict[str, float]:
    """How a cost grows between the two largest values, as a power of them; of rows, the cost of all rows."""
    ratio = math.log(value(name, cases[-1]) / value(name, cases[-2]))
    all_rows = ratio if name == "rows" else 0.0
    expected = math.log(operations(cases[-1]) / operations(cases[-2])) + all_rows
    found = math.log(costs[-1] / costs[-2]) + all_rows
    return {"exponent": round(found / ratio, 3), "exponent_of_arithmetic": round(expected / ratio, 3)}


def main() -> None:
    """Measures each series and prints it."""
    result: dict[str, Any] = {}
    for name, cases in SERIES.items():
        costs = [measure(case) for case in cases]
        values = [value(name, case) for case in cases]
        result[name] = {"values": values, "cpu_us_per_row": costs, **exponent(name, cases, costs)}
        print(f"{name}: {result[name]}", file=sys.stderr, flush=True)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
