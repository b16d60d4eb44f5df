"""How right predicted embeddings are: by the angle to the right one, and by which of all is nearest."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.aliases import Floats
from tasks.seq2seq.metrics.accumulators import Reals
from tasks.seq2seq.metrics.metric import Headline, Metric, Scores, VectorTarget, write_number

_NEIGHBOUR_ROWS, _NEIGHBOUR_CANDIDATES = 1024, 4096
# Unit vectors no further apart than this, in every coordinate, are one direction.
_SAME_DIRECTION = 1e-9


class Embeddings:
    """References and predictions, a vector each; kept in memory."""

    def __init__(self, _target: VectorTarget) -> None:
        """Starts with none."""
        self._references: list[Floats] = []
        self._predictions: list[Floats] = []

    def add(self, references: Floats, predictions: Floats, **_beside: object) -> None:
        """Keeps a batch."""
        for kept, values in ((self._references, references), (self._predictions, predictions)):
            if len(values):
                kept.append(values.reshape(len(values), -1))

    @property
    def references(self) -> Floats:
        """What came, `(n, d)`."""
        return _stacked(self._references)

    @property
    def predictions(self) -> Floats:
        """What was predicted, `(n, d)`."""
        return _stacked(self._predictions)


def _stacked(batches: list[Floats]) -> Floats:
    return np.concatenate(batches) if batches else np.zeros((0, 0))


def mean_cosine_similarity(references: NDArray[Any], predictions: NDArray[Any]) -> float | None:
    """The mean of `cosine_similarities`; None of none."""
    return float(cosine_similarities(references, predictions).mean()) if len(references) else None


def cosine_similarities(references: NDArray[Any], predictions: NDArray[Any]) -> NDArray[np.float64]:
    """The cosine of the angle between each row of `(n, d)` and `(n, d)`, in [-1, 1]; a zero vector's is 0."""
    cosines: NDArray[np.float64] = (_unit(references) * _unit(predictions)).sum(axis=1)
    return cosines


def nearest_neighbour_accuracy(
    references: NDArray[Any], predictions: NDArray[Any], candidates: NDArray[Any]
) -> float | None:
    """The share of predictions whose nearest candidate, by cosine, is their reference, in [0, 1]; None of none.

    Candidates of one direction count as one. Among different ones at the same distance the first is taken,
    and a zero vector is near nothing: a model that always answers alike cannot score by ties.

    Args:
        references: the right vectors, `(n, d)`, each of them among the candidates.
        predictions: `(n, d)`.
        candidates: `(m, d)`; similarities are computed in blocks, never `(n, m)` at once.

    Raises:
        ValueError: if there is no candidate.
    """
    if not len(predictions):
        return None
    if not len(candidates):
        raise ValueError("no candidates, expected at least one vector to choose from")
    n_right = 0
    for first in range(0, len(predictions), _NEIGHBOUR_ROWS):
        part = slice(first, first + _NEIGHBOUR_ROWS)
        predicted = _unit(predictions[part])
        found, answer = _unit(candidates[_nearest(predicted, candidates)]), _unit(references[part])
        same = (np.abs(found - answer) <= _SAME_DIRECTION).all(axis=1)
        n_right += int((same & predicted.any(axis=1) & answer.any(axis=1)).sum())
    return n_right / len(predictions)


def _nearest(predicted: Reals, candidates: NDArray[Any]) -> NDArray[np.int64]:
    """The first candidate of highest cosine for each unit vector `(n, d)`, `(n,) int64`."""
    best, similarity = np.zeros(len(predicted), np.int64), np.full(len(predicted), -np.inf)
    for first in range(0, len(candidates), _NEIGHBOUR_CANDIDATES):
        block = predicted @ _unit(candidates[first : first + _NEIGHBOUR_CANDIDATES]).T  # n x candidates
        place = block.argmax(axis=1)
        highest = block[np.arange(len(block)), place]
        better = highest > similarity
        best[better], similarity[better] = first + place[better], highest[better]
    return best


def _unit(vectors: NDArray[Any]) -> Reals:
    """Rows of `(n, d)` at length 1; those without a direction, zero or not finite, become zero."""
    vectors = vectors.astype(np.float64)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    directed = (length > 0) & np.isfinite(length)
    return np.where(directed, vectors, 0.0) / np.where(directed, length, 1.0)


def _nearest_to_the_right_one(kept: Embeddings) -> float | None:
    references = kept.references
    return nearest_neighbour_accuracy(references, kept.predictions, np.unique(references, axis=0))


def _line(scores: Scores) -> str:
    return (
        f"  nearest neighbour right: {write_number(scores['nearest_neighbour_accuracy'])}, cosine similarity "
        f"{write_number(scores['mean_cosine_similarity'])}"
    )


def _headline(scores: Scores) -> Headline:
    share = 100 * scores["nearest_neighbour_accuracy"]
    return Headline(f"{share:.2f} %", f"of {scores['n_evaluated']} held-out vectors nearest to the right one")


COSINE_SIMILARITY = Metric(
    "mean_cosine_similarity",
    "vectors",
    Embeddings,
    lambda kept: mean_cosine_similarity(kept.references, kept.predictions),
    "the mean cosine of the angle between the prediction and the right embedding, in [-1, 1]",
    is_wanted=lambda target: target.embeddings,
    better="maximize",
)
NEAREST_NEIGHBOUR = Metric(
    "nearest_neighbour_accuracy",
    "vectors",
    Embeddings,
    _nearest_to_the_right_one,
    "the share of predictions to which, of all held-out embeddings, the right one is nearest",
    is_wanted=lambda target: target.embeddings,
    line=_line,
    headline=_headline,
    better="maximize",
)
