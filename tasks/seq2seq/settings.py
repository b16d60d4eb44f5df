"""The experiment: one tree of settings, the same names in TOML, on the command line and in Prefect."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from tasks.seq2seq.data_settings import FilesData, SyntheticData
from tasks.seq2seq.model_settings import ModelSettings
from tasks.seq2seq.section import Fraction, Section
from tasks.seq2seq.training_settings import TrainingSettings


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
