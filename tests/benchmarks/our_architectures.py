"""Other architectures of ours, `python our_architectures.py train|decode SHAPE`, of those in `architectures.py`.

Prints one JSON object with a rate for each problem, sequences/s. `train`: the training step as the main job has it,
without its first call, which traces. `decode`: the whole greedy decode in one compiled graph at the best batch, with
random weights, which decode as fast as trained ones; apart, since a process that has trained keeps its threads.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
from architectures import BATCH, DECODE_BATCHES, PROBLEMS, SHAPES, TOKENS, Problem, Shape, decode_calls

from tasks.generate import dataset_inputs, write_dataset
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.store.artifact_store import Store
from tasks.train import write_training


def experiment_for(shape: Shape, problem: Problem) -> Experiment:
    """The experiment that trains as PyTorch does."""
    data = {"n_in": problem.n_in, "n_out": problem.n_out, "cardinality": TOKENS - 1, "n_samples": problem.samples}
    training = {"batch_size": BATCH, "learning_rate": 0.005}
    return check_experiment({"data": data, "model": shape.settings, "training": training})


def training_rate(shape: Shape, problem: Problem) -> float:
    """Trains for one epoch; sequences/s without the first call."""
    experiment = experiment_for(shape, problem)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        dataset = store.make(dataset_inputs(experiment, {}, store), lambda path: write_dataset(experiment, path))
        training = Path(folder, "training")
        training.mkdir()
        return write_training(experiment, dataset, training).facts["sequences_per_s"]


def decoding_rate(shape: Shape, problem: Problem) -> float:
    """Sequences/s of greedy decoding in batches of the best size."""
    import tensorflow as tf
    from tasks.seq2seq.models.decoding import decode_graph

    from tasks.seq2seq.models.encoder_decoder import build_models
    from tasks.seq2seq.settings.architecture import Architecture, Side

    settings = experiment_for(shape, problem).model
    models = build_models(Architecture(Side(TOKENS), Side(TOKENS), masked=False, settings=settings))
    decode = tf.function(decode_graph(models.encoder, models.decoder, 0, problem.n_out, None), jit_compile=True)
    rng = np.random.default_rng(0)
    rates = []
    for batch in DECODE_BATCHES:
        source = tf.constant(rng.integers(1, TOKENS, (batch, problem.n_in), dtype=np.int32))
        rates.append(_rate(lambda source=source: decode(source).tokens.numpy(), batch))
    return max(rates)


def _rate(decode: Callable[[], object], batch: int) -> float:
    decode()
    calls = decode_calls(batch)
    began = time.perf_counter()
    for _ in range(calls):
        decode()
    return calls * batch / (time.perf_counter() - began)


def main() -> None:
    """Measures one rate of one architecture on its problems."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("train", "decode"))
    parser.add_argument("shape", choices=SHAPES)
    chosen = parser.parse_args()
    shape, measure = SHAPES[chosen.shape], {"train": training_rate, "decode": decoding_rate}[chosen.what]
    print(json.dumps({name: measure(shape, PROBLEMS[name]) for name in shape.problems}))


if __name__ == "__main__":
    main()
