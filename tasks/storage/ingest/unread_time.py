"""Whether a column looks like time where none is read: rows that are taken in order may not be in that of time."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from tasks.seq2seq.data.time_axis import DifferenceCounts, Stamps, infer_step, place
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.data import FilesData
from tasks.storage.files.inputs import InputFile
from tasks.storage.ingest.reasons import FINE
from tasks.storage.ingest.series_reading import series_layout
from tasks.storage.ingest.time_column import Clock
from tasks.storage.readers.user_files import read_blocks, read_columns

_FINE = 0.9  # share of rows that are stamps, of a column that looks like time


def find_unread_time(data: FilesData, file: InputFile) -> list[str]:
    """What is wrong with the time of a file's first rows, a line for each column that looks like time."""
    if data.time is not None:
        return []
    try:
        layout = series_layout(data)
        block = next(read_blocks(file, layout, read_columns(file, layout)))
    except (DataError, StopIteration):  # reading it for good says what is the matter
        return []
    assert block.kept is not None
    others = [name for name in block.kept.column_names if name not in layout.names]
    found = ((name, _fault(block.kept[name], file)) for name in others)
    return [
        f"column {name!r} looks like time and {fault}, and rows are taken as they come: set data.time to it, and "
        f"data.series to the ids of series where there are several"
        for name, fault in found
        if fault
    ]


def _fault(column: pa.ChunkedArray, file: InputFile) -> str | None:
    """How stamps are not one step apart from row to row; None where they are, or the column holds none."""
    kind = column.type
    if not (pa.types.is_temporal(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return None
    clock = Clock(None, None, "")
    try:
        read = clock.read(column, file.path)
    except DataError as error:
        return "holds dates written as numbers" if "which are dates" in str(error) else None
    except (pa.ArrowException, AttributeError):  # times of day, durations
        return None
    is_fine = read.reasons == FINE
    if clock.kind not in ("date", "stamp") or is_fine.mean() < _FINE:
        return None
    return _unevenness(clock.on_wall(read.stamps[is_fine]))


def _unevenness(stamps: Stamps) -> str | None:
    onward = np.diff(stamps)
    if (onward < 0).any():
        return "does not ascend"
    if (onward == 0).any():
        return "has a stamp more than once"
    counts = DifferenceCounts()
    counts.add(stamps, np.arange(len(stamps)) == 0)
    step = infer_step(counts.counts, is_number=False)
    if step is None:
        return None
    placed = place(step, stamps, np.zeros(len(stamps), np.int64))
    is_even = placed.is_on_step.all() and (np.diff(placed.indices) == 1).all()
    return None if is_even else f"ascends by other steps than {step} in places"
