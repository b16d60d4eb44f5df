"""What is counted of predictions against their references: small records that add up, whoever counted the parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError
from rapidfuzz.distance import Levenshtein

from tasks.seq2seq.arrays.sequences import Rows, Sequences
from tasks.seq2seq.errors import DataError, Seq2SeqError, TrainingError

Reals = NDArray[np.float64]

# Rows compared at once: keeps the temporary arrays small, whatever a caller brings.
BLOCK_ROWS = 8192
# No content id is negative: what the vocabulary does not know equals no prediction.
_NEVER_RIGHT = -1


class Counts(BaseModel):
    """Numbers, and histograms of them, that add up field by field; where nothing was counted they are 0 and empty."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def __add__(self, other: Self) -> Self:
        """What both counted."""
        if type(other) is not type(self):
            return NotImplemented
        return type(self)(**{name: _sum(value, getattr(other, name)) for name, value in self})

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary that `from_json` takes back."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, content: Mapping[str, object]) -> Self:
        """The counts that `to_json` wrote.

        Raises:
            DataError: a key is unknown, or a value is no count.
        """
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise DataError(f"the JSON of {cls.__name__} does not hold what it should: {error}") from error


def _sum(one: Any, other: Any) -> Any:  # noqa: ANN401 - numbers, or histograms
    # In order, so that the same counts are the same JSON.
    return dict(sorted((Counter(one) + Counter(other)).items())) if isinstance(one, dict) else one + other


class TokenCounts(Counts):
    """Of token sequences."""

    n: NonNegativeInt = 0
    n_correct: NonNegativeInt = 0  # equal to their reference whole
    n_edits: NonNegativeInt = 0  # Levenshtein distances, added up
    n_positions: NonNegativeInt = 0  # up to the longer of the two
    n_right: NonNegativeInt = 0  # positions with the right token
    n_reference_tokens: NonNegativeInt = 0
    n_predicted_tokens: NonNegativeInt = 0


class VectorCounts(Counts):
    """Of forecasts: errors added up over all their values, in the target's units."""

    n: NonNegativeInt = 0
    n_values: NonNegativeInt = 0  # horizon x features of each
    absolute: float = 0.0
    squared: float = 0.0
    percentage: float = 0.0  # symmetric ones, in [0, 200] percent each

    @classmethod
    def of(cls, references: NDArray[Any], predictions: NDArray[Any]) -> Self:
        """What a `VectorScorer` counts over all values.

        Args:
            references: what came, `(n, horizon, features)`, in original units.
            predictions: what was forecast, likewise.

        Raises:
            TrainingError: if a prediction is not finite.
            DataError: if a reference is not finite.
            ValueError: if shapes differ.
        """
        truth = finite("reference", references, references.shape, DataError)
        forecast = finite("prediction", predictions, references.shape, TrainingError)
        return cls.of_sums(len(truth), error_sums(truth, forecast))

    @classmethod
    def of_sums(cls, n: int, sums: Reals) -> Self:
        """Of `n` forecasts, given what `error_sums` gives of them."""
        absolute, squared, percentage = sums.sum(axis=(1, 2)).tolist()
        return cls(n=n, n_values=n * sums[0].size, absolute=absolute, squared=squared, percentage=percentage)


def count_tokens(
    references: Sequences, predictions: Sequences, unknown: int | None = None
) -> tuple[TokenCounts, NDArray[np.bool_]]:
    """What a `TokenScorer` counts, without its lists of mistakes.

    Args:
        references: the right answers, `n` sequences of ids without start, end or padding.
        predictions: what was predicted, `n` sequences likewise.
        unknown: the id of symbols outside the vocabulary; a reference that holds it is never right.

    Returns:
        The counts, and which predictions are right as a whole, `(n,) bool`.

    Raises:
        ValueError: if the two differ in number.
    """
    total, right = TokenCounts(), [np.zeros(0, np.bool_)]
    for asked, given in in_blocks(references, predictions):
        answers, whole, _, counts = compare_tokens(asked, given, unknown)
        wrong = np.flatnonzero(~whole).tolist()
        n_edits = sum(Levenshtein.distance(answers[row].tolist(), given[row].tolist()) for row in wrong)
        total += counts + TokenCounts(n_edits=n_edits)
        right.append(whole)
    return total, np.concatenate(right)


def in_blocks(references: Sequences, predictions: Sequences) -> Iterator[tuple[Sequences, Sequences]]:
    """Both in blocks of few rows, whose int32 ids are those of the block alone.

    Raises:
        ValueError: if the two differ in number.
    """
    if len(references) != len(predictions):
        raise ValueError(f"expected one prediction a reference: {len(references)} and {len(predictions)} came")
    for first in range(0, len(references), BLOCK_ROWS):
        last = min(first + BLOCK_ROWS, len(references))
        yield _block(references.part(first, last)), _block(predictions.part(first, last))


def _block(part: Sequences) -> Sequences:
    ids = part.values[part.offsets[0] : part.offsets[-1]].astype(np.int32, copy=False)
    return Sequences.of_lengths(ids, part.lengths)


class ComparedTokens(NamedTuple):
    """A block of predictions beside their references.

    answers: the references as they count: the unknown id has become one that is never predicted.
    whole: which predictions are right as a whole, `(n,) bool`.
    positions: the place of each right token in its sequence, `(n_right,) int64`.
    counts: all but the edits.
    """

    answers: Sequences
    whole: NDArray[np.bool_]
    positions: Rows
    counts: TokenCounts


def compare_tokens(references: Sequences, predictions: Sequences, unknown: int | None) -> ComparedTokens:
    """Compares a block that `in_blocks` gives."""
    ids = references.values
    if unknown is not None:
        ids = np.where(ids == unknown, np.int32(_NEVER_RIGHT), ids)
    answers = Sequences(ids, references.offsets)
    rows, positions = _right_tokens(answers, predictions)
    longer = np.maximum(references.lengths, predictions.lengths)
    whole = np.bincount(rows, minlength=len(references)) == longer
    counts = TokenCounts(
        n=len(references),
        n_correct=int(whole.sum()),
        n_positions=int(longer.sum()),
        n_right=len(rows),
        n_reference_tokens=references.n_steps,
        n_predicted_tokens=predictions.n_steps,
    )
    return ComparedTokens(answers, whole, positions, counts)


def _right_tokens(answers: Sequences, predictions: Sequences) -> tuple[Rows, Rows]:
    """The row and the position of each right token, `(n_right,) int64` each."""
    common = np.minimum(answers.lengths, predictions.lengths)
    rows = np.repeat(np.arange(len(answers)), common)
    positions = _positions(common)
    expected = answers.values[answers.offsets[rows] + positions]
    right = expected == predictions.values[predictions.offsets[rows] + positions]
    return rows[right], positions[right]


def _positions(lengths: Rows) -> Rows:
    """0, 1, ... of each sequence, end to end, `(lengths.sum(),) int64`."""
    return np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def error_sums(truth: Reals, forecast: Reals) -> Reals:
    """Absolute, squared and symmetric percentage errors, added up over rows, `(3, horizon, features)`."""
    error, size = np.abs(truth - forecast), np.abs(truth) + np.abs(forecast)
    percentage = 200.0 * error / np.where(size > 0, size, 1.0)
    return np.stack([errors.sum(axis=0) for errors in (error, np.square(error), percentage)])


def finite(
    name: str, values: NDArray[Any], shape: tuple[int, ...], error: type[Seq2SeqError], first_row: int = 0
) -> Reals:
    """The values as float64, `(n, horizon, features)`.

    Raises:
        ValueError: they are not of this shape.
        Seq2SeqError: `error`, if one is not finite; it names the row, counted from `first_row`.
    """
    if values.ndim != 3 or values.shape != shape:  # noqa: PLR2004 - rows, horizon, features
        raise ValueError(f"a {name} of shape {values.shape}, expected (n, horizon, features) = {shape}")
    result = values.astype(np.float64)
    bad = ~np.isfinite(result).all(axis=(1, 2))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        value = result[row][~np.isfinite(result[row])][0]
        advice = "; lower training.learning_rate" if error is TrainingError else ""
        raise error(f"the {name} of row {first_row + row} holds {value}, expected finite numbers only{advice}")
    return result


def share(part: int, total: int) -> float:
    """One over the other; 0 of nothing."""
    return part / total if total else 0.0


def score(part: float, total: int) -> float | None:
    """One over the other, as a score; None of nothing, which is neither good nor bad."""
    return part / total if total else None
