"""Real-valued time steps and how they are standardised: per feature, by the training split alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.seq2seq.arrays.aliases import Floats
from tasks.seq2seq.errors import DataError


@dataclass(frozen=True)
class Scaling:
    """Mean, standard deviation and range of each feature; all are of length `features`, in original units."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @property
    def features(self) -> int:
        """How many numbers a time step holds."""
        return len(self.mean)

    @cached_property
    def _scale(self) -> Floats:
        """The divisor: a constant feature is left at 1, so that it becomes 0."""
        deviation = np.array(self.deviation)
        return np.where(deviation > 0, deviation, 1.0)

    def standardise(self, values: Floats) -> NDArray[np.float32]:
        """Original units to mean 0 and deviation 1, `(..., features)`."""
        result: NDArray[np.float32] = ((values - np.array(self.mean)) / self._scale).astype(np.float32)
        return result

    def restore(self, values: NDArray[Any]) -> Floats:
        """The opposite of `standardise`."""
        result: Floats = values.astype(np.float64) * self._scale + np.array(self.mean)
        return result

    def directional(self) -> Scaling:
        """The scaling that keeps directions, for losses that compare these: one divisor for all, no shift."""
        size = float(np.sqrt(np.mean(np.square(self.mean) + np.square(self.deviation))))
        return Scaling((0.0,) * self.features, (size,) * self.features, self.low, self.high)

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary that `from_json` takes back."""
        return {"kind": "vectors", **{name: list(getattr(self, name)) for name in ("mean", "deviation", "low", "high")}}

    @classmethod
    def from_json(cls, content: Mapping[str, object]) -> Scaling:
        """The scaling that `to_json` wrote.

        Raises:
            DataError: keys are missing or of the wrong kind.
        """
        try:
            stored = _Stored.model_validate(content)
        except ValidationError as error:
            raise DataError(f"a scaling's JSON does not hold what it should: {error}") from error
        return cls(stored.mean, stored.deviation, stored.low, stored.high)


class _Stored(BaseModel):
    """What `to_json` writes, all of it required."""

    model_config = ConfigDict(extra="forbid")

    kind: str
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


class Moments:
    """Mean, deviation and range of features that pass by in blocks.

    Source: T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating formulae and a pairwise algorithm for
    computing sample variances" (1979).
    """

    def __init__(self, features: int) -> None:
        """Takes the number of features."""
        self.n = 0
        self._mean, self._squares = np.zeros(features), np.zeros(features)
        self._low, self._high = np.full(features, np.inf), np.full(features, -np.inf)

    def add(self, values: Floats) -> None:
        """Takes in time steps `(n, features)`."""
        if not len(values):
            return
        n, mean = len(values), values.mean(axis=0)
        delta, total = mean - self._mean, self.n + n
        self._squares += ((values - mean) ** 2).sum(axis=0) + delta**2 * self.n * n / total
        self._mean += delta * n / total
        self.n = total
        self._low, self._high = np.minimum(self._low, values.min(axis=0)), np.maximum(self._high, values.max(axis=0))

    def finish(self) -> Scaling:
        """What was seen so far."""
        deviation = np.sqrt(self._squares / max(self.n, 1))
        # Rounding leaves a constant feature a tiny deviation, which would blow it up.
        deviation[deviation <= 1e-12 * np.abs(self._mean)] = 0.0
        stacked = (self._mean, deviation, self._low, self._high)
        return Scaling(*(tuple(float(value) for value in column) for column in stacked))
