"""Experiments side by side: those on the same data, by their scores, with the settings in which they differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tasks.seq2seq.metrics.metric import Direction, Scores
from tasks.seq2seq.metrics.table import METRICS
from tasks.seq2seq.settings.experiment import UNKEYED

# The score that stands for an evaluation, of those that have an interval; the most special first.
_LEADING = ("nearest_neighbour_accuracy", "mae", "sequence_accuracy")
_SAME_RESULT = ("name", "export", "checks")  # what differs in these alone is no other model


def leading_score(scores: Iterable[Scores | None]) -> str:
    """The metric by which experiments on the same data are ranked."""
    names = {name for one in scores for name in one or ()}
    return next((name for name in _LEADING if name in names), _LEADING[-1])


def direction_of(metric: str) -> Direction:
    """Which way a metric is better."""
    return next(one.better for one in METRICS if one.name == metric and one.better)


def flatten(experiment: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The settings that can make another model, by their whole names."""
    for name, value in experiment.items():
        section = prefix.removesuffix(".")
        if (not prefix and name in _SAME_RESULT) or name in UNKEYED.get(section, ()):
            continue
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def differing(experiments: Sequence[Mapping[str, Any]]) -> list[str]:
    """The settings in which experiments differ, in the order in which they come up."""
    flat = [dict(flatten(one)) for one in experiments]
    names = dict.fromkeys(name for one in flat for name in one)
    return [name for name in names if any(one.get(name) != flat[0].get(name) for one in flat[1:])]
