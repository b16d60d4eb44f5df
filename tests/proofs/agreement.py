"""Our predictions beside Keras' own, `python -m tests.proofs.agreement --store DIR [MODEL ...]`.

Of each model (a promoted name, or the digits of a bundle's digest; none: all promoted ones) up to 20,000 sources are
decoded by both: by the graphs that predict, and by Keras' inference models, one step after the other. Tokens may differ
only where Keras holds two for nearly equally likely, which is counted; log-probabilities are compared where tokens agree.
Prints a line a model, and exits with 1 where one does not agree.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.collate import source_array
from tasks.seq2seq.data.teacher_forcing import shift_right
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.export.saved_model import DecodeModule
from tasks.seq2seq.export.verification import engine_decode, inference
from tasks.storage.artifacts.bundle import load_bundle
from tasks.storage.artifacts.export import read_samples
from tasks.storage.artifacts.keras_models import load_keras_models
from tasks.storage.artifacts.registry import find_bundle
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.kinds import DATASET
from tasks.storage.store.manifest import Manifest
from tasks.storage.store.promotions import promoted_names

ROWS, BATCH = 20_000, 500
NEAR = 1e-4  # logits so near are equal but for rounding
MOST_APART = {True: 1e-4, False: 1e-5}  # log-probabilities, of a vocabulary of 50,000 symbols or more, and of others


class Agreement(NamedTuple):
    """What was found of a model.

    rows: sources that were decoded. differing: those whose tokens differ. unexplained: those of them of which Keras does
    not hold two tokens for nearly equally likely. apart: the largest difference of two log-probabilities, or values.
    """

    rows: int
    differing: int
    unexplained: int
    apart: float


def compare(store: Store, model: str) -> Agreement:
    """Decodes by both, and compares."""
    handle = find_bundle(store, model).bundle
    bundle, (encoder, decoder) = load_bundle(handle, store), load_keras_models(handle, store)
    ours = engine_decode(bundle.engine, bundle.codecs, bundle.n_steps)
    theirs = DecodeModule(encoder, decoder, bundle.codecs, bundle.n_steps).serve
    teach = tf.function(inference(encoder, decoder), reduce_retracing=True)
    dataset = store.open(DATASET, Manifest.read(handle.path).made_from["dataset"])
    found = []
    samples = read_samples(dataset.path, ROWS)
    known = bundle.codecs.standardised_ahead(samples.ahead)
    for source, rows in _batches(samples.source, bundle.codecs.source):
        given = [source, *([] if known is None else [known[rows]])]
        one, other = ({key: np.asarray(value) for key, value in decode(*given).items()} for decode in (ours, theirs))
        if isinstance(bundle.codecs.target, Vocabulary):
            found.append(_compare_tokens(source, one, other, bundle.codecs.target, teach))
        else:
            found.append(Agreement(len(source), 0, 0, float(np.abs(one["vectors"] - other["vectors"]).max())))
    rows, differing, unexplained, apart = zip(*found, strict=True)
    return Agreement(sum(rows), sum(differing), sum(unexplained), max(apart))


def _batches(sources: Sequences, codec):
    order = np.argsort(sources.lengths, kind="stable")
    for first in range(0, len(order), BATCH):
        rows = order[first : first + BATCH]
        yield source_array(sources.take(rows), codec), rows


def _compare_tokens(source: NDArray, ours: dict, theirs: dict, vocabulary: Vocabulary, teach) -> Agreement:
    differs = (ours["tokens"] != theirs["tokens"]).any(axis=1)
    apart = np.abs(ours["log_probability"] - theirs["log_probability"])[~differs].max(initial=0)
    unexplained = 0
    for row in np.flatnonzero(differs):
        tokens = ours["tokens"][row : row + 1]
        logits = teach(source[row : row + 1], shift_right(tokens, vocabulary.start)).numpy()[0]
        step = int(np.argmax(tokens[0] != theirs["tokens"][row]))
        best = np.sort(logits[step])[-2:]
        unexplained += int(best[1] - best[0] > NEAR)
    return Agreement(len(source), int(differs.sum()), unexplained, float(apart))


def main() -> int:
    """Compares each model and prints what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("models", nargs="*")
    chosen = parser.parse_args()
    store, agree = Store(chosen.store), True
    for model in chosen.models or promoted_names(store):
        found = compare(store, model)
        size = load_bundle(find_bundle(store, model).bundle, store).codecs.target.size
        fine = not found.unexplained and found.apart <= MOST_APART[size >= 50_000]
        agree &= fine
        print(
            f"{model}: {found.rows} sources, tokens differ in {found.differing} ({found.unexplained} not nearly equal), "
            f"numbers by at most {found.apart:.1e}{'' if fine else ': TOO FAR'}",
            flush=True,
        )
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
