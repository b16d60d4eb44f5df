"""The experiment: one tree of settings, the same names in TOML, on the command line and in Prefect."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.seq2seq.problems import PROBLEMS, Dimensions, resolve_dimensions

Fraction = Annotated[float, Field(ge=0, lt=1)]


class Section(BaseModel):
    """A part of the experiment; it takes no key that it does not know, and never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SyntheticData(Section):
    """A problem whose pairs are generated."""

    kind: Literal["synthetic"] = "synthetic"
    problem: Literal["reverse_first", "reverse", "copy", "sort", "addition"] = Field(
        "reverse_first", description="; ".join(f"{name}: {p.description}" for name, p in PROBLEMS.items())
    )
    n_in: int | None = Field(None, ge=1, le=10_000, description="source length, time steps (6; addition 7)")
    n_out: int | None = Field(
        None, ge=1, le=10_000, description="target length, time steps (3; most problems derive it)"
    )
    cardinality: int | None = Field(
        None, ge=2, le=1_000_000, description="content symbols 1..cardinality, 0 is reserved (50)"
    )
    n_samples: int = Field(100_000, ge=1, description="training pairs")

    @property
    def dimensions(self) -> Dimensions:
        """Lengths and cardinality with the problem's own filled in."""
        return resolve_dimensions(self.problem, self.n_in, self.n_out, self.cardinality)


Encoding = Literal["integers", "characters", "words", "vectors"]
ColumnNames = str | int | tuple[str | int, ...]

ENCODINGS = (
    "integers (each a symbol, 0 and negatives too), characters (Unicode code points, NFC), words (split on white "
    "space, or a list of strings), vectors (real values)"
)


class FilesData(Section):
    """The user's own pairs, or a series that is cut into windows."""

    kind: Literal["files"] = "files"
    train: Path = Field(
        description="training pairs: .parquet, .arrow, .feather, .csv, .tsv, .jsonl (the last three also .gz, .zst) "
        "or .npz; a file, a folder or a glob"
    )
    validation: Path | None = Field(None, description="pairs to validate on, likewise; else a split of the training")
    test: Path | None = Field(None, description="pairs to evaluate on, likewise; else a split of the training")
    header: bool = Field(True, description="whether the first line of a .csv or .tsv names the columns")
    delimiter: str | None = Field(
        None, min_length=1, max_length=1, description="between the fields of a line (a comma in .csv, a tab in .tsv)"
    )
    quote: str | None = Field(
        None, max_length=1, description='around fields that hold a delimiter (`"` in .csv, none in .tsv); empty: none'
    )
    source: ColumnNames | None = Field(
        None,
        description="column of the source sequences: its name, or its position from 0 with header = false (`source`, "
        "or 0); of a series, one or several, as a list or with commas between",
    )
    target: ColumnNames | None = Field(
        None, description="column of the target sequences, likewise (`target`, or 1; of a series, the source's)"
    )
    weight: str | int | None = Field(
        None,
        description="column of the weights of pairs, numbers of 0 or more, likewise: a training pair counts as much as "
        "its weight says beside the mean of all (none: all count the same); of training and validation files",
    )
    source_encoding: Encoding = Field("integers", description=f"what a source sequence is made of: {ENCODINGS}")
    target_encoding: Encoding = Field("integers", description="what a target sequence is made of, likewise")
    source_lowercase: bool = Field(False, description="lower-case the characters or words of sources")
    target_lowercase: bool = Field(False, description="lower-case the characters or words of targets")
    shared_vocabulary: bool = Field(
        False,
        description="learn one vocabulary from both sides together, so that a symbol has the same id in sources and "
        "targets; both must be of one encoding",
    )
    min_count: int = Field(
        1,
        ge=1,
        description="times that a symbol occurs in training to be in the vocabulary; on both sides together where they "
        "share one",
    )
    max_vocabulary: int | None = Field(
        None,
        ge=2,
        description="symbols of each side's vocabulary, or of the shared one, the commonest; the others become unknown "
        "(all)",
    )
    unknown: Literal["keep", "reject"] = Field(
        "keep",
        description="validation and test rows with source symbols that training has not seen: keep them, with the "
        "unknown token, or reject them",
    )
    max_source_length: int | None = Field(
        None, ge=1, le=1_000_000, description="longer sources are rejected, time steps (the longest; at most 10,000)"
    )
    max_target_length: int | None = Field(
        None, ge=1, le=1_000_000, description="longer targets are rejected, time steps (the longest; at most 10,000)"
    )
    empty_source: Literal["reject", "keep"] = Field("reject", description="what to do with sources without a step")
    empty_target: Literal["reject", "keep"] = Field("reject", description="what to do with targets without a step")
    validation_fraction: Fraction = Field(
        0.1,
        description="share of sources to validate on, in [0, 1), by a seeded hash of the source; of a series, the "
        "share of its time, before the test's",
    )
    test_fraction: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="share of sources to evaluate on, in (0, 1), likewise; of a series, its last share",
    )
    max_reject_rate: float = Field(
        0.0, ge=0, le=1, description="share of rows that may be rejected before the run fails, in [0, 1]"
    )
    history: int | None = Field(
        None,
        ge=1,
        description="cuts a series, one row a time step, into windows: time steps of each source",
    )
    horizon: int | None = Field(None, ge=1, description="time steps of each target, those after the source's")
    stride: int = Field(1, ge=1, description="time steps from one window to the next")
    season: int = Field(1, ge=1, description="time steps of a season, for the seasonal naive forecast and MASE")
    relative_to_last: bool = Field(
        False,
        description="learn a series of vectors as differences from the last step of each window's source, so that a "
        "trend may lead beyond the range of training",
    )

    @property
    def places(self) -> dict[str, Path]:
        """Where the files lie, by the split that they are given for; training first."""
        places = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: where for name, where in places.items() if where is not None}

    @property
    def source_columns(self) -> tuple[str | int, ...]:
        """Names of the source columns, or positions from 0."""
        return self._columns(self.source, 0)

    @property
    def target_columns(self) -> tuple[str | int, ...]:
        """Names of the target columns, or positions from 0."""
        if self.target is None and self.is_series:
            return self.source_columns
        return self._columns(self.target, 1)

    @property
    def weight_column(self) -> str | int | None:
        """Name of the weights' column, or its position from 0; None where all pairs count the same."""
        return self.weight if self.header or self.weight is None else _position(self.weight)

    @property
    def is_series(self) -> bool:
        """Whether a row is a time step of a series, not a pair."""
        return self.history is not None

    def _columns(self, names: ColumnNames | None, side: int) -> tuple[str | int, ...]:
        if names is None:
            names = side if not self.header else ("source", "target")[side]
        if isinstance(names, str) and self.is_series:
            names = tuple(name.strip() for name in names.split(","))
        columns = names if isinstance(names, tuple) else (names,)
        return columns if self.header else tuple(_position(name) for name in columns)


def _position(name: str | int) -> str | int:
    return int(name) if isinstance(name, str) and name.isdecimal() else name


class ModelSettings(Section):
    """The encoder-decoder; with the defaults the tutorial's, over embeddings."""

    cell: Literal["lstm", "gru"] = Field("lstm", description="Keras' name of the recurrent layers")
    units: int = Field(128, ge=1, le=16_384, description="units of each recurrent layer of the encoder and the decoder")
    encoder_units: int | None = Field(
        None, ge=1, le=16_384, description="units of the encoder's layers, of each direction (`units`)"
    )
    decoder_units: int | None = Field(None, ge=1, le=16_384, description="units of the decoder's layers (`units`)")
    layers: int = Field(1, ge=1, le=64, description="recurrent layers of the encoder and of the decoder")
    encoder_layers: int | None = Field(None, ge=1, le=64, description="layers of the encoder (`layers`)")
    decoder_layers: int | None = Field(None, ge=1, le=64, description="layers of the decoder (`layers`)")
    bidirectional: bool = Field(
        False, description="the encoder reads in both directions, and gives both outputs side by side"
    )
    bridge: Literal["copy", "dense"] | None = Field(
        None,
        description="from the encoder's last state to the decoder's first; copy: as it is; dense: through a learned "
        "tanh layer (copy where the widths are equal)",
    )
    residual: bool = Field(False, description="adds its input to the output of each recurrent layer after the first")
    layer_norm: bool = Field(False, description="normalises the output of each recurrent layer")
    attention: Literal["none", "luong_dot", "luong_general", "bahdanau"] = Field(
        "none", description="score by which the decoder attends to the encoder's outputs, padding left out"
    )
    input_feeding: bool | None = Field(
        None,
        description="whether the decoder is given what it attended to in the step before (with bahdanau, whose cell "
        "takes it)",
    )
    embedding: int = Field(
        64,
        ge=0,
        le=16_384,
        description="width of the embeddings of tokens; 0 feeds one-hot vectors, as the tutorial does",
    )
    source_embedding: int | None = Field(None, ge=0, le=16_384, description="of source tokens (`embedding`)")
    target_embedding: int | None = Field(None, ge=0, le=16_384, description="of target tokens (`embedding`)")
    share_embeddings: bool = Field(
        False, description="one table of embeddings for source and target; they need one vocabulary"
    )
    tie_embeddings: bool = Field(
        False, description="the output layer is the table of target embeddings, transposed, without a bias"
    )
    dropout: float = Field(
        0.0, ge=0, lt=1, description="share of the inputs of each recurrent layer that is dropped in training"
    )
    output_dropout: float = Field(
        0.0, ge=0, lt=1, description="share of the inputs of the output layer that is dropped in training"
    )
    recurrent_dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the recurrent state that is dropped in training, the same at each time step; cuDNN has "
        "no such thing",
    )
    cudnn: Literal["auto", "require"] = Field(
        "auto",
        description="cuDNN's kernels on a GPU; auto: where the settings allow them; require: or the run is refused",
    )
    source_vectors: Path | None = Field(
        None,
        description="pre-trained vectors that the source's embeddings start from, as GloVe and word2vec write them as "
        "text, plain or .gz; as wide as the embeddings (none: random)",
    )
    target_vectors: Path | None = Field(
        None, description="pre-trained vectors that the target's embeddings start from, likewise"
    )
    train_vectors: bool = Field(
        True, description="whether embeddings that start from vectors are trained on; false keeps them as they start"
    )

    @property
    def source_width(self) -> int:
        """Width of the embeddings of source tokens; 0 for one-hot vectors."""
        return self.embedding if self.source_embedding is None else self.source_embedding

    @property
    def target_width(self) -> int:
        """Width of the embeddings of target tokens; 0 for one-hot vectors."""
        return self.embedding if self.target_embedding is None else self.target_embedding

    @property
    def encoder_width(self) -> int:
        """Units of the encoder's layers, of one direction."""
        return self.encoder_units or self.units

    @property
    def memory_width(self) -> int:
        """Features of the encoder's outputs, of all directions."""
        return self.encoder_width * (2 if self.bidirectional else 1)

    @property
    def decoder_width(self) -> int:
        """Units of the decoder's layers."""
        return self.decoder_units or self.units

    @property
    def encoder_depth(self) -> int:
        """Layers of the encoder."""
        return self.encoder_layers or self.layers

    @property
    def decoder_depth(self) -> int:
        """Layers of the decoder."""
        return self.decoder_layers or self.layers

    @property
    def copies_state(self) -> bool:
        """Whether the decoder starts from the encoder's state as it is."""
        return self.bridge == "copy" or (self.bridge is None and self.memory_width == self.decoder_width)

    @property
    def attends(self) -> bool:
        """Whether the decoder attends to the encoder's outputs."""
        return self.attention != "none"

    @property
    def feeds_input(self) -> bool:
        """Whether the decoder is given what it attended to in the step before."""
        return self.attention == "bahdanau" if self.input_feeding is None else self.input_feeding

    def without_dropout(self) -> ModelSettings:
        """The same for inference: Keras draws what to drop of the recurrent state even where nothing is dropped."""
        return self.model_copy(update=dict.fromkeys(("dropout", "output_dropout", "recurrent_dropout"), 0.0))

    @property
    def vector_files(self) -> dict[str, Path]:
        """The files of vectors that embeddings start from, by side."""
        files = {"source": self.source_vectors, "target": self.target_vectors}
        return {side: path for side, path in files.items() if path is not None}

    def embedding_of(self, side: str) -> tuple[str, int]:
        """The setting that says how wide a side's embeddings are, and the width."""
        own: int | None = getattr(self, f"{side}_embedding")
        return ("model.embedding", self.embedding) if own is None else (f"model.{side}_embedding", own)


Loss = Literal[
    "sparse_categorical_crossentropy", "mean_squared_error", "mean_absolute_error", "huber", "cosine_similarity"
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
        "vectors; cosine_similarity for embeddings)",
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
    tensorboard: Path | None = Field(
        None,
        description="folder for TensorBoard's event files, with a folder in it for each training (none are written); "
        "it changes no result, and nothing is made again for it",
    )


class DecodingSettings(Section):
    """How a sequence is chosen among those that the model holds likely."""

    method: Literal["greedy", "beam", "sample"] = Field(
        "greedy",
        description="greedy: the likeliest token at each step; beam: the likeliest of several sequences that are "
        "followed at once; sample: a token drawn by its probability",
    )
    beam_width: int = Field(5, ge=1, le=1_000, description="sequences that beam search follows at once")
    length_penalty: float = Field(
        0.0,
        ge=0,
        le=10,
        allow_inf_nan=False,
        description="beam: log-probabilities are compared after division by ((5 + length) / 6) to this power; 0 "
        "compares them as they are, 1 favours longer sequences",
    )
    n_best: int = Field(1, ge=1, le=1_000, description="beam: sequences given for each source, at most beam_width")
    temperature: float = Field(
        1.0,
        gt=0,
        le=100,
        allow_inf_nan=False,
        description="sample: logits are divided by it; below 1 likely tokens become likelier, above 1 less so",
    )
    top_k: int | None = Field(None, ge=1, description="sample: only among so many likeliest tokens (all)")
    seed: int = Field(
        0, ge=0, lt=2**31, description="sample: another seed draws other sequences; the same source and seed, the same"
    )
    max_length: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="tokens of a prediction at most (the longest target of training); none may follow but the end",
    )


class EvaluationSettings(Section):
    """How the model is proven, and what it takes to be promoted."""

    n_samples: int = Field(
        100, ge=1, description="fresh samples of a synthetic problem (files: all test rows are taken)"
    )
    n_examples: int = Field(10, ge=0, description="samples shown as source, expected and predicted")
    min_sequence_accuracy: float = Field(
        0.95,
        ge=0,
        le=1,
        description="the gate for tokens: share of sequences that must be right, in [0, 1]; for embeddings, of those "
        "whose nearest neighbour must be",
    )
    max_relative_mae: float = Field(
        1.0,
        gt=0,
        allow_inf_nan=False,
        description="the gate for vectors: mean absolute error over the naive forecast's (over the mean's, where the "
        "target does not go on with the source) that must not be reached",
    )
    max_drop: float = Field(
        0.0,
        ge=0,
        le=1,
        description="how much worse than the promoted model a new one may be on the holdout, in [0, 1]: a difference "
        "of accuracies, or a share of the promoted model's error",
    )
    bleu: bool = Field(False, description="report BLEU by sacrebleu")
    chrf: bool = Field(False, description="report chrF by sacrebleu")


class ExportSettings(Section):
    """What is made of a model for other programs, beside its bundle; it changes no result of the model."""

    onnx: bool = Field(False, description="the whole decode as an ONNX file, an artifact of its own")


CheckRule = Literal["rows", "rejected", "duplicates", "conflicts", "overlap", "unknown", "lengths", "drift"]


class Checks(Section):
    """What data must keep to, before it is worked on; a rule that is not kept warns, or ends the run."""

    min_rows: int = Field(1, ge=0, description="rule `rows`: usable rows at least")
    max_rejected: Fraction = Field(0.05, description="rule `rejected`: share of rows that cannot be used, in [0, 1)")
    max_duplicates: Fraction = Field(0.5, description="rule `duplicates`: share of rows that stand there again")
    max_conflicts: Fraction = Field(
        0.01, description="rule `conflicts`: sources with two targets or more, as a share of the rows"
    )
    max_unknown: Fraction = Field(
        0.05, description="rule `unknown`: share of rows with source symbols that training has not seen"
    )
    max_length_ratio: float = Field(
        50.0, ge=1, allow_inf_nan=False, description="rule `lengths`: the longest source over the median one"
    )
    fail: tuple[CheckRule, ...] = Field((), description="rules that end the run where they are not kept; others warn")


class TrainingChecks(Checks):
    """What training data must keep to."""

    min_rows: int = Field(100, ge=0, description="rule `rows`: training pairs at least")
    max_overlap: Fraction = Field(
        0.0, description="rule `overlap`: share of held-out rows whose source is in training too"
    )
    max_drift: float = Field(
        0.25,
        gt=0,
        allow_inf_nan=False,
        description="rule `drift`: population stability index, against the training data of the promoted model, from "
        "which lengths or symbols are shifted",
    )


class BatchChecks(Checks):
    """What rows to predict must keep to; drift's limit is `drift_threshold`."""

    sample_rows: int = Field(
        100_000,
        ge=0,
        description="rows that are looked at before the first is predicted, the first ones of each file; 0: none",
    )


def _offer_either(schema: dict[str, Any]) -> None:
    """Prefect's form draws a choice of `anyOf`, and for the `oneOf` of a discriminated union an empty box."""
    schema.pop("discriminator", None)
    schema["anyOf"] = schema.pop("oneOf")


def _data_kind(data: Any) -> Any:  # noqa: ANN401 - whatever the user wrote
    """A missing `kind` means files where a training file is given, else synthetic."""
    if isinstance(data, dict) and "kind" not in data:
        return {"kind": "files" if "train" in data else "synthetic", **data}
    return data


NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
# What is recorded with an experiment and changes no result: it is in no step's key. Of vectors their content counts.
UNKEYED: dict[str, set[str]] = {"training": {"tensorboard"}, "model": {"cudnn", "source_vectors", "target_vectors"}}


class Experiment(Section):
    """Everything that a result depends on: the data, the model, its training, its proof, and the seed."""

    name: str | None = Field(
        None,
        pattern=NAME,
        description="under which the model is promoted (the problem's or the training file's name)",
    )
    seed: int = Field(0, ge=0, lt=2**31, description="of everything random")
    data: Annotated[SyntheticData | FilesData, Field(discriminator="kind", json_schema_extra=_offer_either)] = Field(
        default_factory=SyntheticData, description="a problem whose pairs are generated, or your own files"
    )
    model: ModelSettings = Field(default_factory=ModelSettings)
    training: TrainingSettings = Field(default_factory=TrainingSettings)
    decoding: DecodingSettings = Field(default_factory=DecodingSettings)
    evaluation: EvaluationSettings = Field(default_factory=EvaluationSettings)
    export: ExportSettings = Field(default_factory=ExportSettings)
    checks: TrainingChecks = Field(default_factory=TrainingChecks)

    @model_validator(mode="before")
    @classmethod
    def _infer_data_kind(cls, raw: Any) -> Any:  # noqa: ANN401
        if isinstance(raw, dict) and "data" in raw:
            return {**raw, "data": _data_kind(raw["data"])}
        return raw

    @property
    def promotion_name(self) -> str:
        """`name`, or what the data is called where none was given."""
        if self.name:
            return self.name
        if isinstance(self.data, SyntheticData):
            return self.data.problem
        return re.sub(r"[^A-Za-z0-9._-]+", "-", self.data.train.name.split(".")[0]).strip("-._") or "files"
