"""The files that a dataset is made of, found once: what is read, digested and counted is the same."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.data import FilesData
from tasks.seq2seq.settings.where import Where
from tasks.storage.files.inputs import InputFile
from tasks.storage.readers.inputs import check_no_faults, find_inputs


@dataclass(frozen=True)
class FoundFiles:
    """The user's files.

    Attributes:
        by_setting: those that are read, by the key of `[data]` that they were found through: train, validation, test.
        waiting: paths of those that changed just now and may be half written; the next run takes them.
        others: paths of those that are of no known format.
        again: other paths to files that are read already by the same key.
    """

    by_setting: dict[str, list[InputFile]]
    waiting: list[str]
    others: list[str]
    again: list[str]

    def left_out(self) -> dict[str, list[str]]:
        """What was found and is not read, as accounts say it."""
        return {
            "files_of_other_formats": self.others,
            "files_already_given": self.again,
            "files_waiting": self.waiting,
        }


def find_files(data: FilesData) -> FoundFiles:
    """The files that the settings name, those that have settled.

    Raises:
        DataError: there are none, none has settled, or something that lies there cannot be read.
    """
    found = FoundFiles({}, [], [], [])
    for key, where in data.places.items():
        inputs = find_inputs(where, data.format)
        check_no_faults(inputs)
        young = [file for file in inputs.files if file.may_be_half_written(data.settle)]
        if len(young) == len(inputs.files):
            raise DataError(_all_young(key, where, young, data.settle))
        found.by_setting[key] = [file for file in inputs.files if file not in young]
        found.waiting.extend(file.path for file in young)
        found.others.extend(inputs.others)
        found.again.extend(inputs.again)
    return found


def _all_young(key: str, where: Where, young: list[InputFile], settle: float) -> str:
    return (
        f"data.{key}: all {len(young)} file(s) of {where} changed within the last {settle:g} seconds and may be half "
        f"written, such as {young[0].path}; wait until their writer has finished, or take them as they are with "
        f"--data.settle 0"
    )
