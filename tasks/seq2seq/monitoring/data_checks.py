"""Rules that data has to keep, before it is trained on or predicted: each warns, or ends the run where that is set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.data.codecs import Codec
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.data.vocabulary_mapping import NONE, new_ids
from tasks.seq2seq.metrics.accumulators import share
from tasks.seq2seq.monitoring.drift import (
    MIN_ROWS,
    MODERATE,
    Baseline,
    DayProfile,
    Shift,
    compare,
    percent,
    population_stability_index,
)
from tasks.seq2seq.settings.checks import CheckRule, Checks

Level = Literal["fine", "warning", "failure"]
_SYMBOL_BINS = 30


class Measured(NamedTuple):
    """What was counted of some data; None where it does not apply, or nobody counted it.

    rows: usable pairs, or sources to predict.
    read, rejected: rows of files, and those of them that could not be used.
    duplicates, conflicts: rows that stand there again, and sources with two targets or more, as shares of all rows.
    overlap: share of held-out rows whose source is in training too, in [0, 1].
    unknown: share of held-out rows, or of rows to predict, with source symbols that training has not seen, in [0, 1].
    longest, median: time steps of sources.
    shifts: against the model that serves.
    """

    rows: int
    read: int | None = None
    rejected: int = 0
    duplicates: float | None = None
    conflicts: float | None = None
    overlap: float | None = None
    unknown: float | None = None
    longest: int = 0
    median: float = 0.0
    shifts: tuple[Shift, ...] = ()


class Finding(NamedTuple):
    """What a rule found."""

    rule: CheckRule
    level: Level
    said: str


def check(measured: Measured, limits: Checks, max_drift: float, max_overlap: float = 0.0) -> list[Finding]:
    """What each rule finds that applies.

    Args:
        measured: the data.
        limits: what is allowed, and which rules end the run.
        max_drift: the population stability index from which a measure is shifted.
        max_overlap: share of held-out rows whose source may be in training, in [0, 1].
    """
    return [
        Finding(rule, "fine" if is_fine else "failure" if rule in limits.fail else "warning", said)
        for rule, is_fine, said in _apply(measured, limits, max_drift, max_overlap)
    ]


def _apply(
    measured: Measured, limits: Checks, max_drift: float, max_overlap: float
) -> Iterator[tuple[CheckRule, bool, str]]:
    rows = measured.rows
    yield "rows", rows >= limits.min_rows, f"{rows:,} usable rows, expected at least {limits.min_rows:,}"
    if measured.read is not None:
        yield _at_most("rejected", share(measured.rejected, measured.read), limits.max_rejected, "of rows rejected")
    if measured.duplicates is not None:
        yield _at_most("duplicates", measured.duplicates, limits.max_duplicates, "of rows stand there again")
    if measured.conflicts is not None:
        said = "conflicts (sources with two targets or more), as a share of the rows"
        yield _at_most("conflicts", measured.conflicts, limits.max_conflicts, said)
    if measured.overlap is not None:
        yield _at_most("overlap", measured.overlap, max_overlap, "of held-out rows have a source that training has too")
    if measured.unknown is not None:
        said = "of rows hold source symbols that training has not seen"
        yield _at_most("unknown", measured.unknown, limits.max_unknown, said)
    if rows:
        ratio = measured.longest / max(measured.median, 1)
        said = f"the longest source has {measured.longest:,} time steps, {ratio:.3g} times the median"
        yield "lengths", ratio <= limits.max_length_ratio, f"{said}, expected at most {limits.max_length_ratio:g}"
    for shift in measured.shifts:
        said = f"{shift.name.replace('_', ' ')} {shift.verdict}: PSI {shift.psi:.3f}, expected below {max_drift:g}; "
        is_fine = shift.psi < max_drift or shift.verdict == "too few rows"
        yield "drift", is_fine, f"{said}{shift.before} in the promoted model's training data, {shift.now} now"


def _at_most(rule: CheckRule, value: float, limit: float, of: str) -> tuple[CheckRule, bool, str]:
    return rule, value <= limit, f"{percent(value)} {of}, expected at most {percent(limit)}"


def worst(findings: Iterable[Finding], level: Level) -> list[Finding]:
    """The findings of a level."""
    return [finding for finding in findings if finding.level == level]


def shifts_between(
    before: Mapping[str, Any], after: Mapping[str, Any], codecs: tuple[Codec, Codec], threshold: float
) -> tuple[Shift, ...]:
    """How the sources of one training set differ from those of another.

    Args:
        before: what `Profile.to_json` gave of the promoted model's training data.
        after: of the new training data.
        codecs: the source codecs of both, in this order.
        threshold: the index from which a measure is shifted.
    """
    old, new = codecs
    day = DayProfile(**_known(Baseline.of(after, new)))
    if not (isinstance(old, Vocabulary) and isinstance(new, Vocabulary)):
        return tuple(compare(Baseline.of(before, old), day, threshold))
    counts = [np.array(profile["source"]["id_counts"], np.int64) for profile in (before, after)]
    table = new_ids(new, old)
    table[table == NONE] = old.size
    moved = np.bincount(table, counts[1], minlength=old.size + 1)  # the new counts by old ids, the last: none
    day = day.model_copy(update={"symbols": int(counts[1].sum()), "unknown": int(moved[old.size])})
    baseline = Baseline.of(before, old).model_copy(update={"symbols": int(counts[0].sum()), "unknown": 0})
    rows = min(baseline.rows, day.rows)
    return (*compare(baseline, day, threshold), _symbols(np.append(counts[0], 0), moved, old, rows, threshold))


def _known(rows: Baseline) -> dict[str, Any]:
    return {name: getattr(rows, name) for name in ("lengths", "steps")}


def _symbols(before: NDArray[Any], now: NDArray[Any], vocabulary: Vocabulary, rows: int, threshold: float) -> Shift:
    """How often the commonest symbols come, those that are rarer together."""
    top = np.argsort(-before, kind="stable")[:_SYMBOL_BINS]
    binned = [np.append(counts[top], counts.sum() - counts[top].sum()).astype(np.float64) for counts in (before, now)]
    psi = population_stability_index(*binned)
    shares = [counts / max(counts.sum(), 1) for counts in binned]
    most = int(np.argmax(np.abs(shares[1] - shares[0])))
    labels = vocabulary.labels()
    name = repr(labels[top[most]]) if most < len(top) and top[most] < len(labels) else "other symbols"
    verdict: Any = "shifted" if psi >= threshold else "moderate" if psi >= MODERATE else "stable"
    said = [f"{name} {percent(float(values[most]))}" for values in shares]
    verdict = "too few rows" if rows < MIN_ROWS else verdict
    return Shift("symbols", psi, said[0], said[1], verdict, float(shares[0][most]), float(shares[1][most]))
