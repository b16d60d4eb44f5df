"""The seed of a model: its first weights and its dropout, whatever else the process draws meanwhile."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import keras

from tasks.seq2seq.models.keras_internals import seeds_drawn_from


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within, Keras' layers that are made are random as after `keras.utils.set_random_seed`, and by nobody disturbed.

    Keras takes the seed of each initializer and of each dropout from Python's global generator, from which other
    threads draw too, Prefect's among them: now and then the same seed would give other weights. It knows no other way
    than a seed for each; here it is given a generator of its own.
    """
    keras.utils.set_random_seed(seed)
    with seeds_drawn_from(random.Random(seed)):  # noqa: S311 - weights are no secret
        yield
