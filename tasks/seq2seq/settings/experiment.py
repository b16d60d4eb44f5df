"""The experiment: one tree of settings, the same names in TOML, on the command line and in Prefect."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field, model_validator

from tasks.seq2seq.settings.checks import TrainingChecks
from tasks.seq2seq.settings.data import FilesData, SyntheticData
from tasks.seq2seq.settings.decoding import DecodingSettings
from tasks.seq2seq.settings.evaluation import EvaluationSettings
from tasks.seq2seq.settings.export import ExportSettings
from tasks.seq2seq.settings.model import ModelSettings
from tasks.seq2seq.settings.section import Section
from tasks.seq2seq.settings.training import TrainingSettings
from tasks.seq2seq.settings.where import name_of


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
UNKEYED: dict[str, set[str]] = {
    "training": {"tensorboard"},
    "model": {"cudnn", "source_vectors", "target_vectors", "vector_files"},
}


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
        return re.sub(r"[^A-Za-z0-9._-]+", "-", name_of(self.data.train).split(".")[0]).strip("-._") or "files"
