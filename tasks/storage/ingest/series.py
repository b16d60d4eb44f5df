"""The user's series, a row a time step and a file a series, cut into windows and split by time.

A series is held in memory, its windows are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.seq2seq.arrays.hashing import Hashes, is_among, mix, sequence_hashes
from tasks.seq2seq.arrays.sequences import Pairs, Rows, Sequences
from tasks.seq2seq.data.codec_training import INTAKES, Intake, finish_both, intakes_of
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.odd_values import OddValues
from tasks.seq2seq.data.profile import Profile
from tasks.seq2seq.data.splits import SPLITS
from tasks.seq2seq.data.synthetic import NOTHING
from tasks.seq2seq.data.windows import (
    Series,
    cut_windows,
    cuts_in_time,
    find_origins,
    fractions_with_windows,
    origins_within,
    recent_steps,
)
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.metrics.forecasts import NaiveScale
from tasks.seq2seq.settings.data import FilesData
from tasks.storage.artifacts.dataset import (
    ROW_GROUP_STEPS,
    SERIES,
    DatasetFacts,
    PairBlock,
    SideFacts,
    write_codecs,
    write_pairs,
)
from tasks.storage.artifacts.lists import list_type, to_lists
from tasks.storage.files.json_files import write_json
from tasks.storage.files.progress import Report, say_nothing
from tasks.storage.ingest.duplicates import RepeatCounter
from tasks.storage.ingest.found_files import FoundFiles, find_files
from tasks.storage.ingest.pair_encoding import BESIDE
from tasks.storage.ingest.rejects import Rejects, write_rejects
from tasks.storage.ingest.series_reading import read_series, series_layout


@dataclass(frozen=True)
class ReadSeries:
    """One file: its series, where its splits begin, and the origins of its windows."""

    key: str  # of the setting that names it
    name: str
    series: Series
    origins: dict[str, Rows]  # by split
    learned: NDArray[np.bool_]  # which time steps may be learned from, `(time,)`
    held_back: int  # windows that training and validation lost to the holdout
    bounds: dict[str, tuple[int, int]]  # by split: its first time step, and the one after its last

    @property
    def account(self) -> dict[str, Any]:
        """Where each row of the file went: origin of a window, history alone, or rejected."""
        windows = {split: len(origins) for split, origins in self.origins.items()}
        rejected = int((~self.series.usable).sum())
        return {
            "file": self.name,
            "read": len(self.series),
            "windows": sum(windows.values()),
            "history_only": len(self.series) - sum(windows.values()) - rejected,
            "rejected": rejected,
            "windows_by_split": windows,
        }


def ingest_series(
    data: FilesData,
    folder: Path,
    held_out: Hashes = NOTHING,
    report: Report = say_nothing,
    files: FoundFiles | None = None,
) -> DatasetFacts:
    """Fills `folder` with the dataset that `tasks.storage.artifacts.dataset` describes.

    Args:
        data: the settings.
        folder: to fill.
        held_out: hashes of sources, ascending; training and validation see no time step of their windows.
        report: is told how far it is.
        files: those of the settings, where they were found already.

    Raises:
        DataError: a file cannot be read, too many rows cannot be used, a split has no window, or there is
            nothing to learn.
    """
    files = files or find_files(data)
    read, rejects, intakes, codecs = learn_series(data, folder, held_out, report, files)
    profile, written = Profile(codecs), {"validation": 0}
    repeats = RepeatCounter(folder / "repeats")
    for split in SPLITS:
        if any(len(one.origins[split]) for one in read):
            blocks = _windows(read, split, intakes, data, repeats, report)
            if split == "train":
                blocks = _profiled(blocks, profile)
            written[split] = write_pairs(folder / f"{split}.parquet", blocks, _beside(data) if split == "test" else {})
    write_json(folder / "profile.json", profile.to_json())
    write_json(folder / "account.json", _account(read, rejects, written, data, repeats, files))
    write_json(folder / SERIES, {"scale": _scale(read, data)})
    write_codecs(folder, codecs)
    return _facts(data, read, rejects, written, codecs)


class LearnedSeries(NamedTuple):
    """All files, cut into splits, and what was learned from their time steps; no window is cut yet."""

    read: list[ReadSeries]
    rejects: Rejects
    intakes: tuple[Intake, Intake]
    codecs: Codecs


def learn_series(
    data: FilesData,
    folder: Path,
    held_out: Hashes,
    report: Report,
    files: FoundFiles,
) -> LearnedSeries:
    """Reads all files, their rejects written to `folder`; arguments and errors are those of `ingest_series`."""
    with write_rejects(folder / "rejects.parquet", of_dataset=True) as rejects:
        read = list(_read_all(data, files, rejects, held_out, report))
    _check_splits(data, read)
    intakes = intakes_of(data.source_encoding, data.target_encoding, shared=data.shared_vocabulary)
    for one in read:
        _learn(one, intakes, data)
    codecs = finish_both(intakes, (data.source_columns, data.target_columns), data.min_count, data.max_vocabulary)
    return LearnedSeries(read, rejects, intakes, codecs)


def _facts(
    data: FilesData, read: list[ReadSeries], rejects: Rejects, written: dict[str, int], codecs: Codecs
) -> DatasetFacts:
    return DatasetFacts(
        kind=data.kind,
        train_rows=written["train"],
        validation_rows=written["validation"],
        evaluation_rows=written["test"],
        rejected_rows=sum(rejects.reasons.values()),
        held_back_rows=sum(one.held_back for one in read),
        source=SideFacts.of(codecs.source, data.history or 0),
        target=SideFacts.of(codecs.target, data.horizon or 0),
        masked=True,
        relative=data.relative_to_last,
    )


def _read_all(
    data: FilesData, files: FoundFiles, rejects: Rejects, held_out: Hashes, report: Report
) -> Iterator[ReadSeries]:
    n_steps = 0
    for key, where in data.places.items():
        rejects.start(key)
        n_read = 0
        for file in files.by_setting[key]:
            series = read_series(file, series_layout(data), data, rejects).series
            n_read += len(series)
            n_steps += len(series)
            report("time steps read", n_steps, None)
            yield _split(file.name, series, key, data, held_out)
        rejects.check_rate(where, n_read, data)


def _split(name: str, series: Series, key: str, data: FilesData, held_out: Hashes) -> ReadSeries:
    assert data.history is not None
    assert data.horizon is not None
    n = len(series)
    if key == "train":
        validation, test = cuts_in_time(n, *_fractions(data))
        bounds = {"train": (0, validation), "validation": (validation, test), "test": (test, n)}
    else:
        bounds = {split: (0, n) if split == key else (0, 0) for split in SPLITS}
    origins = find_origins(series.usable, data.history, data.horizon, data.stride)
    within = {split: origins_within(origins, data.horizon, *bounds[split]) for split in SPLITS}
    free = series.usable & ~_held_out_steps(series, data, held_out, bounds["test"][0] if key == "train" else n)
    allowed = find_origins(free, data.history, data.horizon, data.stride)
    kept = {split: found if split == "test" else np.intersect1d(found, allowed) for split, found in within.items()}
    n_lost = sum(len(within[split]) - len(kept[split]) for split in SPLITS)
    return ReadSeries(key, name, series, kept, free & (np.arange(n) < bounds["train"][1]), n_lost, bounds)


def _fractions(data: FilesData) -> tuple[float, float]:
    """The shares of a training series that are for validation and for test: none where they have files of their own."""
    return 0.0 if data.validation else data.validation_fraction, 0.0 if data.test else data.test_fraction


def _held_out_steps(series: Series, data: FilesData, held_out: Hashes, before: int) -> NDArray[np.bool_]:
    """Time steps, of those before `before`, that belong to a window of the holdout, `(time,)`.

    A window that only overlaps one would show its target, so its steps are taken, not its source alone.
    """
    assert data.history is not None
    assert data.horizon is not None
    steps = np.zeros(len(series) + 1, np.int64)
    if held_out.size:
        intake = INTAKES[data.source_encoding]()
        for origins in _chunks(find_origins(series.usable, data.history, 0, 1), data):
            source = cut_windows(series, origins, data.history, 0, relative=data.relative_to_last).source
            staged = intake.stage(source.values, None)
            found = origins[is_among(sequence_hashes(intake.hashes(staged), source.offsets), held_out)]
            np.add.at(steps, found - data.history, 1)
            np.add.at(steps, np.minimum(found + data.horizon, len(series)), -1)
    return (np.cumsum(steps[:-1]) > 0) & (np.arange(len(series)) < before)


def _check_splits(data: FilesData, read: list[ReadSeries]) -> None:
    for split in SPLITS:
        wanted = split != "validation" or data.validation or data.validation_fraction
        if wanted and not any(len(one.origins[split]) for one in read):
            key = split if split in data.places else "train"
            why = _why_no_window(split, data, [one for one in read if one.key == key])
            raise DataError(f"{data.places[key]}: no window falls into the {split} split: {why}")


def _why_no_window(split: str, data: FilesData, read: list[ReadSeries]) -> str:
    """What keeps all windows of some series out of a split, and what would help."""
    assert data.history is not None
    assert data.horizon is not None
    lengths = [len(one.series) for one in read]
    of_series = f"a series of {lengths[0]}" if len(read) == 1 else f"{len(read)} series of {_span(lengths)}"
    sizes = f"a history of {data.history} and a horizon of {data.horizon}"
    others = "give longer series, or files of their own with data.validation and data.test"
    if split in data.places and split != "train":
        if max(lengths) < data.history + data.horizon:
            return f"{of_series} time step(s) is too short for {sizes}; shorten them, or give longer series"
        return _why_none_is_left(data, read)
    fractions = _fractions(data)
    bounds = [cuts_in_time(n, *fractions) for n in lengths]
    named = dict(zip(SPLITS[1:], fractions, strict=True))
    if split == "train":
        kept, need, than = [first for first, _ in bounds], data.history + data.horizon, sizes
        part = f"what {' and '.join(f'data.{name}_fraction = {f:g}' for name, f in named.items() if f)} leave"
        part = part if any(fractions) else "all"
    else:
        kept = [n - last if split == "test" else last - first for n, (first, last) in zip(lengths, bounds, strict=True)]
        need, than = data.horizon, f"a horizon of {data.horizon}"
        part = f"data.{split}_fraction = {named[split]:g}"
    if max(kept) >= need:
        return _why_none_is_left(data, read)
    found = f"{part} of {of_series} time step(s) is {_span(kept)} of them, too few for {than}"
    enough = fractions_with_windows(max(lengths), fractions, data.history, data.horizon)
    if enough is None:
        least = data.history + (1 + sum(map(bool, fractions))) * data.horizon
        return (
            f"{found}; for {sizes} a series needs {least} time steps or more to have a window in each split: shorten "
            f"them, {others}"
        )
    would_do = " and ".join(f"data.{name}_fraction = {f:g}" for name, f in zip(named, enough, strict=True) if f)
    longest = "it" if len(read) == 1 else "the longest of them"
    return f"{found}; for {longest} {would_do} would do; or shorten history and horizon, {others}"


def _why_none_is_left(data: FilesData, read: list[ReadSeries]) -> str:
    rejected = sum(int((~one.series.usable).sum()) for one in read)
    held_back = sum(one.held_back for one in read)
    return (
        f"there are time steps enough for a history of {data.history} and a horizon of {data.horizon}, but each window "
        f"holds one of the {rejected} row(s) that cannot be used, is one of the {held_back} that the holdout of this "
        f"name keeps, or is passed over by data.stride = {data.stride}; mend the rows, give longer series, or another "
        f"stride"
    )


def _span(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"


def _learn(read: ReadSeries, intakes: tuple[Intake, Intake], data: FilesData) -> None:
    """Learns from the time steps of training, or from its windows where they are relative."""
    if data.relative_to_last:
        for pairs in _pairs(read, "train", data):
            for intake, side in zip(intakes, (pairs.source, pairs.target), strict=True):
                intake.learn(intake.stage(side.values, None))
        return
    sides = [read.series.source, read.series.target]
    if intakes[0] is intakes[1] and data.source_columns == data.target_columns:
        sides.pop()  # a time step that is both counts once
    for intake, steps in zip(intakes, sides, strict=False):
        intake.learn(intake.stage(steps[read.learned], None))


def _pairs(read: ReadSeries, split: str, data: FilesData) -> Iterator[Pairs]:
    for origins in _chunks(read.origins[split], data):
        yield _cut(read, origins, data)


def _cut(read: ReadSeries, origins: Rows, data: FilesData) -> Pairs:
    assert data.history is not None
    assert data.horizon is not None
    return cut_windows(read.series, origins, data.history, data.horizon, relative=data.relative_to_last)


def _chunks(origins: Rows, data: FilesData) -> Iterator[Rows]:
    size = max(1, ROW_GROUP_STEPS // ((data.history or 0) + (data.horizon or 0)))
    for first in range(0, len(origins), size):
        yield origins[first : first + size]


def _windows(
    read: list[ReadSeries],
    split: str,
    intakes: tuple[Intake, Intake],
    data: FilesData,
    repeats: RepeatCounter,
    report: Report,
) -> Iterator[PairBlock]:
    done, total = 0, sum(len(one.origins[split]) for one in read)
    for one in read:
        for origins in _chunks(one.origins[split], data):
            pairs = _cut(one, origins, data)
            hashes, target_hashes = (
                sequence_hashes(intake.hashes(side.values), side.offsets)
                for intake, side in zip(intakes, (pairs.source, pairs.target), strict=True)
            )
            repeats.add(hashes, mix(hashes) ^ target_hashes, np.full(len(pairs), SPLITS.index(split), np.int8))
            source, target = (
                Sequences(intake.encode(side.values), side.offsets)
                for intake, side in zip(intakes, (pairs.source, pairs.target), strict=True)
            )
            done += len(origins)
            report(f"{split} windows cut", done, total)
            yield PairBlock(Pairs(source, target), _columns_beside(one, origins, split, hashes, data))


def _columns_beside(one: ReadSeries, origins: Rows, split: str, hashes: Hashes, data: FilesData) -> dict[str, pa.Array]:
    """What stands beside the windows of a file at some origins."""
    # The last step of the history is the row that a window's forecast is made from.
    beside = {"file": pa.array([one.name] * len(origins)), "row": pa.array(origins), "source_hash": pa.array(hashes)}
    if split == "test" and data.target_encoding == "vectors":
        recent = Sequences.of_rows(recent_steps(one.series, origins, data.season))
        beside["recent"] = to_lists(recent, _beside(data)["recent"])
    return beside


def _beside(data: FilesData) -> dict[str, pa.DataType]:
    if data.target_encoding != "vectors":
        return dict(BESIDE)
    return {**BESIDE, "recent": list_type(pa.float64(), len(data.target_columns))}


def _profiled(blocks: Iterator[PairBlock], profile: Profile) -> Iterator[PairBlock]:
    for block in blocks:
        profile.add(block.pairs)
        yield block


def _scale(read: list[ReadSeries], data: FilesData) -> list[float | None] | None:
    """The in-sample error of the naive forecast at lag `season`, by feature; None where it has none."""
    if data.target_encoding != "vectors":
        return None
    naive = NaiveScale(data.season)
    for one in read:
        starts = np.flatnonzero(np.diff(np.concatenate([[0], one.learned.astype(np.int8), [0]])))
        for first, last in starts.reshape(-1, 2):
            naive.add(Sequences.of_rows(one.series.target[None, first:last]))
    return [float(value) if np.isfinite(value) else None for value in naive.scale()]


def _sentinels(read: list[ReadSeries], data: FilesData) -> list[dict[str, Any]]:
    """The odd values of each column of numbers, each once though it may be source and target."""
    columns: dict[str | int, OddValues] = {}
    for side in ("source", "target"):
        names = getattr(data, f"{side}_columns") if getattr(data, f"{side}_encoding") == "vectors" else ()
        for i, name in enumerate(names):
            if name not in columns:
                columns[name] = OddValues()
                for one in read:
                    columns[name].add(getattr(one.series, side)[one.series.usable, i])
    return [{"column": str(name), **found._asdict()} for name, odd in columns.items() for found in odd.finish()]


def _account(
    read: list[ReadSeries],
    rejects: Rejects,
    written: dict[str, int],
    data: FilesData,
    repeats: RepeatCounter,
    files: FoundFiles,
) -> dict[str, Any]:
    series = [one.account for one in read]
    return {
        **{name: sum(one[name] for one in series) for name in ("read", "windows", "history_only", "rejected")},
        "held_back": sum(one.held_back for one in read),
        "reasons": dict(rejects.reasons),
        "splits": {name: n for name, n in written.items() if n or name != "validation"},
        "repeats": repeats.finish()._asdict(),
        "history": data.history,
        "horizon": data.horizon,
        "stride": data.stride,
        "sentinels": _sentinels(read, data),
        "series": series,
        **files.left_out(),
    }
