"""How right predicted token sequences are: counts that grow batch by batch, and the scores they give."""

from __future__ import annotations

from collections import Counter
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from tasks.seq2seq.arrays.hashing import Hashes, mix, sequence_hashes
from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.metrics.accumulators import TokenCounts, compare_tokens, in_blocks, score
from tasks.seq2seq.metrics.metric import TokenTarget

N_POSITIONS = 200
# Beyond these, the rarest half is forgotten: commonest pairs stay right, their counts become lower bounds.
MAX_PAIRS = 100_000
MAX_PAIR_TOKENS = 1 << 24
_NO_TOKEN = -1

Confusion = tuple[int | None, int | None]
Tokens = tuple[int, ...]
_Key = TypeVar("_Key")


class HashCounts:
    """How often each 64-bit hash came, in 16 bytes a different one (beside the latest, up to as many again)."""

    def __init__(self) -> None:
        self._hashes, self._counts = np.zeros(0, np.uint64), np.zeros(0, np.int64)
        self._pending: list[Hashes] = []
        self._n_pending = 0

    def add(self, hashes: Hashes) -> None:
        """Counts hashes `(n,) uint64`."""
        self._pending.append(hashes)
        self._n_pending += len(hashes)
        # Doubling before each merge keeps the time all but linear in the number of hashes.
        if self._n_pending > max(1 << 20, len(self._hashes)):
            self._merge()

    @property
    def n_distinct(self) -> int:
        """How many different hashes came."""
        self._merge()
        return len(self._hashes)

    @property
    def highest(self) -> int:
        """How often the commonest hash came; 0 if none did."""
        self._merge()
        return int(np.max(self._counts, initial=0))

    def _merge(self) -> None:
        new, counts = np.unique(np.concatenate([self._hashes[:0], *self._pending]), return_counts=True)
        self._hashes, place = np.unique(np.concatenate([self._hashes, new]), return_inverse=True)
        # Counts are exact as floats, below 2**53.
        self._counts = np.bincount(place, np.concatenate([self._counts, counts])).astype(np.int64)
        self._pending, self._n_pending = [], 0


class TokenScorer:
    """Scores predicted sequences against references, a batch at a time, in bounded memory.

    Args:
        unknown: the id of symbols outside the vocabulary. In a reference it never counts as right, nor does
            the reference as a whole: the user's symbol was not produced.
        n_confusions: the length of the lists of commonest mistakes.
        vocabulary_size: ids are in `0..vocabulary_size - 1`.
    """

    def __init__(self, unknown: int | None = None, n_confusions: int = 20, *, vocabulary_size: int) -> None:
        self._unknown, self._n_confusions = unknown, n_confusions
        self._counts = TokenCounts()
        self._having_position, self._right_at_position = np.zeros((2, N_POSITIONS), np.int64)
        self._teacher_forced: tuple[int, int] | None = None  # right, of how many
        self._references, self._predictions = HashCounts(), HashCounts()
        self._reference_ids, self._missed_ids = np.zeros((2, vocabulary_size), np.int64)
        self._confusions: Counter[tuple[int, int]] = Counter()
        self._wrong: Counter[tuple[bytes, bytes]] = Counter()
        self._longest_pair = 1

    @classmethod
    def of(cls, target: TokenTarget) -> Self:
        """A scorer of a target of tokens."""
        return cls(target.vocabulary.unknown, vocabulary_size=target.vocabulary.size)

    def add(self, references: Sequences, predictions: Sequences, teacher_forced: tuple[int, int] | None = None) -> None:
        """Counts a batch.

        Args:
            references: the right answers, `n` sequences of ids without start, end or padding.
            predictions: what was predicted, `n` sequences likewise.
            teacher_forced: how many tokens were right under teacher forcing, and of how many, ends included.

        Raises:
            ValueError: if the two differ in number, or an id is outside the vocabulary.
        """
        for asked, given in in_blocks(references, predictions):
            self._check(asked)
            self._check(given)
            self._add_block(asked, given)
        if teacher_forced is not None:
            right, total = self._teacher_forced or (0, 0)
            self._teacher_forced = right + teacher_forced[0], total + teacher_forced[1]

    @property
    def counts(self) -> TokenCounts:
        """What was counted of whole sequences and of tokens."""
        return self._counts

    @property
    def distinct_references(self) -> int:
        """How many different references came."""
        return self._references.n_distinct

    @property
    def distinct_predictions(self) -> int:
        """How many different predictions came."""
        return self._predictions.n_distinct

    def majority_baseline(self) -> float | None:
        """The sequence accuracy of always answering the commonest reference, in [0, 1]."""
        return score(self._references.highest, self._counts.n)

    def accuracy_by_position(self) -> list[float] | None:
        """The share of right tokens at each of the first 200 positions, of the references that have the position."""
        if not self._counts.n:
            return None
        reached = self._having_position > 0
        accuracies: list[float] = (self._right_at_position[reached] / self._having_position[reached]).tolist()
        return accuracies

    def teacher_forced_accuracy(self) -> float | None:
        """The share of right tokens where the reference so far was given, in [0, 1]; None unless counted."""
        return None if self._teacher_forced is None else score(*self._teacher_forced)

    def wrong_predictions(self) -> list[tuple[Tokens, Tokens, int]]:
        """The commonest wrong answers, approximate beyond 100,000 different (or fewer long) ones.

        Each is the reference's ids, the predicted ids, and how often they came together.
        """
        return [
            (tuple(np.frombuffer(asked, np.int32).tolist()), tuple(np.frombuffer(got, np.int32).tolist()), count)
            for (asked, got), count in self._wrong.most_common(self._n_confusions)
        ]

    def confusions(self) -> list[tuple[int | None, int | None, int]]:
        """The commonest single mistakes: expected id, predicted id, how often.

        None was expected where a token was inserted, None predicted where one was left out, by a shortest
        alignment (there can be several). Exact up to 100,000 different ones; beyond, approximate.
        """
        return [(*_optional(pair), count) for pair, count in self._confusions.most_common(self._n_confusions)]

    def confusion_counts(self) -> dict[Confusion, int]:
        """How often each id (or None) was predicted for each id (or None), right ones included."""
        right = self._reference_ids - self._missed_ids
        counts: dict[Confusion, int] = {(int(token), int(token)): int(right[token]) for token in np.flatnonzero(right)}
        return counts | {_optional(pair): count for pair, count in self._confusions.items()}

    def commonest_references(self, n: int) -> list[int]:
        """The `n` commonest ids of references, ascending."""
        used = np.flatnonzero(self._reference_ids)
        commonest = used[np.argsort(-self._reference_ids[used], kind="stable")[:n]]
        return [int(token) for token in np.sort(commonest)]

    @property
    def n_reference_ids(self) -> int:
        """How many different ids references hold."""
        return int((self._reference_ids > 0).sum())

    def confusion_matrix(self, ids: list[int]) -> NDArray[np.int64]:
        """How often each of `ids` (row) was predicted as each of them (column), `(len(ids), len(ids))`."""
        counts = self.confusion_counts()
        cells = [counts.get((expected, predicted), 0) for expected in ids for predicted in ids]
        return np.array(cells, np.int64).reshape(len(ids), len(ids))

    def _check(self, sequences: Sequences) -> None:
        values, size = sequences.values, len(self._reference_ids)
        if values.size and not 0 <= np.min(values) <= np.max(values) < size:
            outside = values[(values < 0) | (values >= size)][0]
            raise ValueError(f"id {outside} is outside the vocabulary (0..{size - 1})")

    def _add_block(self, references: Sequences, predictions: Sequences) -> None:
        answers, whole, positions, counts = compare_tokens(references, predictions, self._unknown)
        self._counts += counts
        self._having_position += (references.lengths[:, None] > np.arange(N_POSITIONS)).sum(axis=0)
        self._right_at_position += np.bincount(positions[positions < N_POSITIONS], minlength=N_POSITIONS)
        self._references.add(_hashes(references))
        self._predictions.add(_hashes(predictions))
        self._reference_ids += np.bincount(references.values, minlength=len(self._reference_ids))
        self._add_wrong(references.take(~whole), answers.take(~whole), predictions.take(~whole))

    def _add_wrong(self, references: Sequences, answers: Sequences, predictions: Sequences) -> None:
        edits = [
            edit
            for row in range(len(references))
            for edit in _edits(references[row].tolist(), answers[row].tolist(), predictions[row].tolist())
        ]
        missed = np.array([expected for expected, _ in edits if expected != _NO_TOKEN], np.int64)
        self._counts += TokenCounts(n_edits=len(edits))
        self._missed_ids += np.bincount(missed, minlength=len(self._missed_ids))
        self._confusions.update(edits)
        self._confusions = _pruned(self._confusions, MAX_PAIRS)
        self._wrong.update((references[row].tobytes(), predictions[row].tobytes()) for row in range(len(references)))
        self._longest_pair = max(self._longest_pair, int(np.max(references.lengths + predictions.lengths, initial=0)))
        limit = max(self._n_confusions, MAX_PAIR_TOKENS // self._longest_pair)
        self._wrong = _pruned(self._wrong, min(MAX_PAIRS, limit))


def _edits(expected: list[int], answer: list[int], predicted: list[int]) -> list[tuple[int, int]]:
    """Expected and predicted id of each edit of a shortest alignment of `answer`, which is `expected` as it counts."""
    edits: list[Any] = Levenshtein.editops(answer, predicted).as_list()
    return [
        (_NO_TOKEN if tag == "insert" else expected[source], _NO_TOKEN if tag == "delete" else predicted[target])
        for tag, source, target in edits
    ]


def _pruned(counter: Counter[_Key], limit: int) -> Counter[_Key]:
    """The counter, or its commonest half where it has outgrown the limit."""
    return counter if len(counter) <= limit else Counter(dict(counter.most_common()[: limit // 2 + 1]))


def _optional(pair: tuple[int, int]) -> Confusion:
    expected, predicted = pair
    return None if expected == _NO_TOKEN else expected, None if predicted == _NO_TOKEN else predicted


def _hashes(sequences: Sequences) -> Hashes:
    return sequence_hashes(mix(sequences.values.astype(np.uint64)), sequences.offsets)
