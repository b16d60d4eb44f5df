"""The shapes of the JSON files within artifacts, of which the keys are named that readers use; others may be beside."""

from __future__ import annotations

from typing import (
    Annotated,
    Any,
    NotRequired,  # pydantic needs these before Python 3.12
)

from pydantic import Field
from typing_extensions import TypedDict

Count = Annotated[int, Field(ge=0, lt=2**63)]
Digits = Annotated[str, Field(pattern=r"^[0-9]{1,18}$")]
Number = Annotated[float, Field(allow_inf_nan=False)]


class SideProfile(TypedDict):
    """How often each length occurs, and each id where there are any."""

    lengths: dict[Digits, Count]
    id_counts: NotRequired[list[Count]]


class ProfileFile(TypedDict):
    """`profile.json`: what training pairs look like."""

    source: SideProfile
    target: NotRequired[SideProfile]
    read: NotRequired[Count]
    rejected: NotRequired[Count]


class Repeats(TypedDict):
    """Rows that are there more than once, and sources that several splits have."""

    duplicates: Count
    conflicts: Count
    validation_overlap: Count
    test_overlap: Count


class SentinelFound(TypedDict):
    """Numbers of a column that look like marks of missing values."""

    column: str
    value: Number
    times: Count


class AccountFile(TypedDict):
    """`account.json` of a dataset: what was read, and what repeats."""

    read: Count | dict[str, Count]
    repeats: Repeats
    unknown: NotRequired[dict[str, Count]]
    sentinels: NotRequired[list[SentinelFound]]
    unread_time: NotRequired[list[str]]


class SeriesFile(TypedDict):
    """`series.json`: how windows are cut; the error of the naive forecast in training, a number for each feature."""

    scale: list[Number | None] | None
    season: NotRequired[int]  # these are not in holdouts of before, whose windows are pairs
    plan: NotRequired[dict[str, Any]]
    time: NotRequired[dict[str, Any] | None]
    categories: NotRequired[dict[str, list[str]]]
    ids: NotRequired[list[str]]
    files: NotRequired[list[str]]
    numbered: NotRequired[bool]


class BundleFile(TypedDict):
    """`bundle.json`: the experiment that a model was made by."""

    experiment: dict[str, Any]


class AttentionFound(TypedDict):
    """What an example attended to."""

    source: list[str]
    predicted: list[str]
    weights: list[list[Number]]


class EvaluationFile(TypedDict):
    """`evaluation.json`: scores, examples, mistakes."""

    scores: dict[str, Any]
    examples: list[dict[str, Any]]
    attention: list[AttentionFound]
    mistakes: dict[str, Any]


class CodecsFile(TypedDict):
    """`codecs.json`: what stands between the user's values and the model's."""

    source: dict[str, Any]
    target: dict[str, Any]
    ahead: NotRequired[dict[str, Any]]
