"""A small model with everything that a training can hold, and trainings of it."""

import keras
import numpy as np

from tasks.seq2seq.arrays.sequences import Pairs
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.training.fit import TrainingPairs, fit
from tasks.seq2seq.training.seeding import seeded

CODECS = Codecs(Vocabulary.identity(5), Vocabulary.identity(5))


def random_pairs(n, seed=0):
    """Targets that have nothing to do with their sources."""
    rng = np.random.default_rng(seed)
    return Pairs.of_rows(*(rng.integers(1, 6, (n, length), dtype=np.int32) for length in (4, 3)))


def copied_pairs(n, seed=0):
    """Targets that are the first three symbols of their sources."""
    source = np.random.default_rng(seed).integers(1, 6, (n, 4), dtype=np.int32)
    return Pairs.of_rows(source, source[:, :3])


def model_with_dropout(seed=0, dropout=0.2, units=8):
    """The mean of the source beside each decoder input, with random masks; Keras traces it in no time."""
    with seeded(seed):
        source, decoder_input = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
        layers = keras.layers
        mean = layers.GlobalAveragePooling1D(keepdims=True)(layers.Embedding(6, units)(source))
        features = layers.Dropout(dropout)(layers.Embedding(6, units)(decoder_input) + mean)
        hidden = layers.Dropout(dropout)(layers.Dense(units, activation="tanh")(features))
        return keras.Model([source, decoder_input], layers.Dense(6, dtype="float32")(hidden))


class EndedError(Exception):
    """Raised in the middle of an epoch, as by a signal."""


def train(model, settings, *, pairs=None, validation=None, ended_in_epoch=None, **keywords):
    """Trains a model and gives the history; with `ended_in_epoch`, raises after that epoch's first call."""
    pairs = pairs or random_pairs(70)
    batches = -(-len(pairs) // settings.batch_size)

    def progress(done, total, metrics):
        assert total == settings.epochs * batches
        if ended_in_epoch and done > (ended_in_epoch - 1) * batches:
            raise EndedError

    return fit(
        model,
        settings,
        CODECS,
        TrainingPairs(
            n_train=len(pairs),
            read_train=lambda _rng: [pairs],
            n_validation=len(validation) if validation else 0,
            read_validation=lambda _rng: [validation],
        ),
        seed=0,
        progress=progress,
        **keywords,
    )


def state_of(model):
    """All that a model holds, the states of its random generators and its optimizer's variables too."""
    return [variable.numpy() for variable in (*model.variables, *model.optimizer.variables)]


def are_equal(state, other):
    """Bit by bit."""
    return all(np.array_equal(one, two) for one, two in zip(state, other, strict=True))
