"""Our greedy decoding, `python decode.py`: prints sequences/s by batch size as one JSON object.

The default model with random weights, which decode as fast as trained ones. `decode_sequences_per_s` is the
whole decode as one compiled graph, tensors in and arrays out, one batch at a time; `predict_sequences_per_s` is the
predictor as the flows call it, arrays in and out, in the batch sizes that it chooses itself, side by side on the cores.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import tensorflow as tf
from tasks.seq2seq.models.decoding import decode_graph
from tasks.seq2seq.models.predictor import Predictor

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.models.encoder_decoder import build_models
from tasks.seq2seq.settings.architecture import Architecture, Side
from tasks.seq2seq.settings.model import ModelSettings

SOURCE_STEPS, TARGET_STEPS = 6, 3
TOKENS, EMBEDDING, UNITS = 51, 64, 128
BATCHES = (1, 32, 256, 1024, 4096)
ROWS = 20_000  # what the predictor cuts into batches of its own
VOCABULARY = Vocabulary.identity(TOKENS - 1)


def rate(decode: Callable[[], object], batch: int) -> float:
    """Sequences/s of `decode`, which decodes `batch` of them, after a first call that compiles."""
    calls = 500 if batch == 1 else max(5, 40_000 // batch)
    decode()
    began = time.perf_counter()
    for _ in range(calls):
        decode()
    return calls * batch / (time.perf_counter() - began)


def main() -> None:
    """Measures every batch size and prints the rates."""
    models = build_models(
        Architecture(Side(TOKENS), Side(TOKENS), False, ModelSettings(units=UNITS, embedding=EMBEDDING))
    )
    whole = decode_graph(models.encoder, models.decoder, VOCABULARY.start, TARGET_STEPS, VOCABULARY.end)
    decode = tf.function(whole, jit_compile=True)
    predictor = Predictor(models.encoder, models.decoder, Codecs(VOCABULARY, VOCABULARY), TARGET_STEPS)
    rng = np.random.default_rng(0)
    graph = {}
    for batch in BATCHES:
        source = rng.integers(1, TOKENS, (batch, SOURCE_STEPS), dtype=np.int32)
        tensor = tf.constant(source)
        graph[batch] = rate(lambda tensor=tensor: decode(tensor).tokens.numpy(), batch)
    rows = Sequences.of_rows(rng.integers(1, TOKENS, (ROWS, SOURCE_STEPS), dtype=np.int32))
    predict = rate(lambda: predictor.predict(rows), ROWS)
    print(json.dumps({"decode_sequences_per_s": graph, "predict_sequences_per_s": predict}))


if __name__ == "__main__":
    main()
