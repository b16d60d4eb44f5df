import keras
import numpy as np
import pytest

from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.training import TrainingSettings
from tasks.seq2seq.training.optimizers import OPTIMIZERS, make_learning_rate, make_optimizer
from tests.helpers.trainings import model_with_dropout, random_pairs, train


def rates(steps, **settings):
    """The learning rate of each step, as the optimizer has it."""
    optimizer = make_optimizer(TrainingSettings(learning_rate=0.1, **settings), steps)
    found = []
    for step in range(steps + 1):
        optimizer.iterations.assign(step)
        found.append(float(keras.ops.convert_to_numpy(optimizer.learning_rate)))
    return found


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [0.1, 0.1, 0.1, 0.1, 0.1]),
        ({"schedule": "polynomial_decay"}, [0.1, 0.075, 0.05, 0.025, 0]),
        ({"schedule": "polynomial_decay", "end_learning_rate": 0.02, "power": 2}, [0.1, 0.065, 0.04, 0.025, 0.02]),
        ({"schedule": "cosine_decay"}, [0.1, 0.1 * (1 + 0.5**0.5) / 2, 0.05, 0.1 * (1 - 0.5**0.5) / 2, 0]),
        ({"schedule": "cosine_decay", "alpha": 0.5}, [0.1, 0.0926777, 0.075, 0.0573223, 0.05]),
        ({"schedule": "exponential_decay"}, [0.1, 0.0562341, 0.0316228, 0.0177828, 0.01]),
        ({"schedule": "exponential_decay", "decay_rate": 0.5, "decay_steps": 1}, [0.1, 0.05, 0.025, 0.0125, 0.00625]),
        ({"schedule": "inverse_time_decay"}, [0.1, 0.1 / 3.25, 0.1 / 5.5, 0.1 / 7.75, 0.01]),
        ({"schedule": "inverse_time_decay", "decay_rate": 1, "decay_steps": 2}, [0.1, 0.1 / 1.5, 0.05, 0.04, 0.1 / 3]),
        ({"warmup_steps": 2}, [0.05, 0.1, 0.1, 0.1, 0.1]),
        ({"warmup_share": 0.5}, [0.05, 0.1, 0.1, 0.1, 0.1]),
        ({"warmup_steps": 2, "schedule": "polynomial_decay"}, [0.05, 0.1, 0.1, 0.05, 0]),
    ],
)
def test_a_schedule_goes_over_the_whole_training_after_its_warm_up(settings, expected):
    assert rates(4, **settings) == pytest.approx(expected, abs=1e-7)


def test_a_warm_up_longer_than_the_training_is_refused_with_both_numbers():
    with pytest.raises(SettingsError, match=r"warmup_steps is 4, but the whole training has 4 steps"):
        make_learning_rate(TrainingSettings(warmup_steps=4), 4)


def step(gradient, **settings):
    """What one step of plain gradient descent at rate 1 makes of two weights of [1, 1]."""
    optimizer = make_optimizer(TrainingSettings(optimizer="sgd", learning_rate=1, **settings), 1)
    weights = [keras.Variable(np.ones(2, np.float32)) for _ in range(2)]
    optimizer.apply([keras.ops.array(gradient), keras.ops.array(gradient)], weights)
    return np.concatenate([weight.numpy() for weight in weights]).tolist()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [-2, -3, -2, -3]),
        ({"clipnorm": 1.0}, [0.4, 0.2, 0.4, 0.2]),  # (3, 4) has norm 5
        ({"global_clipnorm": 50**0.5 / 10}, [0.7, 0.6, 0.7, 0.6]),  # all four have norm sqrt(50)
        ({"clipvalue": 3.5}, [-2, -2.5, -2, -2.5]),
        ({"weight_decay": 0.5}, [-2.5, -3.5, -2.5, -3.5]),
    ],
)
def test_gradients_are_clipped_and_weights_decay_as_keras_has_it(settings, expected):
    assert step([3.0, 4.0], **settings) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_each_optimizer_takes_a_decay_of_weights_and_has_keras_own_without(name):
    """Keras would make it without the argument too; adamw has one of its own."""
    own = keras.optimizers.get(name).weight_decay
    assert make_optimizer(TrainingSettings(optimizer=name), 1).weight_decay == own
    assert make_optimizer(TrainingSettings(optimizer=name, weight_decay=0.25), 1).weight_decay == 0.25


@pytest.fixture(scope="module")
def plateaus():
    """Targets that cannot be learned: the loss falls no more, and the rate halves until it is at its least."""
    settings = TrainingSettings(
        batch_size=16, epochs=8, learning_rate=0.08, schedule="reduce_lr_on_plateau", plateau_patience=1,
        plateau_factor=0.5, min_learning_rate=0.03,
    )  # fmt: skip
    validation, kept = random_pairs(20, seed=1), []
    whole = train(model_with_dropout(), settings, validation=validation, save=kept.append)
    resumed = train(model_with_dropout(seed=9), settings, validation=validation, snapshot=kept[3])
    return whole, resumed


def test_the_rate_is_lowered_after_each_epoch_whose_validation_loss_does_not_fall(plateaus):
    expected, rate, best = [], 0.08, np.inf
    for epoch in plateaus[0].epochs:
        expected.append(rate)
        rate = rate if epoch["val_loss"] < best else max(rate / 2, 0.03)
        best = min(best, epoch["val_loss"])
    assert [epoch["learning_rate"] for epoch in plateaus[0].epochs] == pytest.approx(expected)
    assert expected[-1] < 0.08


def test_a_plateau_is_waited_for_across_a_kill(plateaus):
    assert plateaus[0].epochs == plateaus[1].epochs
