"""A column of weights, from the user's file to what is learned."""

import numpy as np

from tasks.generate import generate_dataset
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.artifacts.dataset import DatasetFacts, read_codecs
from tasks.train import train_model
from tests.helpers.codecs import as_vocabulary


def test_few_pairs_of_great_weight_outvote_many(tmp_path):
    """Nine of ten targets are 1, the tenth is 2 and weighs 50: the others weigh less together.

    Most batches hold none of the tenth. Only if these teach as little as they should do the few win.
    """
    rows = [f"{i % 7},{1 if i % 10 else 2},{1 if i % 10 else 50}\n" for i in range(900)]
    (tmp_path / "train.csv").write_text("source,target,trust\n" + "".join(rows))
    (tmp_path / "test.csv").write_text("source,target\n1,1\n")
    data = {"train": tmp_path / "train.csv", "test": tmp_path / "test.csv", "validation_fraction": 0.0}
    training = {"batch_size": 3, "learning_rate": 0.15, "optimizer": "sgd"}
    raw = {"data": {**data, "weight": "trust"}, "model": {"units": 4, "embedding": 4}, "training": training}
    experiment = check_experiment(raw)
    dataset = generate_dataset.fn(experiment, tmp_path / "store")
    trained = train_model.fn(experiment, dataset, tmp_path / "store")

    from tasks.seq2seq.models.encoder_decoder import build_models

    model = build_models(DatasetFacts.model_validate(dataset.facts).architecture(experiment.model)).train
    model.load_weights(trained.path / "model.weights.h5")
    codecs = read_codecs(dataset.path)
    source, target = as_vocabulary(codecs.source), as_vocabulary(codecs.target)
    said = model.predict([np.array([[source.size - 1, source.end]]), np.array([[target.start]])], verbose=0)
    assert target.decode(said.argmax(axis=-1)[0]) == [2]
