"""A look at series: what was found in time, the first windows, and where the splits begin and end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.seq2seq.arrays.hashing import Hashes
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.splits import SPLITS
from tasks.seq2seq.settings.data import FilesData
from tasks.storage.artifacts.dataset import read_codecs
from tasks.storage.artifacts.stamps import TimeFacts, to_stamps
from tasks.storage.artifacts.stored_series import StoredSeries, read_table
from tasks.storage.files.json_files import load_json
from tasks.storage.files.progress import Report
from tasks.storage.ingest.found_files import FoundFiles
from tasks.storage.ingest.look_values import describe_side, understood
from tasks.storage.ingest.series import ingest_series
from tasks.storage.ingest.series_splits import bounds_of

_SHOWN_WINDOWS = 5


def look_at_series(
    data: FilesData, folder: Path, held_out: Hashes, report: Report, files: FoundFiles
) -> dict[str, Any]:
    """What a look tells of the files of series; the folder takes a whole dataset of them.

    Raises:
        DataError: as making the dataset would.
    """
    ingest_series(data, folder, held_out, report, files)
    account, codecs = load_json(folder / "account.json"), read_codecs(folder)
    return {
        **{name: {"train": account[name]} for name in ("read", "rejected")},
        "reasons": account["reasons"],
        "splits": {split: account["splits"].get(split, 0) for split in SPLITS},
        "held_back": account["held_back"],
        "repeats": {},
        "time": account["time"],
        "n_series": account["n_series"],
        "source": _describe_side(folder, codecs, "source", data),
        "target": _describe_side(folder, codecs, "target", data),
        "pairs": _first_windows(folder, data, codecs),
        "odd_rows": [],
        "series": _describe_series(folder, account["series"], data),
    }


def _describe_side(folder: Path, codecs: Codecs, side: str, data: FilesData) -> dict[str, Any]:
    codec, length = getattr(codecs, side), {"source": data.history, "target": data.horizon}[side]
    counts = None
    if codec.is_tokens:
        stored = StoredSeries(folder)
        steps = stored.steps
        series = steps.series_of(np.arange(len(steps)))
        since = steps.slots - stored.table["first_slot"].to_numpy()[series]
        bounds = bounds_of(stored.table["time_steps"].to_numpy(), stored.table["setting"].to_pylist(), data)["train"]
        in_training = (since >= bounds[0][series]) & (since < bounds[1][series])
        counts = np.bincount(getattr(steps, side)[in_training], minlength=codec.size)
    return describe_side(codec, counts, length or 0)


def _first_windows(folder: Path, data: FilesData, codecs: Codecs) -> list[dict[str, Any]]:
    """The first windows of training, in the user's own values."""
    stored = StoredSeries(folder)
    lasts = np.asarray(stored.lasts("train")[:_SHOWN_WINDOWS])
    origins, steps = stored.origins(lasts), stored.steps
    shown = []
    for i, last in enumerate(lasts.tolist()):
        source = steps.source[last + 1 - stored.plan.history : last + 1]
        target = steps.target[last + 1 : last + 1 + stored.plan.horizon]
        shown.append(
            {
                "file": origins["file"][i].as_py(),
                "row": origins["row"][i].as_py(),
                "source_steps": data.history,
                "target_steps": data.horizon,
                "source": understood(codecs.source, source),
                "target": understood(codecs.target, target),
            }
        )
    return shown


def _describe_series(folder: Path, accounts: list[dict[str, Any]], data: FilesData) -> list[dict[str, Any]]:
    """Of each series, what was read of it, and the first and last row, or stamp, of each split."""
    table = read_table(folder)
    numbers = table["number"].to_pylist()
    lengths, keys = table["time_steps"].to_numpy(), table["setting"].to_pylist()
    bounds, rows = bounds_of(lengths, keys, data), {number: row for row, number in enumerate(numbers)}
    described = []
    for number, one in enumerate(accounts):
        row = rows.get(number)
        title = {"series": one["series"]} if "series" in one else {}
        borders = {
            split: None if row is None else _border(folder, table, row, bounds[split][:, row]) for split in SPLITS
        }
        described.append(
            {
                "file": one["file"],
                **title,
                **{name: one[name] for name in ("read", "rejected", "windows_by_split")},
                "rows_by_split": borders,
            }
        )
    return described


def _border(folder: Path, table: pa.Table, row: int, bounds: Any) -> list[Any] | None:  # noqa: ANN401 - two numbers
    """The first and the last of a split, as rows or as stamps; None where it has none."""
    first, end = bounds.tolist()
    if end <= first:
        return None
    stored = StoredSeries(folder)
    time = stored.described.get("time")
    base, phase = (np.array([table[name][row].as_py()]) for name in ("first_index", "phase"))
    if time is None:
        return [first + 1, end]
    facts = TimeFacts.model_validate(time)
    stamps = (facts.axis.stamps(base + step, phase) for step in (first, end - 1))
    return [str(to_stamps(one, facts)[0].as_py()) for one in stamps]
