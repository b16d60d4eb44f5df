"""Whether the files that a dataset is to be made of can be pairs, or a series, at all."""

from __future__ import annotations

from tasks.seq2seq.settings.data import FilesData
from tasks.storage.ingest.found_files import find_files
from tasks.storage.ingest.pair_reading import pair_layout
from tasks.storage.ingest.series_reading import series_layout
from tasks.storage.readers.user_files import check_input


def check_training_files(data: FilesData) -> None:
    """Refuses files that cannot be pairs, before any work starts.

    Raises:
        DataError: naming the first file that cannot.
    """
    for key, files in find_files(data).by_setting.items():
        layout = series_layout(data) if data.is_series else pair_layout(data, key)
        for file in files:
            check_input(file, layout)
