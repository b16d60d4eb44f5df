"""Losses, of tokens and of vectors: means over the time steps that are there.

A mean over padding too would say that long batches are easy.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from tasks.seq2seq.data.quantiles import MEDIAN, Quantiles, others
from tasks.seq2seq.settings.training import TrainingSettings


def token_loss(settings: TrainingSettings, *, weighted: bool = False) -> keras.losses.Loss:
    """Cross-entropy of logits, smoothed where the settings say so; `weighted`: pairs have weights."""
    if settings.label_smoothing:
        return SmoothedCrossentropy(settings.label_smoothing, _reduction(weighted))
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=_reduction(weighted))


def vector_loss(settings: TrainingSettings, *, weighted: bool = False) -> keras.losses.Loss:
    """The loss that is asked for, or the squared error."""
    if settings.forecast_quantiles:
        return QuantileLoss(settings.forecast_quantiles, _reduction(weighted))
    # Of the class: a loss that Keras finds by its function's name takes no reduction.
    name = (settings.loss or "mean_squared_error").title().replace("_", "")
    return keras.losses.get({"class_name": name, "config": {"reduction": _reduction(weighted)}})


def _reduction(weighted: bool) -> str:
    return "sum" if weighted else "mean_with_sample_weight"  # weights of pairs are divided by the steps already


class QuantileLoss(keras.losses.Loss):
    """The pinball loss, in the mean over all quantiles and features: each is least where it is the quantile.

    Source: R. Koenker, G. Bassett, "Regression quantiles", Econometrica 46 (1978).
    """

    def __init__(self, quantiles: Quantiles, reduction: str) -> None:
        """Takes the quantiles, and Keras' name of how losses of time steps become one."""
        super().__init__(name="quantile", reduction=reduction)
        self.quantiles = quantiles

    def call(self, y_true: Any, y_pred: Any) -> Any:  # noqa: ANN401 - tensors
        """Of vectors `(batch, target_length, features)` and what the model puts out: `(batch, target_length)`."""
        order = (MEDIAN, *others(self.quantiles))
        losses = []
        for quantile, block in zip(order, ops.split(y_pred, len(order), axis=-1), strict=True):
            error = y_true - block
            losses.append(ops.mean(ops.maximum(quantile * error, (quantile - 1) * error), axis=-1))
        return sum(losses) / len(order)

    def get_config(self) -> dict[str, Any]:
        """As Keras asks of each loss."""
        return {"quantiles": self.quantiles, "reduction": self.reduction}


def vector_metric(settings: TrainingSettings) -> keras.metrics.Metric:
    """The mean absolute error of the point forecast."""
    n = len(settings.forecast_quantiles)
    if not n:
        return keras.metrics.MeanAbsoluteError(name="mae")

    def median_error(y_true: Any, y_pred: Any) -> Any:  # noqa: ANN401 - tensors
        return ops.mean(ops.abs(y_true - ops.split(y_pred, n, axis=-1)[0]), axis=-1)

    return keras.metrics.MeanMetricWrapper(median_error, name="mae")


class SmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy with a target of which a share is spread evenly over all ids, the reserved ones included.

    Targets stay ids: as one-hot vectors they would take as much memory as the logits again.

    Source: C. Szegedy et al., "Rethinking the inception architecture for computer vision" (2016), section 7.
    """

    def __init__(self, label_smoothing: float, reduction: str) -> None:
        """Takes the share, in (0, 1), and Keras' name of how losses of time steps become one."""
        super().__init__(name="smoothed_crossentropy", reduction=reduction)
        self.label_smoothing, self.is_plain = label_smoothing, False

    def call(self, y_true: Any, y_pred: Any) -> Any:  # noqa: ANN401 - tensors
        """Of ids `(batch, target_length)` and logits `(batch, target_length, vocabulary)`: `(batch, target_length)`."""
        nll = keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)
        if self.is_plain:
            return nll
        # The mean of -log p over all ids, where log p = logit - logsumexp(logits).
        even = ops.logsumexp(y_pred, axis=-1) - ops.mean(y_pred, axis=-1)
        return (1 - self.label_smoothing) * nll + self.label_smoothing * even

    def get_config(self) -> dict[str, Any]:
        """As Keras asks of each loss."""
        return {"label_smoothing": self.label_smoothing, "reduction": self.reduction}


class PlainValidation(keras.callbacks.Callback):
    """Validates without label smoothing, so that losses of differently smoothed models can be compared.

    Keras traces the training step and the validation step apart, each while it runs.
    """

    def __init__(self, loss: SmoothedCrossentropy) -> None:
        """Takes the loss of the model."""
        super().__init__()
        self._loss = loss

    def on_test_begin(self, logs: Any = None) -> None:  # noqa: ANN401, ARG002
        """Keras calls it."""
        self._loss.is_plain = True

    def on_test_end(self, logs: Any = None) -> None:  # noqa: ANN401, ARG002
        """Keras calls it."""
        self._loss.is_plain = False
