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


class OfGroup(TypedDict):
    """What was found of a series, or of an origin."""

    name: str
    windows: Count
    scores: dict[str, Number | None]


class BacktestFile(TypedDict):
    """What `evaluation.json` says of series and origins: the worst of the former, the last of the latter."""

    metric: str
    n_series: Count
    n_origins: Count
    steps_between: Count
    worst_series: list[OfGroup]
    errors: list[Number]
    origins: list[OfGroup]


OneStep = list[Number] | None  # the features of a time step; None where it was filled


class ForecastFile(TypedDict):
    """A forecast to show, with the last steps before it; steps are lists of features in original units."""

    which: str
    columns: list[str]
    times: list[str] | None
    history: list[OneStep]
    expected: list[OneStep] | None
    predicted: list[OneStep]
    quantiles: dict[str, list[OneStep]]
    error: Number | None


class EvaluationFile(TypedDict):
    """`evaluation.json`: scores, examples, mistakes, and of series what was found of each."""

    scores: dict[str, Any]
    examples: list[dict[str, Any]]
    attention: list[AttentionFound]
    mistakes: dict[str, Any]
    backtest: NotRequired[BacktestFile]
    forecasts: NotRequired[list[ForecastFile]]


class CodecsFile(TypedDict):
    """`codecs.json`: what stands between the user's values and the model's."""

    source: dict[str, Any]
    target: dict[str, Any]
    ahead: NotRequired[dict[str, Any]]
