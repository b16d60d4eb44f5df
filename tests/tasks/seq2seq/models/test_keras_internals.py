"""What of Keras is private and used: each part still does what it is used for."""

import random

import keras
import numpy as np
import pytest

from tasks.seq2seq.models.keras_internals import all_layers, moving_averages, seeds_drawn_from


def weights(disturb=lambda: None):
    random.seed(1)
    with seeds_drawn_from(random.Random(7)):  # noqa: S311 - weights are no secret
        first = keras.layers.Dense(3)
        disturb()
        second = keras.layers.LSTM(3, dropout=0.5, recurrent_dropout=0.5)
        model = keras.Sequential([keras.Input((4, 2)), first, second])
    return [*model.get_weights(), *(np.asarray(part) for part in model.non_trainable_variables)]


def test_seeds_of_initializers_and_dropouts_come_from_the_generator_that_is_given():
    undisturbed, disturbed = weights(), weights(random.random)
    assert all(np.array_equal(one, other) for one, other in zip(undisturbed, disturbed, strict=True))


def test_without_it_they_come_from_pythons_own():
    """Else there would be no need for it."""
    random.seed(1)
    before = random.getstate()
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    assert random.getstate() != before


@pytest.mark.parametrize("wrap", [lambda optimizer: optimizer, keras.optimizers.LossScaleOptimizer])
def test_moving_averages_are_those_of_the_trainable_variables(wrap):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    optimizer = wrap(keras.optimizers.SGD(1.0, use_ema=True, ema_momentum=0.5))
    model.compile(optimizer=optimizer, loss=lambda _true, predicted: -predicted)  # the kernel grows by 1 a step
    model.fit(np.ones((2, 1)), np.ones((2, 1)), batch_size=1, verbose=0)
    (average,) = moving_averages(model.optimizer)
    assert average.item() == model.get_weights()[0].item()  # which Keras puts in their place when training ends
    assert 0 < average.item() < 2


def test_all_layers_has_those_inside_of_layers():
    inside = keras.layers.LSTM(2)
    model = keras.Sequential([keras.Input((3, 2)), keras.layers.Bidirectional(inside)])
    assert [layer for layer in all_layers(model) if isinstance(layer, keras.layers.LSTM)]
    assert not [layer for layer in model.layers if isinstance(layer, keras.layers.LSTM)]
