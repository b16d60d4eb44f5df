"""Private parts of Keras for which there is no public way, in one place. Tried on Keras 3.15.1.

A test holds each to what it is used for, so that a new version of Keras that moves one fails there and nowhere else.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras.src.random import seed_generator
from numpy.typing import NDArray


@contextlib.contextmanager
def seeds_drawn_from(generator: random.Random) -> Iterator[None]:
    """Within, the seeds of initializers and dropouts that are made come from `generator`.

    Keras takes them from Python's global generator, from which other threads draw too. Its public way is a seed for
    each layer, each initializer and each cell.
    """
    shared = seed_generator.python_random
    seed_generator.python_random = generator
    try:
        yield
    finally:
        seed_generator.python_random = shared


def moving_averages(optimizer: Any) -> list[NDArray[Any]]:  # noqa: ANN401 - Keras ships no types
    """The averages that an optimizer with `use_ema` keeps, one for each trainable variable.

    As Keras' own `SwapEMAWeights` reads them; that one swaps by sums, which are not the same to the last bit.
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # inside a LossScaleOptimizer
    return [np.asarray(average) for average in optimizer._model_variables_moving_average]  # noqa: SLF001


def all_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers of a model and those inside them; `model.layers` holds only the outer ones."""
    return list(model._flatten_layers())  # noqa: SLF001
