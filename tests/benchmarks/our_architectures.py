"""Other architectures of ours, `python our_architectures.py train|decode SHAPE`, of those in `architectures.py`.

Prints one JSON object with a rate for each problem, sequences/s. `train`: the training step as the main job has it,
without its first call, which traces. `decode`: the predictor, greedy, on all cores, with random weights, which decode as
fast as trained ones.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
from architectures import BATCH, PROBLEMS, SHAPES, TOKENS, Problem, Shape

from tasks.generate import dataset_inputs, write_dataset
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.store.artifact_store import Store
from tasks.train import write_training

DECODE_ROWS, DECODE_CALLS = 4_096, 5


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
    """Sequences/s of greedy decoding on all cores."""
    from tasks.seq2seq.arrays.sequences import Sequences
    from tasks.seq2seq.data.codecs import Codecs
    from tasks.seq2seq.data.vocabulary import Vocabulary
    from tasks.seq2seq.inference.predictor import Predictor
    from tasks.seq2seq.settings.architecture import Architecture, Side
    from tests.helpers.engines import engine_of
    from tests.helpers.random_weights import random_weights

    settings, side = experiment_for(shape, problem).model, Side(TOKENS)
    architecture = Architecture(side, side, masked=False, settings=settings)
    engine = engine_of(architecture, random_weights(architecture))
    vocabulary = Vocabulary.identity(TOKENS - 1)
    predictor = Predictor(engine, Codecs(vocabulary, vocabulary), problem.n_out)
    rows = np.random.default_rng(0).integers(1, TOKENS, (DECODE_ROWS, problem.n_in), dtype=np.int32)
    sources = Sequences.of_rows(rows)
    predictor.predict(sources)
    began = time.perf_counter()
    for _ in range(DECODE_CALLS):
        predictor.predict(sources)
    return DECODE_CALLS * DECODE_ROWS / (time.perf_counter() - began)


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
