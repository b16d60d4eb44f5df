"""Anchor: the tutorial as its readers run it, `python tutorial_anchor.py [--samples N] [--evaluate N]`.

One-hot arrays made in a Python loop, one epoch in batches of 32, and one `predict` call for the encoder and
for each decoded time step. Prints one JSON object: seconds of each part and of the whole, imports included;
the peak memory in MiB; `accuracy` is the share of fresh sequences decoded exactly, in [0, 1].
"""

import os
import time

BEGAN = time.perf_counter()
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# ruff: noqa: E402, S311 - the imports are timed; random numbers as the tutorial draws them
import argparse
import json
import resource
from collections.abc import Iterator
from random import randint

import numpy as np
from keras import Model
from keras.layers import LSTM, Dense, Input
from keras.utils import to_categorical

IMPORTED = time.perf_counter()

N_IN, N_OUT = 6, 3
CARDINALITY, UNITS = 51, 128


def draw_pair():
    """One source of 1..50 as one-hot, what the decoder is given, and what it should answer."""
    source = [randint(1, CARDINALITY - 1) for _ in range(N_IN)]
    answer = list(reversed(source[:N_OUT]))
    given = [0, *answer[:-1]]
    return tuple(to_categorical(ids, num_classes=CARDINALITY) for ids in (source, given, answer))


def get_dataset(n):
    """Three arrays of one-hot vectors: `(n, 6, 51)`, `(n, 3, 51)`, `(n, 3, 51)`."""
    sources, inputs, answers = [], [], []
    for _ in range(n):
        source, given, answer = draw_pair()
        sources.append(source)
        inputs.append(given)
        answers.append(answer)
    return np.array(sources), np.array(inputs), np.array(answers)


def define_models():
    """The model to train, the inference encoder and the inference decoder, with shared layers."""
    source = Input((None, CARDINALITY))
    given = Input((None, CARDINALITY))
    encode = LSTM(UNITS, return_state=True)
    decode = LSTM(UNITS, return_sequences=True, return_state=True)
    answer = Dense(CARDINALITY, activation="softmax")
    state = encode(source)[1:]
    train = Model([source, given], answer(decode(given, initial_state=state)[0]))
    before = [Input((UNITS,)), Input((UNITS,))]
    hidden, *after = decode(given, initial_state=before)
    return train, Model(source, state), Model([given, *before], [answer(hidden), *after])


def predict_sequence(encoder, decoder, source) -> Iterator[int]:
    """Decodes one source greedily; the decoder is given its own last distribution."""
    state = encoder.predict(source, verbose=0)
    given = np.zeros((1, 1, CARDINALITY))
    for _ in range(N_OUT):
        given, *state = decoder.predict([given, *state], verbose=0)
        yield int(np.argmax(given[0, 0]))


def count_right(encoder, decoder, n) -> int:
    """How many of `n` fresh sequences are decoded exactly."""
    right = 0
    for _ in range(n):
        source, _, answer = get_dataset(1)
        right += list(predict_sequence(encoder, decoder, source)) == np.argmax(answer[0], axis=-1).tolist()
    return right


def main() -> None:
    """Generates, fits, evaluates, and prints what each took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--evaluate", type=int, default=100)
    chosen = parser.parse_args()

    times = [time.perf_counter()]
    source, given, answer = get_dataset(chosen.samples)
    times.append(time.perf_counter())
    train, encoder, decoder = define_models()
    train.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    train.fit([source, given], answer, epochs=1, verbose=0)
    times.append(time.perf_counter())
    right = count_right(encoder, decoder, chosen.evaluate)
    times.append(time.perf_counter())
    generate, fit, evaluate = np.diff(times).tolist()
    result = {
        "import_s": IMPORTED - BEGAN,
        "generate_s": generate,
        "fit_s": fit,
        "evaluate_s": evaluate,
        "total_s": times[-1] - BEGAN,
        "train_sequences_per_s": chosen.samples / fit,
        "decode_sequences_per_s": chosen.evaluate / evaluate,
        "accuracy": right / chosen.evaluate,
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
