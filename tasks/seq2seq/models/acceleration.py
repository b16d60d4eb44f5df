"""Whether a GPU runs the recurrent layers by cuDNN's kernels, faster than single operations."""

from __future__ import annotations

import tensorflow as tf

from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.model import ModelSettings
from tasks.seq2seq.settings.model_rules import without_cudnn


def has_gpu() -> bool:
    """Whether TensorFlow sees a GPU."""
    return bool(tf.config.list_physical_devices("GPU"))


def rules_out_cudnn(settings: ModelSettings, *, on_gpu: bool) -> list[str]:
    """What keeps the model from cuDNN's kernels where there is a GPU; nothing where there is none.

    Keras takes them by itself for layers that allow it: those of this project have the activations, the bias and the
    padding at the end that they need.

    Raises:
        SettingsError: they are required, and there is no GPU.
    """
    if settings.cudnn == "require" and not on_gpu:
        raise SettingsError(
            'model.cudnn is "require", but TensorFlow sees no GPU here; run it where there is one, with a TensorFlow '
            "that is built for it, or leave the setting out"
        )
    return list(without_cudnn(settings)) if on_gpu else []
