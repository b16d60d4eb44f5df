"""Random weights of any architecture, as plain arrays."""

import numpy as np

from tasks.seq2seq.inference.graphs.weight_shapes import make_weights


class _Drawn:
    """Draws arrays whose products keep their size, times `scale`."""

    def __init__(self, seed, scale):
        self._rng, self._scale = np.random.default_rng(seed), scale

    def kernel(self, n_inputs, n_outputs):
        return self._rng.normal(0, self._scale / np.sqrt(n_inputs), (n_inputs, n_outputs)).astype(np.float32)

    def bias(self, *shape):
        """Small ones, so that what is said follows from the source."""
        return self._rng.normal(0, 0.1, shape).astype(np.float32)

    def table(self, vocabulary, width):
        return self.kernel(vocabulary, width) * np.float32(np.sqrt(vocabulary))


def random_weights(architecture, seed=0, scale=1.0):
    """Weights of a model that nobody has trained; the larger the scale, the more its answers differ."""
    return make_weights(architecture, _Drawn(seed, scale))
