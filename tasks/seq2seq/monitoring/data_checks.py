"""Rules that data has to keep, before it is trained on or predicted: each warns, or ends the run where that is set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.data.codecs import Codec
from tasks.seq2seq.data.odd_values import FAR
from tasks.seq2seq.data.vocabulary_mapping import NONE, id_table
from tasks.seq2seq.errors import DataError
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


# How many rows there are of something, and of how many.
Counted = tuple[int, int]


class Sentinel(NamedTuple):
    """A number of a column that looks like a mark of missing values, and how often it is there."""

    column: str
    value: float
    times: int


class Measured(NamedTuple):
    """What was counted of some data; None where it does not apply, or nobody counted it.

    rows: usable pairs, or sources to predict.
    read, rejected: rows of files, and those of them that could not be used.
    duplicates, conflicts: rows that repeat an earlier one, and sources with two targets or more, as shares of all rows.
    overlap: share of held-out rows whose source is in training too, in [0, 1].
    unknown: share of held-out rows, or of rows to predict, with source symbols that training has not seen, in [0, 1].
    longest, median: time steps of sources.
    sentinels: of columns of real numbers.
    unread_time: of series whose rows are taken in order, what is wrong with columns that look like time.
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
    sentinels: tuple[Sentinel, ...] | None = None
    unread_time: tuple[str, ...] | None = None
    shifts: tuple[Shift, ...] = ()

    @classmethod
    def of(
        cls,
        lengths: Mapping[int, int],
        *,
        read: int | None = None,
        rejected: int = 0,
        duplicates: Counted | None = None,
        conflicts: Counted | None = None,
        overlap: Counted | None = None,
        unknown: Counted | None = None,
        sentinels: Iterable[Sentinel] | None = None,
        unread_time: Iterable[str] | None = None,
    ) -> Self:
        """The figures of training data and of rows to predict, from what was counted of either.

        Args:
            lengths: how many usable sources there are of each number of time steps.
            read: rows of files; None where there are no files.
            rejected: of these.
            duplicates: rows that repeat an earlier one, of all.
            conflicts: sources with two targets or more, of all rows.
            overlap: held-out rows whose source is in training too.
            unknown: rows with source symbols that training has not seen.
            sentinels: numbers that look like marks of missing values; None where there are no real numbers.
            unread_time: what is wrong with columns that look like time and are not read; None of pairs.
        """
        return cls(
            rows=sum(lengths.values()),
            read=read,
            rejected=rejected,
            longest=max(lengths, default=0),
            median=_median(lengths),
            duplicates=_share(duplicates),
            conflicts=_share(conflicts),
            overlap=_share(overlap),
            unknown=_share(unknown),
            sentinels=None if sentinels is None else tuple(sentinels),
            unread_time=None if unread_time is None else tuple(unread_time),
        )


def _share(part: Counted | None) -> float | None:
    return None if part is None else share(*part)


def _median(lengths: Mapping[int, int]) -> float:
    """The middle length, or the mean of the two in the middle; 0 of none."""
    total = sum(lengths.values())
    ordered = np.array(sorted(lengths), np.int64)
    if not total:
        return 0.0
    ends = np.cumsum([lengths[int(length)] for length in ordered])
    middle = ordered[np.searchsorted(ends, [(total - 1) // 2, total // 2], side="right")]
    return float(middle.mean())


class Finding(NamedTuple):
    """What a rule found."""

    rule: CheckRule
    level: Level
    message: str


class Outcome(NamedTuple):
    """Whether a rule is kept, and what was found, in words."""

    is_kept: bool
    words: str


Limits = Mapping[str, Any]  # those of the settings, by name


class DataCheck(NamedTuple):
    """A rule.

    name: in `fail`, on the terminal and in reports.
    look: what it finds of the data, given the limits; nothing where it does not apply.
    """

    name: CheckRule
    look: Callable[[Measured, Limits], Iterable[Outcome]]


def at_most(name: CheckRule, limit: str, figure: Callable[[Measured], float | None], words: str) -> DataCheck:
    """The rule that a share is no larger than a limit.

    Args:
        name: the rule's.
        limit: the setting that holds it.
        figure: the share in [0, 1]; None where it does not apply.
        words: what it is a share of.
    """

    def look(measured: Measured, limits: Limits) -> Iterator[Outcome]:
        value = figure(measured)
        if value is not None:
            allowed = limits[limit]
            yield Outcome(value <= allowed, f"{percent(value)} {words}, expected at most {percent(allowed)}")

    return DataCheck(name, look)


def _rows(measured: Measured, limits: Limits) -> Iterator[Outcome]:
    rows, least = measured.rows, limits["min_rows"]
    yield Outcome(rows >= least, f"{rows:,} usable rows, expected at least {least:,}")


def _rejected(measured: Measured) -> float | None:
    return None if measured.read is None else share(measured.rejected, measured.read)


def _lengths(measured: Measured, limits: Limits) -> Iterator[Outcome]:
    if measured.rows:
        ratio, most = measured.longest / max(measured.median, 1), limits["max_length_ratio"]
        words = f"the longest source has {measured.longest:,} time steps, {ratio:.3g} times the median"
        yield Outcome(ratio <= most, f"{words}, expected at most {most:g}")


def _sentinels(measured: Measured, _limits: Limits) -> Iterator[Outcome]:
    if measured.sentinels == ():
        yield Outcome(True, f"no number is there twice and {FAR:,.0f} interquartile ranges away from all others")
    for column, value, times in measured.sentinels or ():
        words = f"column {column!r} holds {value!r} {times:,} times, {FAR:,.0f} interquartile ranges or more away from"
        yield Outcome(
            False,
            f"{words} all others: if it marks a missing value, name it in data.missing (or --missing)",
        )


def _time(measured: Measured, _limits: Limits) -> Iterator[Outcome]:
    if measured.unread_time == ():
        yield Outcome(True, "no column looks like time that is not read and not even")
    for fault in measured.unread_time or ():
        yield Outcome(False, fault)


def _drift(measured: Measured, limits: Limits) -> Iterator[Outcome]:
    for shift in measured.shifts:
        limit = limits["max_drift"]
        is_unknown = shift.verdict == "too few rows"
        is_kept = shift.psi < limit or is_unknown
        found = (
            "too few rows to tell" if is_unknown else f"{shift.verdict}: PSI {shift.psi:.3f}, expected below {limit:g}"
        )
        words = f"{shift.name.replace('_', ' ')}: {found}; "
        yield Outcome(is_kept, f"{words}{shift.before} in the promoted model's training data, {shift.now} now")


# docs/adding.md shows how one is added. The order is that of the findings.
DATA_CHECKS: tuple[DataCheck, ...] = (
    DataCheck("rows", _rows),
    at_most("rejected", "max_rejected", _rejected, "of rows rejected"),
    at_most("duplicates", "max_duplicates", lambda measured: measured.duplicates, "of rows repeat an earlier one"),
    at_most(
        "conflicts",
        "max_conflicts",
        lambda measured: measured.conflicts,
        "conflicts (sources with two targets or more), as a share of the rows",
    ),
    at_most(
        "overlap",
        "max_overlap",
        lambda measured: measured.overlap,
        "of held-out rows have a source that training has too",
    ),
    at_most(
        "unknown",
        "max_unknown",
        lambda measured: measured.unknown,
        "of rows hold source symbols that training has not seen",
    ),
    DataCheck("lengths", _lengths),
    DataCheck("sentinels", _sentinels),
    DataCheck("time", _time),
    DataCheck("drift", _drift),
)


def check(measured: Measured, limits: Checks, max_drift: float) -> list[Finding]:
    """What each rule finds that applies.

    Args:
        measured: the data.
        limits: what is allowed, and which rules end the run.
        max_drift: the population stability index from which a measure is shifted.
    """
    allowed = {**dict(limits), "max_drift": max_drift}
    return [
        Finding(rule.name, _level(rule.name, is_kept, limits), words)
        for rule in DATA_CHECKS
        for is_kept, words in rule.look(measured, allowed)
    ]


def _level(rule: CheckRule, is_kept: bool, limits: Checks) -> Level:
    if is_kept:
        return "fine"
    return "failure" if rule in limits.fail else "warning"


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
    table = id_table(new, old)
    if table is None:
        return tuple(compare(Baseline.of(before, old), day, threshold))
    counts = [np.array(profile["source"]["id_counts"], np.int64) for profile in (before, after)]
    if [len(one) for one in counts] != [old.size, new.size]:
        raise DataError("the profile of the training data does not count as many symbols as its vocabulary has")
    table[table == NONE] = old.size
    moved = np.bincount(table, counts[1], minlength=old.size + 1)  # the new counts by old ids, the last: none
    day = day.model_copy(update={"symbols": int(counts[1].sum()), "unknown": int(moved[old.size])})
    baseline = Baseline.of(before, old).model_copy(update={"symbols": int(counts[0].sum()), "unknown": 0})
    rows = min(baseline.rows, day.rows)
    return (
        *compare(baseline, day, threshold),
        _symbols(np.append(counts[0], 0), moved, old.label_steps(np.arange(old.size)), rows, threshold),
    )


def _known(rows: Baseline) -> dict[str, Any]:
    return {name: getattr(rows, name) for name in ("lengths", "steps")}


def _symbols(before: NDArray[Any], now: NDArray[Any], labels: list[str], rows: int, threshold: float) -> Shift:
    """How often the commonest symbols come, those that are rarer together."""
    top = np.argsort(-before, kind="stable")[:_SYMBOL_BINS]
    binned = [np.append(counts[top], counts.sum() - counts[top].sum()).astype(np.float64) for counts in (before, now)]
    psi = population_stability_index(*binned)
    shares = [counts / max(counts.sum(), 1) for counts in binned]
    most = int(np.argmax(np.abs(shares[1] - shares[0])))
    name = repr(labels[top[most]]) if most < len(top) and top[most] < len(labels) else "other symbols"
    verdict: Any = "shifted" if psi >= threshold else "moderate" if psi >= MODERATE else "stable"
    commonest = [f"{name} {percent(float(values[most]))}" for values in shares]
    verdict = "too few rows" if rows < MIN_ROWS else verdict
    return Shift("symbols", psi, commonest[0], commonest[1], verdict, float(shares[0][most]), float(shares[1][most]))
