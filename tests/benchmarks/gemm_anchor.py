"""Anchor: what this machine's matrix products alone would allow, `python gemm_anchor.py`.

One large float32 product gives the machine's peak, in multiplications and additions a second. Divided by
those of the default model, it is the rate that nothing can exceed as long as only products cost time.
Training is counted as three forward passes: one forward, two backward.
Embeddings are counted as free, since they are read from a table. Prints one JSON object.
"""

import json
import time

import numpy as np

SOURCE_STEPS, TARGET_STEPS = 6, 3
TOKENS, UNITS = 51, 128
GATES = 4
SIDE = 2048
TRIES = 15


def peak_flop_per_s() -> float:
    """The best of `TRIES` products of two `(SIDE, SIDE) float32` matrices, in operations a second."""
    square = np.random.default_rng(0).random((SIDE, SIDE), dtype=np.float32)
    square @ square  # threads and memory are ready from here on
    best = float("inf")
    for _ in range(TRIES):
        began = time.perf_counter()
        square @ square
        best = min(best, time.perf_counter() - began)
    return 2 * SIDE**3 / best


def forward_flop() -> int:
    """Operations of one sequence's forward pass: the recurrent products and the output's."""
    recurrent = (SOURCE_STEPS + TARGET_STEPS) * UNITS * GATES * UNITS
    output = TARGET_STEPS * UNITS * TOKENS
    return 2 * (recurrent + output)


def main() -> None:
    """Prints the peak in Gflop/s and the two limits in sequences/s."""
    peak = peak_flop_per_s()
    limit = peak / forward_flop()
    result = {
        "peak_gflop_per_s": peak / 1e9,
        "decode_limit_sequences_per_s": limit,
        "train_limit_sequences_per_s": limit / 3,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
