"""Settings of `[training]`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from tasks.seq2seq.data.quantiles import DEFAULT, Quantiles
from tasks.seq2seq.settings.section import Section

Loss = Literal[
    "sparse_categorical_crossentropy",
    "mean_squared_error",
    "mean_absolute_error",
    "huber",
    "cosine_similarity",
    "quantile",
]


Schedule = Literal[
    "constant",
    "cosine_decay",
    "exponential_decay",
    "inverse_time_decay",
    "polynomial_decay",
    "reduce_lr_on_plateau",
]


class TrainingSettings(Section):
    """How the model is trained."""

    epochs: int = Field(1, ge=1, description="passes over the training pairs")
    batch_size: int = Field(256, ge=1, description="pairs a gradient step (the tutorial's: 32)")
    optimizer: Literal["adam", "adamw", "nadam", "rmsprop", "sgd", "adagrad", "lion"] = Field(
        "adam", description="Keras' name of the optimizer"
    )
    learning_rate: float = Field(
        0.005, gt=0, le=10, allow_inf_nan=False, description="step size (the tutorial's: 0.001)"
    )
    schedule: Schedule = Field(
        "constant",
        description="Keras' name of what becomes of the learning rate: constant; a decay over the steps of the whole "
        "training; reduce_lr_on_plateau: lowered when the validation loss no longer falls",
    )
    decay_steps: int | None = Field(
        None, ge=1, description="gradient steps of a decay, after the warm-up (those of the whole training)"
    )
    alpha: float = Field(
        0.0, ge=0, le=1, description="cosine_decay: where it ends, as a share of the learning rate, in [0, 1]"
    )
    decay_rate: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="exponential_decay: the factor over decay_steps (0.1); inverse_time_decay: the learning rate is "
        "divided by 1 + it after decay_steps (9)",
    )
    end_learning_rate: float = Field(0.0, ge=0, allow_inf_nan=False, description="polynomial_decay: where it ends")
    power: float = Field(1.0, gt=0, allow_inf_nan=False, description="polynomial_decay: 1 is a straight line")
    plateau_factor: float = Field(
        0.1, gt=0, lt=1, description="reduce_lr_on_plateau: what the learning rate is multiplied by"
    )
    plateau_patience: int = Field(
        2, ge=1, description="reduce_lr_on_plateau: epochs without a lower validation loss before it is"
    )
    min_learning_rate: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="reduce_lr_on_plateau: the learning rate is never lower"
    )
    warmup_steps: int = Field(
        0, ge=0, description="gradient steps in which the learning rate rises evenly, before its schedule begins"
    )
    warmup_share: float = Field(0.0, ge=0, lt=1, description="the same as a share of all steps, in [0, 1)")
    weight_decay: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="share of each weight that a step takes away, times the learning rate (adamw: 0.004; others: none)",
    )
    clipnorm: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="the gradient of each weight is scaled down to this norm (not)"
    )
    global_clipnorm: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="the gradients of all weights together are scaled down to it (not)"
    )
    clipvalue: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="each number of a gradient is cut off at it (not)"
    )
    label_smoothing: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the target's probability that is spread evenly over all ids, in [0, 1); validation "
        "does without",
    )
    loss: Loss | None = Field(
        None,
        description="Keras' name of the loss (sparse_categorical_crossentropy for tokens, mean_squared_error for "
        "vectors; cosine_similarity for embeddings); or quantile, for forecasts with intervals",
    )
    quantiles: tuple[float, ...] = Field(
        (),
        description="quantile: which are forecast, ascending, in (0, 1), 0.5 among them, which is the prediction "
        "(0.1, 0.5, 0.9)",
    )
    start: Literal["scratch", "promoted"] = Field(
        "scratch",
        description="where training starts: from new weights, or from those of the model that is promoted under the "
        "experiment's name, where there is one; symbols that it knows keep their weights",
    )
    sampling: Literal["none", "constant", "linear", "exponential", "inverse_sigmoid"] = Field(
        "none",
        description="how the probability runs with which a step of training is given the model's own previous "
        "prediction, not the true one: scheduled sampling, over gradient steps i from 0. none: never; constant: p; "
        "linear: p i / sampling_steps; exponential: 1 - k^i; inverse_sigmoid: 1 - k / (k + e^(i/k))",
    )
    sampling_probability: float | None = Field(
        None, ge=0, le=1, description="p of constant (0.25), and of linear, which ends there (1), in [0, 1]"
    )
    sampling_steps: int | None = Field(
        None, ge=1, description="linear: gradient steps until p is reached (those of the whole training)"
    )
    sampling_k: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="k of exponential, below 1, and of inverse_sigmoid, 1 or more (such that the probability is a half "
        "midway through the training)",
    )
    patience: int | None = Field(
        None,
        ge=1,
        description="epochs without a lower validation loss after which training ends (all epochs are run); the "
        "weights of the best epoch are kept in any case",
    )
    average: Literal["none", "last", "ema"] = Field(
        "none",
        description="weights that are validated and kept: none: those of the last step; last: the mean of the last "
        "epochs' ends; ema: Keras' exponential moving average over the steps",
    )
    average_epochs: int = Field(5, ge=2, description="last: of so many epochs")
    ema_momentum: float = Field(
        0.999, gt=0, lt=1, description="ema: the share of the average that a step leaves, in (0, 1)"
    )
    max_seconds: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="seconds after which training ends as after its last epoch, validation included (no limit)",
    )
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = Field(
        "float32",
        description="Keras' name of the dtype policy that is trained with; weights, logits and what is exported are "
        "float32 in any case",
    )
    deterministic: bool = Field(
        False,
        description="on a GPU: the same weights from the same seed, to the last bit, at a cost of time (on a CPU they "
        "always are)",
    )
    tensorboard: Path | None = Field(
        None,
        description="folder for TensorBoard's event files, with a folder in it for each training (none are written); "
        "it changes no result, and nothing is made again for it",
    )

    @property
    def forecast_quantiles(self) -> Quantiles:
        """The quantiles that are forecast; none with another loss."""
        if self.loss != "quantile":
            return ()
        return self.quantiles or DEFAULT
