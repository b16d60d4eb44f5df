"""Real-valued time steps and how they are standardised: per feature, by the training split alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tasks.seq2seq.arrays.aliases import Floats
from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.teacher_forcing import TeacherForcing
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.shown import shown

SHOWN_VECTORS = 12
_SHOWN = 200  # characters of a fault of stored JSON
# Larger numbers are no values: up to here squares, and sums of any number of them, fit 64 bits.
LARGEST = 1e100
# Standardised values end here: their squares, and sums of these, fit 32 bits, and no gate tells larger ones apart.
FARTHEST = 1e15
_FIELDS = ("mean", "deviation", "low", "high")
# Ranges below have squares that are 0 in 64 bits.
_SMALLEST_RANGE = 1e-100


@dataclass(frozen=True)
class Scaling:
    """Mean, standard deviation and range of each feature; all are of length `features`, in original units."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    kind: ClassVar[Literal["vectors"]] = "vectors"
    is_tokens: ClassVar[bool] = False
    size: ClassVar[int] = 0
    unknown: ClassVar[None] = None
    has_end: ClassVar[bool] = False
    flag: ClassVar[str] = "outside_range"

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
        """Original units to mean 0 and deviation 1, `(..., features)`, in [-`FARTHEST`, `FARTHEST`].

        What lies further out, and would be infinite in 32 bits, is flagged by `outside_range`.
        """
        with np.errstate(over="ignore"):
            standardised = (values - np.array(self.mean)) / self._scale
        result: NDArray[np.float32] = np.minimum(np.maximum(standardised, -FARTHEST), FARTHEST).astype(np.float32)
        return result

    def restore(self, values: NDArray[Any]) -> Floats:
        """The opposite of `standardise`."""
        result: Floats = values.astype(np.float64) * self._scale + np.array(self.mean)
        return result

    def beside(self, *others: Scaling) -> Scaling:
        """The scaling of these features and, behind them, of others."""
        parts = (self, *others)
        joined = (tuple(n for part in parts for n in getattr(part, name)) for name in _FIELDS)
        return Scaling(*joined)

    @classmethod
    def unchanged(cls, features: int) -> Scaling:
        """The scaling of features that are in [-1, 1] and stay what they are."""
        return cls((0.0,) * features, (1.0,) * features, (-1.0,) * features, (1.0,) * features)

    def directional(self) -> Scaling:
        """The scaling that keeps directions, for losses that compare these: one divisor for all, no shift."""
        size = float(np.sqrt(np.mean(np.square(self.mean) + np.square(self.deviation))))
        return Scaling((0.0,) * self.features, (size,) * self.features, self.low, self.high)

    def encode(self, values: Floats) -> Floats:
        """The same: datasets hold original units, so that they can be scaled in another way."""
        return values

    def flags(self, sequences: Sequences) -> dict[str, NDArray[Any]]:
        """`outside_range`, see there, `(n,) bool`."""
        return {self.flag: self.outside_range(sequences)}

    def outside_range(self, sequences: Sequences, tolerance: float = 0.5) -> NDArray[np.bool_]:
        """Sequences with a value far outside the training split's range, or that is not a number, `(n,) bool`.

        Args:
            sequences: of steps `(features,)` in original units.
            tolerance: how far outside is still near, as a share of the range; of a feature that never changed, as a
                share of its magnitude, or of 1 where that is less.
        """
        low, high = np.array(self.low), np.array(self.high)
        margin = tolerance * np.where(high > low, high - low, np.maximum(1.0, np.abs(high)))
        steps = sequences.values[sequences.offsets[0] : sequences.offsets[-1]]
        # Written so that a NaN, which compares with nothing, is outside.
        outside = ~((steps >= low - margin) & (steps <= high + margin)).all(axis=1)
        rows = np.repeat(np.arange(len(sequences)), sequences.lengths)[outside]
        return np.bincount(rows, minlength=len(sequences)) > 0

    def source_array(self, sequences: Sequences, width: int | None = None) -> NDArray[np.float32]:
        """Standardised vectors `(n, width, features + 1)`; the last feature is 1 on steps and 0 on padding."""
        values = Sequences(self.standardise(sequences.values), sequences.offsets).padded(width)
        present = np.arange(values.shape[1]) < sequences.lengths[:, None]
        return np.concatenate([values * present[..., None], present[..., None].astype(np.float32)], axis=2)

    def teacher_forcing(self, targets: Sequences) -> TeacherForcing:
        """Standardised vectors, and the same a step later behind zeros; targets are of one length."""
        vectors = self.standardise(targets.padded())
        first = np.zeros((len(vectors), 1, vectors.shape[2]), np.float32)
        is_step = np.ones(vectors.shape[:2], np.float32)
        return TeacherForcing(np.concatenate([first, vectors[:, :-1]], axis=1), vectors, is_step)

    def label_steps(self, vectors: Floats) -> list[str]:
        """The numbers of the time steps of vectors `(length, features)`, from 1."""
        return [str(step) for step in range(1, len(vectors) + 1)]

    def write(self, vectors: Floats) -> str:
        """A sequence in a line, to 4 significant digits; of many vectors the first and the last."""
        numbers = [" ".join(f"{value:.4g}" for value in step) for step in vectors.tolist()]
        if len(numbers) > SHOWN_VECTORS:
            numbers = [*numbers[:2], f"... {len(numbers) - 4} more ...", *numbers[-2:]]
        return f"[{', '.join(numbers)}]"

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary that `from_json` takes back."""
        return {"kind": "vectors", **{name: list(getattr(self, name)) for name in _FIELDS}}

    @classmethod
    def from_json(cls, content: Mapping[str, object]) -> Scaling:
        """The scaling that `to_json` wrote.

        Raises:
            DataError: keys are missing or of the wrong kind.
        """
        try:
            stored = _Stored.model_validate(content)
        except ValidationError as error:
            raise DataError(f"a scaling's JSON does not hold what it should: {_first(error)}") from error
        return cls(stored.mean, stored.deviation, stored.low, stored.high)


_Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Stored(BaseModel):
    """What `to_json` writes, all of it required."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["vectors"]
    mean: tuple[_Finite, ...]
    deviation: tuple[Annotated[_Finite, Field(ge=0)], ...]
    low: tuple[_Finite, ...]
    high: tuple[_Finite, ...]

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        """Refuses numbers of different features."""
        if not len(self.mean) == len(self.deviation) == len(self.low) == len(self.high) > 0:
            raise ValueError("mean, deviation, low and high are not of as many features")
        return self


def _first(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(map(str, fault["loc"]))
    return shown(f"{place}: {fault['msg']}" if place else fault["msg"], _SHOWN)


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
        span = self._high - self._low if self.n else np.zeros_like(deviation)
        is_small = (span > 0) & (span < _SMALLEST_RANGE)
        deviation[is_small] = span[is_small] / 2
        stacked = (self._mean, deviation, self._low, self._high)
        return Scaling(*(tuple(float(value) for value in column) for column in stacked))
