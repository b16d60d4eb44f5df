"""Trials side by side: which are best, how the best score rose, and the best by several seeds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from tasks.seq2seq.settings.sweep import Direction
from tasks.seq2seq.sweep.trials import Result


class Finalist(BaseModel):
    """Settings that were among the best, by several seeds.

    `scores`: by seed, None where that training came to nothing. `mean`, `low` and `high` are over those that there are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    settings: dict[str, object]
    scores: dict[int, float | None]
    mean: float
    low: float
    high: float


def rank(results: Sequence[Result], direction: Direction) -> list[Result]:
    """Those with a score, the best first, and of equals the earlier; then those without, in their order."""
    return sorted(results, key=lambda result: (_cost(result.score, direction), result.number))


def best_of(results: Sequence[Result], direction: Direction, n: int) -> list[Result]:
    """The `n` best with a score, each set of settings once."""
    chosen: list[Result] = []
    for result in rank(results, direction):
        if result.score is not None and all(result.settings != other.settings for other in chosen):
            chosen.append(result)
    return chosen[:n]


def best_so_far(results: Sequence[Result], direction: Direction) -> list[float | None]:
    """The best score after each trial; None as long as there is none."""

    def better(one: float | None, other: float | None) -> float | None:
        return min(one, other, key=lambda score: _cost(score, direction))

    return [*itertools.accumulate((result.score for result in results), better)]


def rank_finalists(best: Sequence[Result], repeated: Sequence[Result], direction: Direction) -> list[Finalist]:
    """The best settings by the mean of their seeds, the best first.

    Settings of which a seed came to nothing stand behind the others: they cannot be relied on.

    Args:
        best: with the first seed.
        repeated: the same settings with other seeds, by the number of the trial.
        direction: which way scores are better.
    """
    found = [_finalist([first, *(one for one in repeated if one.number == first.number)]) for first in best]

    def standing(one: Finalist) -> tuple[bool, float, int]:
        return None in one.scores.values(), _cost(one.mean, direction), one.number

    return sorted(found, key=standing)


def _finalist(results: Sequence[Result]) -> Finalist:
    scores = [result.score for result in results if result.score is not None]
    return Finalist(
        number=results[0].number,
        settings=results[0].settings,
        scores={result.seed: result.score for result in results},
        mean=math.fsum(scores) / len(scores),
        low=min(scores),
        high=max(scores),
    )


def _cost(score: float | None, direction: Direction) -> float:
    """Lower is better; what has no score is worse than all that have one."""
    if score is None:
        return math.inf
    return -score if direction == "maximize" else score
