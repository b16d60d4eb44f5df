"""Engines of Keras models: what is trained there and run here."""

from tasks.seq2seq.export.keras_weights import keras_weights
from tasks.seq2seq.inference.predictor import Predictor
from tests.helpers.engines import architecture_of, engine_of


def engine_of_models(architecture, models):
    """The engine that takes the place of the inference models of `build_models`."""
    return engine_of(architecture, keras_weights(architecture, models.encoder, models.decoder))


def predictor_of_models(models, codecs, settings, n_steps):
    """Predicts, greedily, with masked models of these settings."""
    return Predictor(engine_of_models(architecture_of(codecs, settings), models), codecs, n_steps)
