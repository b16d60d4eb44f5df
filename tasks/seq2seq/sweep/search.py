"""The search: generations of trials, and then the best of them again with more seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from tasks.seq2seq.settings.sweep import Direction
from tasks.seq2seq.sweep.ranking import Finalist, best_of, rank_finalists
from tasks.seq2seq.sweep.trials import Result, Trial

N_FINALISTS, N_SEEDS = 3, 3

# Tries some settings side by side; gives what came of each, in their order, and None of those that were not begun.
Try = Callable[[Sequence[Trial]], Sequence[Result | None]]


class Drawing(Protocol):
    """What draws the settings of trials; `tasks.seq2seq.sweep.draws` has the one that sweeps use."""

    def ask(self, n: int) -> list[dict[str, Any]]:
        """The next settings to try."""

    def tell(self, scores: Sequence[float | None]) -> None:
        """What the last ones came to."""


class Found(NamedTuple):
    """What a search found.

    results: of the trials, in their order.
    finalists: the best settings with the scores of several seeds, the best first; none where nothing has a score.
    is_complete: whether every trial, and every seed of the best, was tried.
    waiting: the first trials that were not begun.
    """

    results: list[Result]
    finalists: list[Finalist]
    is_complete: bool
    waiting: list[Trial]


def search(draws: Drawing, try_them: Try, n: int, generation: int, seed: int, direction: Direction) -> Found:
    """Tries `n` sets of settings, a generation at a time, and the best again with other seeds.

    Args:
        draws: what draws them.
        try_them: what tries them; where it leaves some out, the search ends with what there is.
        n: how many.
        generation: how many are drawn at once.
        seed: of all trials; the best are tried with the ones after it too.
        direction: which way scores are better.
    """
    results: list[Result] = []
    while len(results) < n:
        asked = draws.ask(min(generation, n - len(results)))
        trials = [Trial(len(results) + i, settings, seed) for i, settings in enumerate(asked)]
        done = try_them(trials)
        results += [result for result in done if result]
        if waiting := _left_out(trials, done):
            best = best_of(results, direction, N_FINALISTS)
            return Found(results, rank_finalists(best, [], direction), False, waiting)
        draws.tell([result.score if result else None for result in done])
    best = best_of(results, direction, N_FINALISTS)
    again = [Trial(one.number, one.settings, (seed + i) % 2**31) for i in range(1, N_SEEDS) for one in best]
    repeated = try_them(again) if again else []
    waiting = _left_out(again, repeated)
    finalists = rank_finalists(best, _of_whole_seeds(repeated, waiting), direction)
    return Found(results, finalists, not waiting, waiting)


def _of_whole_seeds(repeated: Sequence[Result | None], waiting: Sequence[Trial]) -> list[Result]:
    """Those of seeds that all of the best were tried with: one seed more is no reason to stand before another."""
    cut = {trial.seed for trial in waiting}
    return [result for result in repeated if result and result.seed not in cut]


def _left_out(trials: Sequence[Trial], done: Sequence[Result | None]) -> list[Trial]:
    return [trial for trial, result in zip(trials, done, strict=True) if result is None]
