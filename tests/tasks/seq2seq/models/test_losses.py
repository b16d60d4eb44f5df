import keras
import numpy as np
import pytest

from tasks.seq2seq.models.losses import token_loss, vector_loss, vector_metric
from tasks.seq2seq.models.quantile_output import QuantileOutput
from tasks.seq2seq.settings.training import TrainingSettings
from tests.helpers.trainings import CODECS, model_with_dropout, random_pairs, train

TARGET = np.array([[1, 2, 0], [3, 0, 0]], np.int32)
LOGITS = np.random.default_rng(0).normal(0, 3, (2, 3, 4)).astype(np.float32)
THERE = np.array([[1, 1, 1], [1, 0, 0]], np.float32)


def by_hand(smoothing):
    """Cross-entropy with `(1 - e) one-hot + e / vocabulary`, over the steps that are there."""
    log_p = LOGITS - np.log(np.exp(LOGITS).sum(-1, keepdims=True))
    target = (1 - smoothing) * np.eye(4)[TARGET] + smoothing / 4
    return (-(target * log_p).sum(-1) * THERE).sum() / THERE.sum()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_a_share_of_the_target_is_spread_over_all_ids(smoothing):
    loss = token_loss(TrainingSettings(label_smoothing=smoothing))
    assert float(loss(TARGET, LOGITS, THERE)) == pytest.approx(by_hand(smoothing), rel=1e-5)


def test_a_smoothed_loss_is_keras_own_of_one_hot_targets():
    keras_own = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.2, reduction="none")
    expected = np.asarray(keras_own(np.eye(4, dtype=np.float32)[TARGET], LOGITS))
    found = token_loss(TrainingSettings(label_smoothing=0.2)).call(TARGET, LOGITS)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_validation_does_without_smoothing():
    """Of a model that stays as it was, the same pairs have a smoothed loss in training and a plain one in validation."""
    pairs = random_pairs(16)
    settings = TrainingSettings(optimizer="sgd", learning_rate=1e-12, batch_size=16, epochs=2, label_smoothing=0.5)
    model = model_with_dropout(dropout=0)
    history = train(model, settings, pairs=pairs, validation=pairs)
    plain = train(model, settings.model_copy(update={"label_smoothing": 0.0}), pairs=pairs, validation=pairs)
    assert CODECS.target.size == 6
    for smoothed, other in zip(history.epochs, plain.epochs, strict=True):
        assert smoothed["val_loss"] == pytest.approx(other["loss"], rel=1e-5)
        assert smoothed["loss"] != pytest.approx(other["loss"], rel=1e-3)


QUANTILES = TrainingSettings(loss="quantile", quantiles=(0.1, 0.5, 0.75, 0.9))
VECTORS = np.array([[[1.0, 2.0], [3.0, -4.0]]], np.float32)
# A step's numbers are the median of both features, then the other quantiles of both, ascending.
OUTPUT = np.array([[[2, 2, 1, 0, 3, 3, 4, 4], [3, -4, 2, -5, 3, -4, 9, 9]]], np.float32)


def test_the_quantile_loss_is_the_pinball_loss_of_each_block():
    """Errors of step 1: -1, 0 of the median, 0, 2 of 0.1, -2, -1 of 0.75, -3, -2 of 0.9."""
    first = 0.5 * 1 + 0.1 * 2 + 0.25 * 3 + 0.1 * 5
    second = 0 + 0.1 * 1 + 0.1 * 1 + 0 + 0.1 * 6 + 0.1 * 13
    loss = vector_loss(QUANTILES)
    np.testing.assert_allclose(loss.call(VECTORS, OUTPUT), [[first / 8, second / 8]], rtol=1e-5)
    assert float(loss(VECTORS, OUTPUT, np.array([[1.0, 0.0]]))) == pytest.approx(first / 8, rel=1e-5)


def test_the_metric_of_quantiles_is_the_error_of_the_median():
    metric = vector_metric(QUANTILES)
    metric.update_state(VECTORS, OUTPUT, np.ones((1, 2)))
    assert float(metric.result()) == pytest.approx(1 / 4)


def test_quantiles_never_cross_whatever_the_model_says():
    raw = np.random.default_rng(0).normal(0, 50, (200, 3, 5)).astype(np.float32)
    median, lowest, low, high, highest = np.moveaxis(np.asarray(QuantileOutput(2, 2)(raw)), -1, 0)
    assert np.array_equal(median, raw[..., 0])
    for one, other in ((lowest, low), (low, median), (median, high), (high, highest)):
        assert (one <= other).all()
    assert (lowest < low).mean() > 0.4
