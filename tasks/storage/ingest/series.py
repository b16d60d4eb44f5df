"""The user's series, a row a time step: put in order, stored once, and cut into windows that are split by time.

Files are read as streams. Their rows are set aside in buckets by series, and then a bucket at a time is sorted, checked
and written: memory holds a bucket, however large the files are; one series alone is held as a whole.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tasks.seq2seq.arrays.hashing import Hashes
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.profile import Profile
from tasks.seq2seq.data.splits import SPLITS
from tasks.seq2seq.data.synthetic import NOTHING
from tasks.seq2seq.data.windows import WindowPlan
from tasks.seq2seq.settings.data import FilesData
from tasks.storage.artifacts.dataset import DatasetFacts, SideFacts, write_codecs
from tasks.storage.artifacts.stored_series import SERIES, SeriesWriter, StoredSeries
from tasks.storage.files.json_files import write_json
from tasks.storage.files.progress import Report, say_nothing
from tasks.storage.ingest.categories import Categories
from tasks.storage.ingest.found_files import FoundFiles, find_files
from tasks.storage.ingest.ordered_steps import Steps
from tasks.storage.ingest.rejects import Rejects, write_rejects
from tasks.storage.ingest.series_names import SeriesNames
from tasks.storage.ingest.series_reading import SeriesReader, new_clock, series_layout
from tasks.storage.ingest.series_splits import SeriesCounted, check_splits
from tasks.storage.ingest.series_writing import SeriesMaker, encode_symbols
from tasks.storage.ingest.staged_steps import StagedSteps, n_buckets
from tasks.storage.ingest.unread_time import find_unread_time
from tasks.storage.readers.user_files import count_rows

MOST_TOLD = 1_000  # series that the account tells of one by one; the table has all of them
_ROW_BYTES, _CELL_BYTES = 20, 4  # of a file whose rows, or cells, nobody has counted, about


def ingest_series(
    data: FilesData,
    folder: Path,
    held_out: Hashes = NOTHING,
    report: Report = say_nothing,
    files: FoundFiles | None = None,
    *,
    numbered: bool = False,
) -> DatasetFacts:
    """Fills `folder` with the dataset that `tasks.storage.artifacts.dataset` describes.

    Args:
        data: the settings.
        folder: to fill.
        held_out: hashes of sources, ascending; training and validation see no time step of their windows.
        report: is told how far it is.
        files: those of the settings, where they were found already.
        numbered: whether sources say which series they are of.

    Raises:
        DataError: a file cannot be read, too many rows cannot be used, a split has no window, or there is
            nothing to learn.
    """
    files = files or find_files(data)
    with ExitStack() as stack:
        rejects = stack.enter_context(write_rejects(folder / "rejects.parquet", of_dataset=True))
        staged = StagedSteps(folder, n_buckets(_rows_expected(files, is_wide=data.wide)))
        stack.callback(staged.close)
        names, clock, layout = SeriesNames(), new_clock(data), series_layout(data)
        categories = Categories(data.columns_of("static_categories"))
        reader = SeriesReader(data, layout, names, clock, rejects, categories)
        n_read = _read_all(data, files, reader, staged, rejects, report)
        steps = Steps(data, layout, reader.values_at, clock, names, reader.files, rejects)
        _decide(data, steps, staged)
        writer = stack.enter_context(SeriesWriter(folder))
        maker = SeriesMaker(data, steps, names, writer, held_out, folder, categories, numbered=numbered)
        for rows in staged.buckets():
            ordered = steps.order(rows)
            _check_rates(data, rejects, n_read)
            maker.add(ordered)
            report("time steps put in order", maker.n_steps, None)
    counted = maker.counted()
    check_splits(data, counted)
    codecs = maker.finish()
    maker.write_table(folder)
    write_json(
        folder / SERIES,
        {
            "scale": maker.naive_scale(),
            "season": maker.season,
            "plan": asdict(maker.plan),
            "time": steps.time and steps.time.model_dump(),
            "categories": categories.names,
            "ids": [str(column) for column in data.columns_of("series")],
            "files": reader.files,
            "numbered": numbered,
        },
    )
    encode_symbols(folder, codecs)
    write_codecs(folder, codecs)
    write_json(folder / "profile.json", _profile(folder, codecs, maker.plan).to_json())
    account = _account(maker, counted, steps, reader, rejects, files)
    unread = find_unread_time(data, files.by_setting["train"][0])
    write_json(folder / "account.json", {**account, "unread_time": unread})
    written = {split: int(counted.windows[split].sum()) for split in SPLITS}
    return DatasetFacts(
        kind=data.kind,
        train_rows=written["train"],
        validation_rows=written["validation"],
        evaluation_rows=written["test"],
        rejected_rows=sum(rejects.reasons.values()),
        held_back_rows=int(counted.held_back.sum()),
        source=SideFacts.of(codecs.source, data.history or 0),
        target=SideFacts.of(codecs.target, data.horizon or 0),
        masked=True,
        relative=data.relative_to_last,
        ahead=0 if codecs.ahead is None else codecs.ahead.features,
        series=maker.n_ids,
    )


def _rows_expected(found: FoundFiles, *, is_wide: bool) -> int:
    files = [file for of_setting in found.by_setting.values() for file in of_setting]
    if is_wide:  # each cell is one
        return sum(file.size // _CELL_BYTES for file in files)
    return sum(count_rows(file) or file.size // _ROW_BYTES for file in files)


def _read_all(
    data: FilesData, files: FoundFiles, reader: SeriesReader, staged: StagedSteps, rejects: Rejects, report: Report
) -> dict[str, int]:
    """Sets all rows aside; gives how many were read of the files of each setting."""
    n_read = {}
    for key, where in data.places.items():
        rejects.start(key)
        before = reader.read
        for file in files.by_setting[key]:
            for rows, _ in reader.blocks(key, file):
                staged.add(rows)
            report("time steps read", reader.read, None)
        n_read[key] = reader.read - before
        rejects.check_rate(where, n_read[key], data)
    staged.finish()
    return n_read


def _decide(data: FilesData, steps: Steps, staged: StagedSteps) -> None:
    if data.time is not None and data.step is None:
        for rows in staged.buckets():
            steps.look(rows)
    steps.decide()


def _check_rates(data: FilesData, rejects: Rejects, n_read: dict[str, int]) -> None:
    for key, where in data.places.items():
        rejects.start(key)
        rejects.check_rate(where, n_read[key], data)


def _profile(folder: Path, codecs: Codecs, plan: WindowPlan) -> Profile:
    """Lengths and symbols of the training windows, counted without cutting one."""
    profile, stored = Profile(codecs), StoredSeries(folder)
    lasts = stored.lasts("train")
    sides = (("source", stored.steps.source, 1 - plan.history, 1), ("target", stored.steps.target, 1, plan.horizon + 1))
    for side, steps, first, end in sides:
        times = np.zeros(0, np.int64)
        if getattr(codecs, side).is_tokens:
            borders = np.zeros(len(steps) + 1, np.int64)
            np.add.at(borders, lasts + first, 1)
            np.add.at(borders, lasts + end, -1)
            times = np.cumsum(borders[:-1])
        profile.add_windows(side, end - first, len(lasts), np.asarray(steps), times)
    return profile


def _account(
    maker: SeriesMaker,
    counted: SeriesCounted,
    steps: Steps,
    reader: SeriesReader,
    rejects: Rejects,
    files: FoundFiles,
) -> dict[str, Any]:
    data, n_windows = maker.data, sum(int(of.sum()) for of in counted.windows.values())
    n_rejected = sum(rejects.reasons.values())
    splits = {split: int(of.sum()) for split, of in counted.windows.items()}
    return {
        "read": reader.read,
        "windows": n_windows,
        "history_only": reader.read - n_windows - n_rejected,
        "rejected": n_rejected,
        "held_back": int(counted.held_back.sum()),
        "reasons": dict(rejects.reasons),
        "splits": {name: n for name, n in splits.items() if n or name != "validation"},
        "repeats": maker.repeats.finish()._asdict(),
        "history": data.history,
        "horizon": data.horizon,
        "stride": data.stride,
        "season": maker.season,
        "time": steps.describe(),
        "sentinels": maker.sentinels(),
        "n_series": len(counted.keys),
        "series": [maker.account(number, counted) for number in range(min(MOST_TOLD, len(counted.keys)))],
        **files.left_out(),
    }
