"""What settings of training keep each other from doing: each fault a sentence with the key to change."""

from __future__ import annotations

import math
from collections.abc import Iterator

from tasks.seq2seq.data.quantiles import faults as quantile_faults
from tasks.seq2seq.settings.data import FilesData, SyntheticData
from tasks.seq2seq.settings.training import TrainingSettings

DECAYS = ("cosine_decay", "exponential_decay", "inverse_time_decay", "polynomial_decay")
# What a setting is for: the setting that decides, and its values.
_FOR: dict[str, tuple[str, tuple[str, ...]]] = {
    "decay_steps": ("schedule", DECAYS),
    "alpha": ("schedule", ("cosine_decay",)),
    "decay_rate": ("schedule", ("exponential_decay", "inverse_time_decay")),
    "end_learning_rate": ("schedule", ("polynomial_decay",)),
    "power": ("schedule", ("polynomial_decay",)),
    "plateau_factor": ("schedule", ("reduce_lr_on_plateau",)),
    "plateau_patience": ("schedule", ("reduce_lr_on_plateau",)),
    "min_learning_rate": ("schedule", ("reduce_lr_on_plateau",)),
    "average_epochs": ("average", ("last",)),
    "ema_momentum": ("average", ("ema",)),
    "sampling_probability": ("sampling", ("constant", "linear")),
    "sampling_steps": ("sampling", ("linear",)),
    "sampling_k": ("sampling", ("exponential", "inverse_sigmoid")),
}


def training_faults(training: TrainingSettings, data: SyntheticData | FilesData | None) -> Iterator[str]:
    """What keeps these settings from being used, with this data where it is known."""
    yield from _of_other_choices(training)
    yield from _of_schedules(training)
    yield from _of_sampling(training)
    yield from _of_quantiles(training)
    clips = [name for name in ("clipnorm", "global_clipnorm", "clipvalue") if getattr(training, name) is not None]
    if len(clips) > 1:
        yield f"{' and '.join(f'training.{name}' for name in clips)} are set; Keras clips by one of them"
    if training.average == "last" and training.epochs == 1:
        yield 'training.average is "last", but training.epochs is 1; there is only one end of an epoch'
    if data is not None:
        yield from _of_data(training, data)


def _of_other_choices(training: TrainingSettings) -> Iterator[str]:
    for name, (decides, values) in _FOR.items():
        value, chosen = getattr(training, name), getattr(training, decides)
        if chosen not in values and value != TrainingSettings.model_fields[name].default:
            them = " or ".join(f'"{one}"' for one in values)
            yield f'training.{name} is {value}, but training.{decides} is "{chosen}"; it is for {them}'


def _of_schedules(training: TrainingSettings) -> Iterator[str]:
    if training.warmup_steps and training.warmup_share:
        yield "training.warmup_steps and training.warmup_share are set; give one of them"
    if training.schedule == "reduce_lr_on_plateau" and (training.warmup_steps or training.warmup_share):
        yield (
            'training.schedule is "reduce_lr_on_plateau", which sets the learning rate itself, and '
            "training.warmup_steps or training.warmup_share is set; choose another schedule, or no warm-up"
        )
    for name in ("end_learning_rate", "min_learning_rate"):
        if getattr(training, name) > training.learning_rate:
            yield (
                f"training.{name} is {getattr(training, name):g}, above training.learning_rate, "
                f"{training.learning_rate:g}; the learning rate falls"
            )


def _of_sampling(training: TrainingSettings) -> Iterator[str]:
    k = training.sampling_k
    if k is None:
        return
    if training.sampling == "exponential" and k >= 1:
        yield f"training.sampling_k is {k:g}; of exponential it is below 1, as 1 - k^i grows only then"
    if training.sampling == "inverse_sigmoid" and k < 1:
        yield f"training.sampling_k is {k:g}; of inverse_sigmoid it is 1 or more"


def _of_quantiles(training: TrainingSettings) -> Iterator[str]:
    if not training.quantiles:
        return
    chosen = list(training.quantiles)
    if training.loss != "quantile":
        yield f'training.quantiles is {chosen}, which is for training.loss = "quantile"; set it, or leave them out'
    yield from (f"training.quantiles is {chosen}; {fault}" for fault in quantile_faults(chosen))


def _of_data(training: TrainingSettings, data: SyntheticData | FilesData) -> Iterator[str]:
    if not has_validation(data):
        what = "a synthetic problem has none" if isinstance(data, SyntheticData) else "data.validation_fraction is 0"
        if training.schedule == "reduce_lr_on_plateau":
            yield f'training.schedule is "reduce_lr_on_plateau", which needs a validation split; {what}'
        if training.patience is not None:
            yield f"training.patience is {training.patience}, which needs a validation split; {what}"
    if isinstance(data, FilesData) and data.target_encoding == "vectors" and training.label_smoothing:
        yield (
            f"training.label_smoothing is {training.label_smoothing}, but the target is made of vectors; "
            f"it is for tokens"
        )
    if isinstance(data, SyntheticData):
        steps = math.ceil(data.n_samples / training.batch_size) * training.epochs
        if training.warmup_steps >= steps:
            yield (
                f"training.warmup_steps is {training.warmup_steps}, but the whole training has {steps} steps; lower "
                f"it, or set training.warmup_share"
            )


def has_validation(data: SyntheticData | FilesData) -> bool:
    """Whether some pairs are held out to validate on."""
    return isinstance(data, FilesData) and (data.validation is not None or data.validation_fraction > 0)
