"""Weights of pairs are what they promise in training: shares of the gradient."""

import dataclasses

import numpy as np
import pytest

from tasks.seq2seq.arrays.sequences import Pairs, Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.collate import training_batch
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.models.encoder_decoder import build_models
from tasks.seq2seq.settings.model import ModelSettings
from tasks.seq2seq.settings.training import TrainingSettings
from tasks.seq2seq.training.fit import TrainingPairs, _compile, fit
from tasks.seq2seq.training.seeding import seeded
from tests.helpers.engines import architecture_of
from tests.helpers.keras_engines import predictor_of_models

LEARNED = Codecs(*[Vocabulary("integers", tuple(range(8)))] * 2)  # ids 4 to 11
REALS = Codecs(*[Scaling((0.0,), (1.0,), (-9.0,), (9.0,))] * 2)
SETTINGS = ModelSettings(units=8, embedding=8)
PLAIN_DESCENT = TrainingSettings(optimizer="sgd", learning_rate=1.0, batch_size=8)


def models_of(codecs):
    with seeded(0):
        return build_models(architecture_of(codecs, SETTINGS))


def step(codecs, pairs):
    """By how much one gradient step on a batch moves each weight of the model."""
    model = models_of(codecs).train
    before = model.get_weights()
    _compile(model, PLAIN_DESCENT, 1, codecs, weighted=pairs.weights is not None)
    model.run_eagerly = True
    source, decoder_input, target, weights = training_batch(pairs, codecs)
    model.train_on_batch([source, decoder_input], target, sample_weight=weights)
    return [after - weight for after, weight in zip(model.get_weights(), before, strict=True)]


def rows(codecs, n, seed=0):
    rng = np.random.default_rng(seed)
    if codecs is REALS:
        return Pairs.of_rows(rng.normal(size=(n, 3, 1)), rng.normal(size=(n, 2, 1)))
    return Pairs.of_rows(*(rng.integers(4, 12, (n, length), dtype=np.int32) for length in (3, 2)))


def weighing(pairs, weights):
    """The pairs with weights as a dataset holds them: over the mean."""
    weights = np.array(weights, np.float64)
    return dataclasses.replace(pairs, weights=weights / weights.mean())


def assert_equal(steps, others):
    for moved, other in zip(steps, others, strict=True):
        assert moved == pytest.approx(other, abs=1e-6)


@pytest.mark.parametrize("codecs", [LEARNED, REALS], ids=["tokens", "vectors"])
def test_a_pair_of_weight_2_teaches_as_much_as_the_pair_twice(codecs):
    pairs = rows(codecs, 3)
    assert_equal(step(codecs, weighing(pairs, [2, 1, 0])), step(codecs, pairs.take(np.array([0, 0, 1]))))


def test_equal_weights_are_no_weights():
    pairs = rows(LEARNED, 3)
    assert_equal(step(LEARNED, weighing(pairs, [7, 7, 7])), step(LEARNED, pairs))


def test_a_pair_alone_in_its_batch_teaches_by_its_weight_too():
    """A weighted mean over the batch would not know the weight of its only pair."""
    alone = rows(LEARNED, 1)
    light = step(LEARNED, dataclasses.replace(alone, weights=np.array([0.25])))
    assert_equal(light, [moved / 4 for moved in step(LEARNED, alone)])


def taught_twice(n):
    """Each source comes with two targets: itself, and its mirror image."""
    source = np.random.default_rng(0).integers(4, 12, (n, 2), dtype=np.int32)
    return Pairs.of_rows(np.concatenate([source, source]), np.concatenate([source, source[:, ::-1]]))


def test_pairs_of_weight_0_are_not_learned():
    """And validation measures what training is told to learn."""
    n, models, codecs = 800, models_of(LEARNED), LEARNED
    pairs = weighing(taught_twice(n), np.repeat([0, 1], n))
    held_out = pairs.take(np.arange(2 * n) % n < 64)
    history = fit(
        models.train, TrainingSettings(batch_size=32, learning_rate=0.05, epochs=3), codecs,
        TrainingPairs(len(pairs), lambda _: [pairs], len(held_out), lambda _: [held_out], weighted=True),
        seed=0, progress=lambda *_: None,
    )  # fmt: skip
    sources = Sequences.of_rows(held_out.source.padded()[:64])
    found = predictor_of_models(models, codecs, SETTINGS, n_steps=3).predict(sources).sequences
    right = [np.array_equal(found[i], row) for i, row in enumerate(sources.padded()[:, ::-1])]
    assert np.mean(right) >= 0.95
    assert history.epochs[-1]["val_accuracy"] >= 0.95  # 0.6 if both targets counted
