"""The experiment: one tree of settings, the same names in TOML, on the command line and in Prefect."""

from __future__ import annotations

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


class FilesData(Section):
    """The user's own pairs, from Parquet files of integer lists."""

    kind: Literal["files"] = "files"
    train: Path = Field(description="Parquet file with the training pairs")
    validation: Path | None = Field(None, description="Parquet file to validate on; else a split of the training file")
    test: Path | None = Field(None, description="Parquet file to evaluate on; else a split of the training file")
    source: str = Field("source", min_length=1, description="column of the source sequences")
    target: str = Field("target", min_length=1, description="column of the target sequences")
    source_encoding: Literal["integers"] = Field("integers", description="what a source sequence is made of")
    target_encoding: Literal["integers"] = Field("integers", description="what a target sequence is made of")
    validation_fraction: Fraction = Field(
        0.1, description="share of sources to validate on, in [0, 1), by a seeded hash of the source"
    )
    test_fraction: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="share of sources to evaluate on, in (0, 1), by a seeded hash of the source",
    )
    max_reject_rate: float = Field(
        0.0, ge=0, le=1, description="share of rows that may be rejected before the run fails, in [0, 1]"
    )


class ModelSettings(Section):
    """The encoder-decoder LSTM."""

    units: int = Field(128, ge=1, le=16_384, description="LSTM units of the encoder and of the decoder")
    embedding: int = Field(
        64,
        ge=0,
        le=16_384,
        description="width of the embeddings; 0 feeds one-hot vectors, as the tutorial does",
    )


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


class EvaluationSettings(Section):
    """How the model is proven, and what it takes to be promoted."""

    n_samples: int = Field(
        100, ge=1, description="fresh samples of a synthetic problem (files: all test rows are taken)"
    )
    n_examples: int = Field(10, ge=0, description="samples shown as source, expected and predicted")
    min_sequence_accuracy: float = Field(
        0.95, ge=0, le=1, description="the gate: share of sequences that must be right, in [0, 1]"
    )


def _data_kind(data: Any) -> Any:  # noqa: ANN401 - whatever the user wrote
    """A missing `kind` means files where a training file is given, else synthetic."""
    if isinstance(data, dict) and "kind" not in data:
        return {"kind": "files" if "train" in data else "synthetic", **data}
    return data


class Experiment(Section):
    """Everything that a result depends on: the data, the model, its training, its proof, and the seed."""

    name: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description="under which the model is promoted (the problem's or the training file's name)",
    )
    seed: int = Field(0, ge=0, lt=2**31, description="of everything random")
    data: Annotated[SyntheticData | FilesData, Field(discriminator="kind")] = Field(default_factory=SyntheticData)
    model: ModelSettings = Field(default_factory=ModelSettings)
    training: TrainingSettings = Field(default_factory=TrainingSettings)
    evaluation: EvaluationSettings = Field(default_factory=EvaluationSettings)

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
        return self.data.problem if isinstance(self.data, SyntheticData) else self.data.train.stem
