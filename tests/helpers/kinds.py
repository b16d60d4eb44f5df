"""Kinds of models by the settings that they differ in; none is too large to be made in a moment."""

from typing import Any

import numpy as np

from tasks.seq2seq.settings.model import ModelSettings
from tasks.seq2seq.settings.model_rules import model_settings_are_used, widths_fit

SMALL = {"units": 8, "embedding": 4}
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "gru": {"cell": "gru"},
    "deeper decoder": {"decoder_layers": 3, "encoder_layers": 1, "cell": "gru"},
    "deeper encoder, narrower decoder": {"encoder_layers": 2, "decoder_units": 6, "residual": True},
    "bidirectional with dot attention": {
        "bidirectional": True, "encoder_units": 4, "attention": "luong_dot", "bridge": "copy", "dropout": 0.2,
    },
    "general attention": {"attention": "luong_general", "layers": 2, "layer_norm": True, "bidirectional": True},
    "input feeding": {
        "attention": "luong_general", "input_feeding": True, "layers": 2, "residual": True, "layer_norm": True,
        "bidirectional": True, "dropout": 0.2, "recurrent_dropout": 0.2, "output_dropout": 0.2,
    },
    "one-hot with input feeding": {"attention": "luong_dot", "input_feeding": True, "embedding": 0, "cell": "gru"},
    "bahdanau": {"attention": "bahdanau", "target_embedding": 6},
    "one table of embeddings": {"share_embeddings": True, "tie_embeddings": True, "embedding": 8},
}  # fmt: skip


CHOICES = {
    "cell": ("lstm", "gru"), "encoder_units": (4, 8), "decoder_units": (6, 8), "encoder_layers": (1, 2, 3),
    "decoder_layers": (1, 2, 3), "bidirectional": (False, True), "bridge": (None, "copy", "dense"),
    "residual": (False, True), "layer_norm": (False, True),
    "attention": ("none", "luong_dot", "luong_general", "bahdanau"), "input_feeding": (None, False, True),
    "embedding": (0, 4, 8), "target_embedding": (None, 0, 6, 8), "share_embeddings": (False, True),
    "tie_embeddings": (False, True), "dropout": (0, 0.2), "output_dropout": (0, 0.2), "recurrent_dropout": (0, 0.2),
}  # fmt: skip


def drawn_kinds():
    """Settings drawn from all that may be chosen, without those that the rules refuse."""
    rng = np.random.default_rng(0)
    while True:
        kind = {name: values[rng.integers(len(values))] for name, values in CHOICES.items()}
        sections = {"model": ModelSettings(**kind)}
        if not [*widths_fit(sections), *model_settings_are_used(sections)]:
            yield kind


def settings_of(kind):
    """The settings of a small model of a kind."""
    return ModelSettings(**{**SMALL, **kind})
