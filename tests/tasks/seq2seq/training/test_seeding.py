import contextlib
import random

import keras
import numpy as np

from tasks.seq2seq.training.seeding import seeded


def built(seed, *, disturb=lambda: None):
    """All that is random in some layers, between which something else happens."""
    with seeded(seed):
        parts = [keras.layers.Dropout(0.5)]
        disturb()
        parts.append(keras.layers.LSTM(4, recurrent_dropout=0.5))
        disturb()
        parts.append(keras.layers.Embedding(5, 3))
        model = keras.Sequential([keras.Input((None,), dtype="int32"), parts[2], parts[0], parts[1]])
    return [variable.numpy() for variable in model.variables]


def equal(some, others):
    return all(np.array_equal(one, other) for one, other in zip(some, others, strict=True))


def test_the_same_seed_gives_the_same_though_others_draw_meanwhile():
    assert equal(built(3), built(3, disturb=random.random))
    assert not equal(built(3), built(4))


def test_it_is_random_as_keras_own_seed_makes_it():
    keras.utils.set_random_seed(3)
    own = keras.initializers.GlorotUniform()((3, 4))
    with seeded(3):
        assert np.array_equal(keras.initializers.GlorotUniform()((3, 4)), own)


def test_afterwards_keras_draws_from_pythons_generator_again():
    with contextlib.suppress(KeyboardInterrupt), seeded(3):
        raise KeyboardInterrupt
    random.seed(0)
    first = keras.initializers.GlorotUniform().seed
    random.seed(0)
    assert keras.initializers.GlorotUniform().seed == first
    assert keras.initializers.GlorotUniform().seed != first
