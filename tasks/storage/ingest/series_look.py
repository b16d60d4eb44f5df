"""A look at a series: its first windows, and where its splits begin and end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.arrays.hashing import Hashes
from tasks.seq2seq.data.codecs import Codec
from tasks.seq2seq.data.splits import SPLITS
from tasks.seq2seq.data.windows import cut_windows
from tasks.seq2seq.settings.data import FilesData
from tasks.storage.files.progress import Report
from tasks.storage.ingest.found_files import FoundFiles
from tasks.storage.ingest.look_values import describe_side, understood
from tasks.storage.ingest.series import LearnedSeries, ReadSeries, learn_series

_SHOWN_WINDOWS = 5


def look_at_series(
    data: FilesData, folder: Path, held_out: Hashes, report: Report, files: FoundFiles
) -> dict[str, Any]:
    """What a look tells of the files of a series; the folder takes the rejects.

    Raises:
        DataError: as making the dataset would.
    """
    learned = learn_series(data, folder, held_out, report, files)
    accounts = [one.account for one in learned.read]
    windows = {split: sum(one["windows_by_split"][split] for one in accounts) for split in SPLITS}
    assert data.history is not None
    assert data.horizon is not None
    return {
        **{name: {"train": sum(one[name] for one in accounts)} for name in ("read", "rejected")},
        "reasons": dict(learned.rejects.reasons),
        "splits": windows,
        "held_back": sum(one.held_back for one in learned.read),
        "repeats": {},
        "source": _describe_side(learned, "source", data.history),
        "target": _describe_side(learned, "target", data.horizon),
        "pairs": _first_windows(learned, data),
        "odd_rows": [],
        "series": [_describe_file(one) for one in learned.read],
    }


def _describe_side(learned: LearnedSeries, side: str, length: int) -> dict[str, Any]:
    codec: Codec = getattr(learned.codecs, side)
    counts: NDArray[np.int64] | None = None
    if codec.is_tokens:
        counts = np.zeros(codec.size, np.int64)
        for one in learned.read:
            counts += np.bincount(codec.encode(getattr(one.series, side)[one.learned]), minlength=codec.size)
    return describe_side(codec, counts, length)


def _first_windows(learned: LearnedSeries, data: FilesData) -> list[dict[str, Any]]:
    """The first windows of training, in the user's own values."""
    assert data.history is not None
    assert data.horizon is not None
    first = next((one for one in learned.read if len(one.origins["train"])), None)
    if first is None:
        return []
    origins = first.origins["train"][:_SHOWN_WINDOWS]
    windows, codecs = cut_windows(first.series, origins, data.history, data.horizon), learned.codecs
    return [
        {
            "file": first.name,
            "row": int(origin),
            "source_steps": data.history,
            "target_steps": data.horizon,
            "source": understood(codecs.source, codecs.source.encode(windows.source[i])),
            "target": understood(codecs.target, codecs.target.encode(windows.target[i])),
        }
        for i, origin in enumerate(origins.tolist())
    ]


def _describe_file(one: ReadSeries) -> dict[str, Any]:
    """Rows are numbered from 1; a split without a row has no borders."""
    account = one.account
    return {
        "file": one.name,
        **{name: account[name] for name in ("read", "rejected", "windows_by_split")},
        "rows_by_split": {
            split: [first + 1, last] if last > first else None for split, (first, last) in one.bounds.items()
        },
    }
