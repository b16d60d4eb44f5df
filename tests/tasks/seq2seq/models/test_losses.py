import keras
import numpy as np
import pytest

from tasks.seq2seq.models.losses import token_loss
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
