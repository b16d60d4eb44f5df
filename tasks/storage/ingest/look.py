"""A look at the user's files as training would take them: made as a dataset is, told by a dry run, thrown away."""

from __future__ import annotations

from typing import Any

from tasks.seq2seq.arrays.hashing import Hashes
from tasks.seq2seq.data.synthetic import NOTHING
from tasks.seq2seq.settings.data import FilesData
from tasks.storage.files.atomic import temporary_folder
from tasks.storage.files.progress import Report, say_nothing
from tasks.storage.ingest.found_files import FoundFiles, find_files
from tasks.storage.ingest.pair_look import look_at_pairs
from tasks.storage.ingest.pairs import ingest_pairs
from tasks.storage.ingest.rejects import read_first_rejects
from tasks.storage.ingest.series_look import look_at_series

# Files up to this size are read as a whole, of larger ones the first rows: a look is to take seconds.
WHOLE_BYTES = 128 * 2**20
FIRST_ROWS = 200_000
_TIMES_LARGER = 5  # text than its compression, about


def look_at_files(
    data: FilesData, seed: int, held_out: Hashes = NOTHING, report: Report = say_nothing
) -> dict[str, Any]:
    """What the files hold; docs/fields.md says what each field means. Of a series, all rows are read.

    Args:
        data: the settings.
        seed: of the split.
        held_out: hashes of sources, ascending, that neither training nor validation may see.
        report: is told how far it is.

    Raises:
        DataError: as making the dataset would.
    """
    files = find_files(data)
    first_rows = None if data.is_series or _size(files) <= WHOLE_BYTES else FIRST_ROWS
    with temporary_folder("look") as folder:
        if data.is_series:
            found = look_at_series(data, folder, held_out, report, files)
        else:
            ingest_pairs(data, seed, folder, held_out, report, files, first_rows=first_rows, is_traced=True)
            found = look_at_pairs(folder)
        rejects = read_first_rejects(folder / "rejects.parquet")
    encodings = {side: getattr(data, f"{side}_encoding") for side in ("source", "target")}
    return {"first_rows": first_rows, "encodings": encodings, **found, "rejects": rejects}


def _size(found: FoundFiles) -> int:
    """The bytes of all files, those within a compression as large as they would be, about."""
    files = [file for of_split in found.by_setting.values() for file in of_split]
    return sum(file.size * (_TIMES_LARGER if file.compression else 1) for file in files)
