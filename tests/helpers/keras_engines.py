"""Engines of Keras models: what is trained there and run here."""

from tasks.seq2seq.export.keras_weights import keras_weights
from tests.helpers.engines import engine_of


def engine_of_models(architecture, models):
    """The engine that takes the place of the inference models of `build_models`."""
    return engine_of(architecture, keras_weights(architecture, models.encoder, models.decoder))
