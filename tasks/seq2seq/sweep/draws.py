"""The draws of a sweep: Optuna's TPE, asked for a generation and told in the order of the trials.

So the draws follow from the seed and the scores alone, whichever trial ended first, and a sweep that is run again draws
the same. Nothing is kept on disk: what a trial took long for is in the store.

Source: J. Bergstra, R. Bardenet, Y. Bengio, B. Kegl, "Algorithms for hyper-parameter optimization", Advances in Neural
Information Processing Systems 24 (2011).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tasks.seq2seq.settings.sweep import Direction
from tasks.seq2seq.sweep.space import Choice, Range, Space

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

SIGNIFICANT_DIGITS = 6


class Draws:
    """Draws sets of settings, the better the more scores it was told."""

    def __init__(self, space: Space, direction: Direction, seed: int) -> None:
        """Takes what is drawn from, which way scores are better, and the seed."""
        import optuna  # noqa: PLC0415 - an extra, and no other command takes it

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        # Of a generation no score is known yet: without `constant_liar` its draws would lie close to one another.
        sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        self._study = optuna.create_study(direction=direction, sampler=sampler)
        self._failed = optuna.trial.TrialState.FAIL
        self._space = space
        self._distributions = {one.setting: _distribution(one) for one in space}
        self._waiting: list[Any] = []

    def ask(self, n: int) -> list[dict[str, Any]]:
        """The next settings to try, by their names."""
        self._waiting = [self._study.ask(self._distributions) for _ in range(n)]
        return [{one.setting: _value(one, trial.params[one.setting]) for one in self._space} for trial in self._waiting]

    def tell(self, scores: Sequence[float | None]) -> None:
        """Says what the settings that were asked for last came to, in their order; None where they came to nothing."""
        for trial, score in zip(self._waiting, scores, strict=True):
            if score is None:
                self._study.tell(trial, state=self._failed)
            else:
                self._study.tell(trial, score)


def _distribution(dimension: Choice | Range) -> BaseDistribution:
    from optuna import distributions  # noqa: PLC0415 - as above

    if isinstance(dimension, Choice):  # by position: a value may be of any type
        return distributions.CategoricalDistribution(range(len(dimension.values)))
    if dimension.is_whole:
        return distributions.IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return distributions.FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def _value(dimension: Choice | Range, drawn: Any) -> Any:  # noqa: ANN401 - whatever the setting is
    """What was drawn, as a person would write it."""
    if isinstance(dimension, Choice):
        return dimension.values[drawn]
    if dimension.is_whole:
        return drawn
    return min(max(float(f"{drawn:.{SIGNIFICANT_DIGITS}g}"), dimension.low), dimension.high)
