"""Optimizers and learning rates, by Keras' own names."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.training import TrainingSettings

OPTIMIZERS: dict[str, type[keras.optimizers.Optimizer]] = {
    one.__name__.lower(): one
    for one in (
        keras.optimizers.Adam,
        keras.optimizers.AdamW,
        keras.optimizers.Nadam,
        keras.optimizers.RMSprop,
        keras.optimizers.SGD,
        keras.optimizers.Adagrad,
        keras.optimizers.Lion,
    )
}
# Where no decay rate is given: both end at a tenth of the learning rate.
DECAY_RATES = {"exponential_decay": 0.1, "inverse_time_decay": 9.0}


class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """Rises evenly over the first steps, to the rate at which what comes after begins."""

    def __init__(self, learning_rate: float, warmup_steps: int, after: Any) -> None:  # noqa: ANN401
        """Takes the rate to rise to, in how many steps, and what comes after: a schedule, or None for that rate."""
        self.learning_rate, self.warmup_steps, self.after = learning_rate, warmup_steps, after

    def __call__(self, step: Any) -> Any:  # noqa: ANN401 - a scalar tensor
        """The learning rate of a step, counted from 0; the first is not 0, which would be a step for nothing."""
        step = ops.cast(step, "float32")
        rising = self.learning_rate * (step + 1) / self.warmup_steps
        after = self.after(ops.maximum(step - self.warmup_steps, 0)) if self.after else self.learning_rate
        return ops.where(step < self.warmup_steps, rising, after)

    def get_config(self) -> dict[str, Any]:
        """As Keras asks of each schedule."""
        return {"learning_rate": self.learning_rate, "warmup_steps": self.warmup_steps, "after": self.after}


def make_optimizer(settings: TrainingSettings, steps: int) -> keras.optimizers.Optimizer:
    """The optimizer that the settings describe.

    Args:
        settings: optimizer, learning rate and schedule, weight decay, gradient clipping.
        steps: gradient steps of the whole training.

    Raises:
        SettingsError: the learning rate would rise until the end.
    """
    chosen: dict[str, Any] = {
        name: getattr(settings, name)
        for name in ("weight_decay", "clipnorm", "global_clipnorm", "clipvalue")
        if getattr(settings, name) is not None
    }
    if settings.average == "ema":
        chosen |= {"use_ema": True, "ema_momentum": settings.ema_momentum}
    optimizer = OPTIMIZERS[settings.optimizer](learning_rate=make_learning_rate(settings, steps), **chosen)
    # Gradients of 16 bits would vanish: the loss is scaled up for them, and steps that overflow are left out.
    return keras.optimizers.LossScaleOptimizer(optimizer) if settings.precision == "mixed_float16" else optimizer


def make_learning_rate(settings: TrainingSettings, steps: int) -> Any:  # noqa: ANN401 - a number or a schedule
    """The learning rate over the steps of a training: a number where it stays, or where a plateau lowers it."""
    warmup = count_warmup_steps(settings, steps)
    after = _schedule(settings, settings.decay_steps or steps - warmup)
    if warmup:
        return WarmUp(settings.learning_rate, warmup, after)
    return after or settings.learning_rate


def count_warmup_steps(settings: TrainingSettings, steps: int) -> int:
    """Steps in which the learning rate rises.

    Raises:
        SettingsError: as many as there are, or more.
    """
    warmup = settings.warmup_steps or round(settings.warmup_share * steps)
    if warmup and warmup >= steps:
        raise SettingsError(
            f"training.warmup_steps is {warmup}, but the whole training has {steps} steps; lower it, or set "
            f"training.warmup_share"
        )
    return warmup


def _schedule(settings: TrainingSettings, decay_steps: int) -> Any:  # noqa: ANN401 - a schedule, or None
    schedules, rate = keras.optimizers.schedules, settings.learning_rate
    decay_rate = settings.decay_rate or DECAY_RATES.get(settings.schedule)
    match settings.schedule:
        case "cosine_decay":
            return schedules.CosineDecay(rate, decay_steps, alpha=settings.alpha)
        case "exponential_decay":
            return schedules.ExponentialDecay(rate, decay_steps, decay_rate)
        case "inverse_time_decay":
            return schedules.InverseTimeDecay(rate, decay_steps, decay_rate)
        case "polynomial_decay":
            return schedules.PolynomialDecay(rate, decay_steps, settings.end_learning_rate, settings.power)
    return None
