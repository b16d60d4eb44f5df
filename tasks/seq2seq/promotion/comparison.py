"""A new model held against the one that serves, pair by pair on the same holdout."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.metrics.intervals import mean_interval, wilson_interval
from tasks.seq2seq.settings.data import SyntheticData
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.series import is_set

Reals = NDArray[np.float64]


class Comparison(NamedTuple):
    """What both models reached on the same pairs.

    metric: what was compared: `sequence_accuracy`, `mae` or `cosine_similarity`.
    n: pairs.
    new, promoted: the mean of each over the pairs.
    gain: how much better the new one is, negative where it is worse: a difference of shares for accuracies and
        similarities, a share of the promoted model's error for errors.
    low, high: the 95 % interval of `gain`.
    """

    metric: str
    n: int
    new: float
    promoted: float
    gain: float
    low: float
    high: float

    def __str__(self) -> str:
        """In words."""
        return (
            f"{self.metric.replace('_', ' ')} {self.new:.4g} against {self.promoted:.4g} of the promoted model on the "
            f"same {self.n} held-out pairs (gain {self.gain:+.3g}, 95 % interval {self.low:+.3g} to {self.high:+.3g})"
        )


class Standing(NamedTuple):
    """How a new model stands against the promoted one.

    promoted: the digest of the model that serves, if another does.
    obstacle: why the two cannot be compared.
    """

    promoted: str | None = None
    comparison: Comparison | None = None
    obstacle: str | None = None


def compare(metric: str, new: Reals, promoted: Reals) -> Comparison:
    """Compares two models by what each reached on each pair.

    Args:
        metric: `sequence_accuracy` (each value 0 or 1), `cosine_similarity`, or `mae` (the mean absolute error of each
            pair, in the target's units).
        new: of the new model, `(n,)`, n > 0.
        promoted: of the promoted model on the same pairs, `(n,)`.
    """
    gain, low, high = _GAINS[metric](new, promoted)
    return Comparison(metric, len(new), float(new.mean()), float(promoted.mean()), gain, low, high)


def _gain_of_shares(new: Reals, promoted: Reals) -> tuple[float, float, float]:
    return _paired_shares(new > 0, promoted > 0)


def _gain_of_means(new: Reals, promoted: Reals) -> tuple[float, float, float]:
    return _paired_means(new - promoted)


def _gain_of_errors(new: Reals, promoted: Reals) -> tuple[float, float, float]:
    """Less is better, and its unit is the user's: a share says how much it is."""
    gain, low, high = _paired_means(new - promoted)
    scale = float(promoted.mean()) or 1.0
    return -gain / scale, -high / scale, -low / scale


# How much better one model is than another, with the 95 % interval, by the metric that is compared.
_GAINS: dict[str, Callable[[Reals, Reals], tuple[float, float, float]]] = {
    "sequence_accuracy": _gain_of_shares,
    "cosine_similarity": _gain_of_means,
    "mae": _gain_of_errors,
}


def _paired_shares(new: NDArray[np.bool_], promoted: NDArray[np.bool_]) -> tuple[float, float, float]:
    """The difference of two shares of the same rows, with its 95 % interval.

    Source: R. G. Newcombe, "Improved confidence intervals for the difference between binomial proportions based on
    paired data", Statistics in Medicine 17 (1998), method 10.
    """
    n = len(new)
    both, neither = int((new & promoted).sum()), int((~new & ~promoted).sum())
    only_new, only_promoted = int((new & ~promoted).sum()), int((~new & promoted).sum())
    p, q = (both + only_new) / n, (both + only_promoted) / n
    p_low, p_high = wilson_interval(both + only_new, n)
    q_low, q_high = wilson_interval(both + only_promoted, n)
    phi = _correlation(both, only_new, only_promoted, neither)
    down, up = p - p_low, p_high - p
    q_down, q_up = q - q_low, q_high - q
    low = (p - q) - math.sqrt(max(0.0, down**2 - 2 * phi * down * q_up + q_up**2))
    high = (p - q) + math.sqrt(max(0.0, up**2 - 2 * phi * up * q_down + q_down**2))
    return p - q, max(low, -1.0), min(high, 1.0)


def _correlation(both: int, only_new: int, only_promoted: int, neither: int) -> float:
    """Phi of the fourfold table, with Newcombe's continuity correction; 0 where a margin is empty."""
    n = both + only_new + only_promoted + neither
    margins = (both + only_new) * (only_promoted + neither) * (both + only_promoted) * (only_new + neither)
    if not margins:
        return 0.0
    product: float = both * neither - only_new * only_promoted
    if product > 0:
        product = max(product - n / 2, 0.0)
    return product / math.sqrt(margins)


def _paired_means(difference: Reals) -> tuple[float, float, float]:
    """The mean of the differences, with its 95 % interval by the central limit."""
    mean = float(difference.mean())
    spread = float(difference.std(ddof=1)) if len(difference) > 1 else 0.0
    return mean, *mean_interval(mean, spread, len(difference))


def problem_of(experiment: Experiment) -> dict[str, Any]:
    """What two experiments must agree in for their models to be compared on the same pairs."""
    data = experiment.data
    if isinstance(data, SyntheticData):
        return {"kind": data.kind, "problem": data.problem, **vars(data.dimensions)}
    names = ("kind", "source_encoding", "target_encoding", "source_lowercase", "target_lowercase")
    series = ("history", "horizon", "relative_to_last", "source_columns", "target_columns")
    # What few set only where it is set, so that problems of before are what they were.
    beside = ("time", "series", "scale", "known", "calendar", "static", "static_categories", "gaps")
    names = (*names, *(series if data.is_series else ()), *(name for name in beside if is_set(data, name)))
    chosen = {name: getattr(data, name) for name in names}
    if experiment.model.series_embedding:
        chosen["series_numbers"] = True
    return {name: list(value) if isinstance(value, tuple) else value for name, value in chosen.items()}
