import numpy as np
import pytest

from tasks.seq2seq.settings.training import TrainingSettings
from tests.helpers.trainings import are_equal, model_with_dropout, random_pairs, train

# One step an epoch. The targets cannot be learned: early epochs are the best.
SETTINGS = TrainingSettings(batch_size=100, epochs=4, learning_rate=0.1)
PAIRS, VALIDATION = random_pairs(40), random_pairs(20, seed=1)
MEAN_OF_2 = SETTINGS.model_copy(update={"average": "last", "average_epochs": 2})
EMA = SETTINGS.model_copy(update={"average": "ema", "ema_momentum": 0.75})


def trained(settings, validation=None):
    """The model, its history, and the weights of training itself at the end of each epoch but the last."""
    model, ends = model_with_dropout(), []

    def keep(snapshot):
        ends.append([array for array in snapshot.arrays["model"] if array.dtype == np.float32])  # no random states

    history = train(model, settings, pairs=PAIRS, validation=validation, save=keep)
    return model, history, ends


@pytest.fixture(scope="module")
def ends():
    """The weights at the end of each epoch of a training without an average."""
    model, _, ends = trained(SETTINGS)
    return [*ends, model.get_weights()]


def test_the_mean_of_the_last_epochs_is_what_training_leaves(ends):
    model, _, own = trained(MEAN_OF_2)
    for weight, third, fourth in zip(model.get_weights(), *ends[2:], strict=True):
        np.testing.assert_allclose(weight, (third + fourth) / 2, rtol=1e-6)
    assert all(are_equal(one, other) for one, other in zip(own, ends[:3], strict=True))  # training goes its own way


def test_the_moving_average_of_the_steps_is_what_training_leaves(ends):
    model, _, own = trained(EMA)
    expected = ends[0]
    for end in ends[1:]:
        expected = [0.75 * average + 0.25 * weight for average, weight in zip(expected, end, strict=True)]
    for weight, other in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(weight, other, rtol=1e-5, atol=1e-7)
    assert all(are_equal(one, other) for one, other in zip(own, ends[:3], strict=True))


@pytest.mark.parametrize("settings", [MEAN_OF_2, EMA], ids=["last", "ema"])
def test_the_average_is_what_is_validated_and_the_best_average_is_kept(settings, ends):
    """The validation loss of each epoch is that of a training that ends there and leaves its average."""
    model, history, own = trained(settings, VALIDATION)
    assert all(are_equal(one, other) for one, other in zip(own, ends[:3], strict=True))
    losses = [epoch["val_loss"] for epoch in history.epochs]
    source, decoder_input = VALIDATION.source.padded(), VALIDATION.target.padded()[:, :-1]
    decoder_input = np.pad(decoder_input, [(0, 0), (1, 0)])
    logits = np.asarray(model([source, decoder_input]), np.float64)
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    of_target = np.take_along_axis(log_p, VALIDATION.target.padded()[..., None], axis=-1)
    assert -of_target.mean() == pytest.approx(min(losses), rel=1e-5)
    assert history.best_epoch == 1 + int(np.argmin(losses))
    plain = [epoch["val_loss"] for epoch in trained(SETTINGS, VALIDATION)[1].epochs]
    assert losses[0] == pytest.approx(plain[0], rel=1e-6)  # the average of one is itself
    assert losses[-1] != pytest.approx(plain[-1], rel=1e-6)


def test_an_average_leaves_the_optimizer_what_it_was():
    plain, averaged = (trained(settings)[0] for settings in (SETTINGS, MEAN_OF_2))
    assert not are_equal(plain.get_weights(), averaged.get_weights())
    states = ([variable.numpy() for variable in model.optimizer.variables] for model in (plain, averaged))
    assert are_equal(*states)
