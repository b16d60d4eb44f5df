"""How the rows of a day differ from the training data, by the population stability index.

What is counted of the rows adds up: chunks may be counted by different processes and at different times.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt

from tasks.seq2seq.data.codecs import Codec
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.metrics.accumulators import Counts, Reals, share

Histogram = dict[int, NonNegativeInt]
Verdict = Literal["stable", "moderate", "shifted", "too few rows"]

# Lengths up to 512 are counted each, longer ones eight to a doubling: a histogram stays small, whatever comes.
_LENGTHS = np.unique(np.concatenate([np.arange(513), (512 * 2.0 ** (np.arange(1, 177) / 8)).astype(np.int64)]))
# The ends of the bins of confidence, in nats: four to a power of ten, open below 1e-7 and above 10.
_NATS: Reals = 10.0 ** (np.arange(-28, 5) / 4)

MODERATE, SHIFTED = 0.1, 0.25
# Of two samples of one distribution the index is about (1/n + 1/m) chi-square(bins - 1). With 35 rows to a bin it stays
# below 0.1 on 99 of 100 days of 200 rows, and with two bins below 0.25 on as many days of 50 rows.
MIN_ROWS = 50
_ROWS_A_BIN, _MAX_BINS, _LEAST_SHARE = 35, 10, 0.05
# The next row lies beyond all of fewer so often that it says nothing.
_ROWS_THAT_SHOW_THE_RANGE = 1000
# Added to each bin of both sides: a bin that is empty on one side gives a finite index, and a large one only where the
# other side has many rows in it. 5 % where none of 1,000 had been is a shift, one row in 10,000 is nothing.
_PSEUDO_COUNT = 0.25


class RowCounts(Counts):
    """What is counted of rows. A measure that does not apply, or that nobody counted, is of no symbols or no rows.

    read, rejected: rows of files, and those of them that could not be used.
    lengths: how many sources there are of each number of time steps; from 512 on, of the least in their bin.
    steps: time steps of all sources.
    symbols, unknown: of sources whose vocabulary can tell, all symbols and those outside it.
    checked, outside: sources of vectors, and those of them far outside the training range.
    confidence: how many predictions there are in each bin of the mean -ln(probability) of their tokens.
    """

    read: NonNegativeInt = 0
    rejected: NonNegativeInt = 0
    lengths: Histogram = Field(default_factory=dict)
    steps: NonNegativeInt = 0
    symbols: NonNegativeInt = 0
    unknown: NonNegativeInt = 0
    checked: NonNegativeInt = 0
    outside: NonNegativeInt = 0
    confidence: Histogram = Field(default_factory=dict)

    @property
    def rows(self) -> int:
        """How many sources were counted."""
        return sum(self.lengths.values())


class DayProfile(RowCounts):
    """Of rows that were predicted."""

    @classmethod
    def of(
        cls,
        lengths: NDArray[np.integer[Any]],
        *,
        n_unknown: NDArray[np.integer[Any]] | None = None,
        outside: NDArray[np.bool_] | None = None,
        log_probability: NDArray[np.floating[Any]] | None = None,
        n_tokens: NDArray[np.integer[Any]] | None = None,
    ) -> Self:
        """Counts predicted rows; what was read and rejected is known elsewhere, see `with_rows`.

        Args:
            lengths: time steps of each source, `(n,)`.
            n_unknown: symbols of each source that are outside the vocabulary, `(n,)`; None where none can be.
            outside: whether each source has values far outside the training range, `(n,)`; None for tokens.
            log_probability: of each prediction, natural, `(n,)`; None for vectors, which have none.
            n_tokens: how many tokens each log-probability is the sum of, the end included, `(n,)`; None: not known,
                and the confidence is not counted.
        """
        steps = int(lengths.sum())
        known = {} if n_unknown is None else {"symbols": steps, "unknown": int(n_unknown.sum())}
        checked = {} if outside is None else {"checked": len(outside), "outside": int(outside.sum())}
        confidence = {}
        if log_probability is not None and n_tokens is not None:
            nats = -log_probability.astype(np.float64) / np.maximum(n_tokens, 1)
            # What is not a number sorts last, among the least likely.
            confidence = _histogram(np.searchsorted(_NATS, nats, side="right"))
        return cls(lengths=_lengths(lengths), steps=steps, confidence=confidence, **known, **checked)

    def with_rows(self, read: int, rejected: int) -> Self:
        """The same with how many rows were read, and how many of them were rejected."""
        return self.model_copy(update={"read": read, "rejected": rejected})


class Baseline(RowCounts):
    """Of the rows that a model was trained on."""

    @classmethod
    def of(
        cls,
        profile: Mapping[str, Any],
        source: Codec,
        held_out: DayProfile | None = None,
        *,
        read: int = 0,
        rejected: int = 0,
    ) -> Self:
        """What is known of the training data.

        Args:
            profile: what `Profile.to_json` gave.
            source: what sources are encoded with.
            held_out: of predictions for rows that were not trained on, see `with_held_out`.
            read: rows of the training files; 0: not known.
            rejected: of these.

        Raises:
            DataError: the profile is none of such sources.
        """
        known = {}
        try:
            counted = {int(length): int(n) for length, n in profile["source"]["lengths"].items()}
            if not source.is_tokens:
                known = {"checked": sum(counted.values())}  # none is outside its own range
            elif source.unknown is not None:
                ids = [int(n) for n in profile["source"]["id_counts"]]
                known = {"symbols": sum(ids), "unknown": ids[source.unknown]}
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"the profile of the training data does not hold what it should: {error!r}") from error
        lengths, n = np.array([*counted.items()], np.int64).reshape(-1, 2).T
        found = cls(read=read, rejected=rejected, lengths=_lengths(lengths, n), steps=int(lengths @ n), **known)
        return found if held_out is None else found.with_held_out(held_out)

    def with_held_out(self, held_out: DayProfile) -> Self:
        """The same with the model's confidence in predictions for rows that were not trained on.

        Of enough rows, unknown symbols and values outside the range are taken from there too: training data has none
        by construction, while rows of the very same kind may have some.
        """
        taken: dict[str, Any] = {"confidence": held_out.confidence}
        if held_out.rows >= MIN_ROWS:
            for whole, part in (("symbols", "unknown"), ("checked", "outside")):
                if getattr(held_out, whole):
                    taken |= {name: getattr(held_out, name) for name in (whole, part)}
        return self.model_copy(update=taken)


class Shift(NamedTuple):
    """How far a day is from the training data in one measure."""

    name: str
    psi: float  # 0 where both are alike; without a limit
    before: str  # in words, as is the next
    now: str
    verdict: Verdict
    before_value: float  # in numbers, as is the next: a mean, a median, or a share in [0, 1]
    now_value: float


def compare(baseline: Baseline, day: DayProfile, threshold: float = SHIFTED) -> list[Shift]:
    """Holds a day against the training data, in each measure that both know.

    `source_length`: the time steps of sources. `unknown_symbols`: the share of source symbols outside the
    vocabulary. `outside_range`: the share of sources with values far outside the training range. `confidence`: the
    mean -ln(probability) of a prediction's tokens. `rejects`: the share of rows that could not be used.

    Args:
        baseline: the training data.
        day: the rows to compare.
        threshold: the index from which a measure is shifted; below it, from 0.1 on, it is moderate.
    """
    before, now = _measures(baseline), _measures(day)
    return [_shift(name, before[name], now[name], threshold) for name in before if name in now]


def population_stability_index(before: Reals, now: Reals) -> float:
    """sum((p - q) ln(p / q)) over the shares p and q of counts `(bins,)`, to each of which 0.25 is added.

    Bins that are empty on both sides do not count.

    Sources: N. Siddiqi, "Credit risk scorecards" (2006), with the rule of thumb of 0.1 and 0.25; B. Yurdakul and
    J. Naranjo, "Statistical properties of the population stability index", Journal of Risk Model Validation 14 (2020).
    The sum is the divergence J of H. Jeffreys (1946).
    """
    filled = (before + now) > 0
    before, now = before[filled] + _PSEUDO_COUNT, now[filled] + _PSEUDO_COUNT
    p, q = before / before.sum(), now / now.sum()
    return float(((p - q) * np.log(p / q)).sum())


class _Measure(NamedTuple):
    """Rows that were measured, the histogram, and one number and its words; a share's histogram has two bins."""

    rows: int
    counts: Histogram
    value: float
    shown: str
    is_share: bool = False


def _measures(rows: RowCounts) -> dict[str, _Measure]:
    """Those that are known, in the order of the report."""
    mean, median = share(rows.steps, rows.rows), _median_probability(rows.confidence)
    measures = {
        "source_length": _Measure(rows.rows, rows.lengths, mean, f"mean {mean:.4g}"),
        "unknown_symbols": _share(rows.rows, rows.unknown, rows.symbols, ""),
        "outside_range": _share(rows.checked, rows.outside, rows.checked, " of rows"),
        "confidence": _Measure(
            sum(rows.confidence.values()), rows.confidence, median, f"median {percent(median)} a token"
        ),
        "rejects": _share(rows.read, rows.rejected, rows.read, " of rows"),
    }
    return {name: measure for name, measure in measures.items() if sum(measure.counts.values())}


def _share(rows: int, part: int, whole: int, of: str) -> _Measure:
    value = share(part, whole)
    return _Measure(rows, {0: whole - part, 1: part}, value, f"{percent(value)}{of}", is_share=True)


def _shift(name: str, before: _Measure, now: _Measure, threshold: float) -> Shift:
    ends = [0] if before.is_share else _bin_ends(before.counts, now.rows)
    psi = population_stability_index(_in_bins(before.counts, ends), _in_bins(now.counts, ends))
    verdict: Verdict = "shifted" if psi >= threshold else "moderate" if psi >= MODERATE else "stable"
    if min(before.rows, now.rows) < MIN_ROWS:
        verdict = "too few rows"
    return Shift(name, psi, before.shown, now.shown, verdict, before.value, now.value)


def _bin_ends(baseline: Histogram, n_day: int) -> list[int]:
    """The last key of each bin but the last, which is open.

    Bins hold about the same share of the baseline, and no less than 5 %. Beyond all its keys are two more, which only
    the day can fill, unless the baseline is so small that any day would.
    """
    total = sum(baseline.values())
    n_bins = max(2, min(_MAX_BINS, int(total * n_day / (total + n_day) / _ROWS_A_BIN)))
    ends, held, left = [], 0, total
    for key in sorted(baseline):
        held, left = held + baseline[key], left - baseline[key]
        if held >= total / n_bins and left >= _LEAST_SHARE * total:
            ends.append(key)
            held = 0
    if total >= _ROWS_THAT_SHOW_THE_RANGE or not ends:
        return [min(baseline) - 1, *ends, max(baseline)]
    return ends


def _in_bins(counts: Histogram, ends: list[int]) -> Reals:
    result = np.zeros(len(ends) + 1)
    for key, n in counts.items():
        result[bisect_left(ends, key)] += n
    return result


def _lengths(lengths: NDArray[np.integer[Any]], n: NDArray[np.int64] | None = None) -> Histogram:
    return _histogram(_LENGTHS[np.searchsorted(_LENGTHS, lengths, side="right") - 1], n)


def _histogram(keys: NDArray[np.integer[Any]], n: NDArray[np.int64] | None = None) -> Histogram:
    """How often each key is there, `(keys,)`, or that many times `n` of it."""
    found, place = np.unique(keys, return_inverse=True)
    # Counts are exact as floats, below 2**53.
    return dict(zip(found.tolist(), np.bincount(place, n).astype(np.int64).tolist(), strict=True))


def _median_probability(confidence: Histogram) -> float:
    """Of a token, in the middle of its bin; 0 of nothing."""
    reached = 0
    for key in sorted(confidence):
        reached += confidence[key]
        if 2 * reached >= sum(confidence.values()):
            low, high = _NATS[max(key - 1, 0)], _NATS[min(key, len(_NATS) - 1)]
            return math.exp(-math.sqrt(low * high))
    return 0.0


def percent(value: float) -> str:
    """A share in [0, 1] in percent, with two digits of what it is short of the nearer end: 12 %, 0.050 %, 99.970 %."""
    rest = 100 * min(value, 1 - value)
    digits = max(0, 1 - math.floor(math.log10(rest))) if rest > 0 else 0
    return f"{100 * value:.{digits}f} %"
