"""The files that a dataset is made of: where they lie, and whether they can be pairs at all."""

from __future__ import annotations

from tasks.seq2seq.settings.data import FilesData
from tasks.storage.files.inputs import InputFile
from tasks.storage.ingest.pair_reading import pair_layout
from tasks.storage.ingest.series_reading import series_layout
from tasks.storage.readers.inputs import list_inputs
from tasks.storage.readers.user_files import check_input


def training_files(data: FilesData) -> dict[str, list[InputFile]]:
    """The files of each split that the user gives, by its key.

    Raises:
        DataError: there are none.
    """
    return {key: list_inputs(where) for key, where in data.places.items()}


def check_training_files(data: FilesData) -> None:
    """Refuses files that cannot be pairs, before any work starts.

    Raises:
        DataError: naming the first file that cannot.
    """
    for key, files in training_files(data).items():
        layout = series_layout(data) if data.is_series else pair_layout(data, key)
        for file in files:
            check_input(file, layout)
