"""Quantiles that never cross, a layer that Keras does not have.

Importing this module registers it, so that a saved model loads without custom objects.

The model says the median, and of each other quantile how far it lies from its neighbour towards the median: a number
that softplus makes positive. So no two cross whatever the weights are, while it trains and in whatever it is exported
to. Sorting at inference would do so too, but only behind the loss: the quantile that is given would then not be the one
that was trained.

Source: Y. Park, D. Maddix, F.-X. Aubet, K. Kan, J. Gasthaus, Y. Wang, "Learning quantile functions without quantile
crossing for distribution-free time series forecasting" (2022), whose incremental quantile functions add up positive
steps in this way, there from the lowest quantile; here from the median, so that the point forecast is a number of its
own.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from tasks.seq2seq.models.tensors import Tensor


@keras.saving.register_keras_serializable(package="seq2seq")
class QuantileOutput(layers.Layer):
    """Makes quantiles of numbers that may be anything.

    It takes and gives `(batch, target_length, quantiles * features)`, in the order of `tasks.seq2seq.data.quantiles`.
    """

    def __init__(self, n_below: int, n_above: int, **options: Any) -> None:  # noqa: ANN401 - Keras' own
        """Takes how many quantiles lie below the median and above it."""
        super().__init__(**options)
        self.n_below, self.n_above = n_below, n_above

    def call(self, raw: Tensor) -> Tensor:
        """The quantiles."""
        median, *others = ops.split(raw, 1 + self.n_below + self.n_above, axis=-1)
        gaps = [ops.softplus(other) for other in others]
        lower, upper = [median], [median]
        for gap in reversed(gaps[: self.n_below]):
            lower.insert(0, lower[0] - gap)
        for gap in gaps[self.n_below :]:
            upper.append(upper[-1] + gap)
        return ops.concatenate([median, *lower[:-1], *upper[1:]], axis=-1)

    def get_config(self) -> dict[str, Any]:
        """What the layer is made again from."""
        return {**super().get_config(), "n_below": self.n_below, "n_above": self.n_above}
