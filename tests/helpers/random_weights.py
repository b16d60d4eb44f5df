"""Random weights of any architecture, as plain arrays."""

import numpy as np

from tasks.seq2seq.inference.graphs.weights import (
    DenseWeights,
    LayerWeights,
    ModelWeights,
    NormWeights,
    RecurrentWeights,
)
from tasks.seq2seq.settings.architecture import PARTS

GATES = {"lstm": 4, "gru": 3}


class _Drawn:
    """Draws arrays whose products keep their size, times `scale`."""

    def __init__(self, settings, seed, scale):
        self._settings, self._rng, self._scale = settings, np.random.default_rng(seed), scale

    def kernel(self, n_inputs, n_outputs):
        return self._rng.normal(0, self._scale / np.sqrt(n_inputs), (n_inputs, n_outputs)).astype(np.float32)

    def bias(self, *shape):
        """Small ones, so that what is said follows from the source."""
        return self._rng.normal(0, 0.1, shape).astype(np.float32)

    def table(self, n, width):
        return self.kernel(n, width) * np.float32(np.sqrt(n)) if width else np.eye(n, dtype=np.float32)

    def dense(self, n_inputs, n_outputs):
        return DenseWeights(self.kernel(n_inputs, n_outputs), self.bias(n_outputs))

    def stack(self, depth, width, units, n_directions):
        return tuple(self._layer(width if i == 0 else units * n_directions, units, n_directions) for i in range(depth))

    def _layer(self, width, units, n_directions):
        size = GATES[self._settings.cell] * units
        bias = (2, size) if self._settings.cell == "gru" else (size,)
        directions = tuple(
            RecurrentWeights(self.kernel(width, size), self.kernel(units, size), self.bias(*bias))
            for _ in range(n_directions)
        )
        features = units * n_directions
        norm = NormWeights(1 + self.bias(features), self.bias(features), 1e-3) if self._settings.layer_norm else None
        return LayerWeights(directions, norm)


def random_weights(architecture, seed=0, scale=1.0):
    """Weights of a model that nobody has trained; the larger the scale, the more its answers differ."""
    settings, source, target = architecture.settings, architecture.source, architecture.target
    draw = _Drawn(settings, seed, scale)
    source_table = draw.table(source.vocabulary, settings.source_width) if source.vocabulary else None
    target_table = draw.table(target.vocabulary, settings.target_width) if target.vocabulary else None
    if settings.share_embeddings:
        source_table = target_table
    memory, units = settings.memory_width, settings.decoder_width
    source_width = source.features + architecture.masked if source_table is None else source_table.shape[1]
    target_width = target.features if target_table is None else target_table.shape[1]
    n_outputs = target.vocabulary or target.features
    is_tied = settings.tie_embeddings and target_table is not None
    return ModelWeights(
        source_table,
        target_table,
        draw.stack(settings.encoder_depth, source_width, settings.encoder_width, 1 + settings.bidirectional),
        draw.stack(settings.decoder_depth, target_width + units * settings.feeds_input, units, 1),
        ()
        if settings.copies_state
        else tuple(draw.dense(memory, units) for _ in range(settings.decoder_depth * len(PARTS[settings.cell]))),
        draw.dense(memory, units) if settings.attention_needs.has_keys else None,
        _attention(draw, settings),
        DenseWeights(target_table.T, np.zeros(n_outputs, np.float32)) if is_tied else draw.dense(units, n_outputs),
    )


def _attention(draw, settings):
    memory, units = settings.memory_width, settings.decoder_width
    scores = {
        "luong_dot": {},
        "luong_general": {"query_kernel": (units, memory)},
        "bahdanau": {"query_kernel": (units, units), "score_kernel": (units, 1)},
    }
    if not settings.attends:
        return {}
    return {
        name: draw.kernel(*shape)
        for name, shape in {**scores[settings.attention], "kernel": (memory + units, units)}.items()
    }
