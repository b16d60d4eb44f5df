"""Anchor: greedy decoding in PyTorch, `python torch_inference.py [CASE ...]`, of the cases in `inference_cases.py`.

One thread, the best of several batch sizes. Prints one JSON object with CPU microseconds a row and rows/s by case.
"""

import argparse
import json

import torch
from inference_cases import CASES, Case, cost
from torch_architectures import EncoderDecoder


def measure(case: Case) -> dict[str, float]:
    """The cost of a row at the best batch size."""
    model = EncoderDecoder(case.shape, case.tokens, case.units).eval()
    found = []
    for batch in case.batches:
        source = torch.randint(1, case.tokens, (batch, case.n_in))
        found.append(cost(lambda source=source: model.greedy(source, case.n_out), batch))
    return min(found, key=lambda one: one["cpu_us_per_row"])


def main() -> None:
    """Measures each case and prints the costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=[name for name, case in CASES.items() if not case.beam])
    torch.manual_seed(0)
    torch.set_num_threads(1)
    with torch.inference_mode():
        print(json.dumps({name: measure(CASES[name]) for name in parser.parse_args().cases}))


if __name__ == "__main__":
    main()
