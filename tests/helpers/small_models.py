"""The Keras models of small bundles, for what loads them."""

import functools
import tempfile
from pathlib import Path

from tasks.storage.artifacts.bundle import KERAS_MODELS
from tests.helpers.small_bundles import FACTS, SETTINGS


def write_models(folder):
    """Puts models that Keras loads in place of what only looks like such."""
    for name, content in _models().items():
        (folder / name).write_bytes(content)


@functools.cache
def _models():
    from tasks.seq2seq.models.encoder_decoder import build_models

    models = build_models(FACTS.architecture(SETTINGS))
    with tempfile.TemporaryDirectory() as name:
        paths = [Path(name) / file for file in KERAS_MODELS]
        for model, path in zip((models.encoder, models.decoder), paths, strict=True):
            model.save(path)
        return {path.name: path.read_bytes() for path in paths}
