"""How far a share that was counted, or a mean, can be trusted."""

from __future__ import annotations

import math
from typing import NamedTuple

Z_95 = 1.959963984540054


class Interval(NamedTuple):
    """A confidence interval; of a share, both ends are in [0, 1]."""

    low: float
    high: float


def wilson_interval(successes: int, trials: int, z: float = Z_95) -> Interval:
    """The score interval of a share, 95 % by default; of no trials there is none.

    Raises:
        ValueError: if there are no trials.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    Journal of the American Statistical Association 22 (1927).
    """
    if trials < 1:
        raise ValueError(f"{trials} trials, expected at least one: a share of nothing has no interval")
    share = successes / trials
    centre = share + z * z / (2 * trials)
    margin = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    # The ends of the scale are exact, where rounding would miss them.
    low = 0.0 if successes == 0 else (centre - margin) / scale
    high = 1.0 if successes == trials else (centre + margin) / scale
    return Interval(low, high)


def mean_interval(mean: float, deviation: float, n: int, z: float = Z_95) -> Interval:
    """The interval of a mean by the central limit, 95 % by default.

    Args:
        mean: of the values.
        deviation: their standard deviation, with `n - 1`.
        n: how many there are, at least 1.
        z: the quantile of the normal distribution.
    """
    margin = z * deviation / math.sqrt(n)
    return Interval(mean - margin, mean + margin)
