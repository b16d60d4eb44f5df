"""A trial: some settings on top of an experiment, and what came of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from tasks.seq2seq.metrics.intervals import Interval, wilson_interval
from tasks.seq2seq.metrics.metric import Scores
from tasks.seq2seq.settings.data import SyntheticData
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.rules import Rule, check_experiment

# Between the seeds of the pairs that trials are ranked on and of those that prove the winner, where both are drawn.
_SEEDS_APART = 2**30
TRIALS, _NAME_CHARACTERS = ".trials", 100  # what follows a name in those of trials on pairs of their own

Settings = Mapping[str, Any]  # values by the whole names of settings: {"model.units": 64}


class Trial(NamedTuple):
    """Settings that are to be tried.

    number: from 0, in the order of the draws.
    settings: the values that were drawn.
    seed: of the weights and of training.
    """

    number: int
    settings: dict[str, Any]
    seed: int


class Result(BaseModel):
    """What came of a trial.

    `state`: `scored`; `refused`, where the settings do not go together, or what they make cannot be trained; or
    `failed`, where its process ended. Of these two `reason` says why. `score` is the metric on the validation pairs,
    `interval` its 95 % interval where it has one. `seconds`: of training. `bytes`: of the bundle. `cached`: whether all
    of it was there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    settings: dict[str, Any]
    seed: int
    state: Literal["scored", "refused", "failed"]
    reason: str | None = None
    score: float | None = None
    interval: tuple[float, float] | None = None
    seconds: float | None = None
    parameters: int | None = None
    bytes: int | None = None
    bundle: str | None = None
    cached: bool = False

    @classmethod
    def without_score(cls, trial: Trial, state: Literal["refused", "failed"], reason: str) -> Result:
        """The result of a trial that came to nothing."""
        return cls(**trial._asdict(), state=state, reason=reason)


class Pipeline(NamedTuple):
    """The experiments that a trial's steps are made with.

    data: what its pairs come from; the same for all trials of a sweep.
    model: what is trained on them.
    """

    data: Experiment
    model: Experiment


def with_settings(stated: Mapping[str, Any], settings: Settings, also: Iterable[Rule] = ()) -> Experiment:
    """An experiment with other settings.

    Args:
        stated: what is stated of it, nested.
        settings: what is set beside or instead, by whole names.
        also: rules that look at files.

    Raises:
        SettingsError: the settings do not go together.
    """
    raw = deepcopy(dict(stated))
    for name, value in settings.items():
        section, _, key = name.partition(".")
        raw[section] = {**raw.get(section, {}), key: value}
    return check_experiment(raw, also)


def pipeline_of(experiment: Experiment, base: Experiment, seed: int) -> Pipeline:
    """How a trial is made, so that no pair which proves the winner is seen before.

    A trial is ranked on the validation split. A generated problem has none: its trials draw pairs of their own by
    another seed, and are ranked on their fresh set. Their artifacts have a name of their own, since no holdout that is
    fixed under the experiment's name concerns them.

    Args:
        experiment: with the trial's settings.
        base: the experiment of the sweep.
        seed: of the weights and of training; the data keeps that of the sweep.
    """
    if not isinstance(base.data, SyntheticData):
        return Pipeline(base, experiment.model_copy(update={"seed": seed}))
    name = f"{base.promotion_name[: _NAME_CHARACTERS - len(TRIALS)]}{TRIALS}"
    drawn = {"name": name, "seed": (base.seed + _SEEDS_APART) % 2**31}
    return Pipeline(base.model_copy(update=drawn), experiment.model_copy(update={"name": name, "seed": seed}))


def interval_of(metric: str, scores: Scores) -> Interval | None:
    """The 95 % interval of a score; None where it has none."""
    if found := scores.get(f"{metric}_interval"):
        return Interval(*found)
    share, n = scores.get(metric), scores.get("n_evaluated")
    if metric == "nearest_neighbour_accuracy" and share is not None and n:
        return wilson_interval(round(share * n), n)
    return None
