"""Which files a batch prediction is for, and where the output of each goes."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.batch import BatchSettings
from tasks.storage.files.atomic import locked, remove_tree
from tasks.storage.files.inputs import base_folder
from tasks.storage.outputs.accounts import LOCK, WORK, OutputPlace
from tasks.storage.readers.inputs import ignored_files, list_inputs


def check_output_folder(settings: BatchSettings) -> None:
    """Refuses an output folder that cannot be one.

    Raises:
        SettingsError: it is a file, cannot be written, or lies inside an input folder, of which it would become part.
    """
    output = settings.output
    existing = next(path for path in (output, *output.parents) if path.exists())
    if not existing.is_dir():
        raise SettingsError(f"--output {output} is no folder: {existing} is a file; name a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise SettingsError(f"--output {output} cannot be written: no permission in {existing}; name another folder")
    for where in settings.inputs:
        base = base_folder(where)
        if not where.is_file() and output.resolve().is_relative_to(base.resolve()):
            raise SettingsError(
                f"--output {output} lies inside the input {where}: predictions would be taken for inputs; name a "
                f"folder outside {base}"
            )


def list_places(settings: BatchSettings) -> list[OutputPlace]:
    """All files of all inputs, each once, sorted by the name of their output.

    Raises:
        SettingsError: two of them would write the same output, or one would be overwritten by another's.
        DataError: an input does not exist, or holds no file of a known format.
    """
    places: dict[str, OutputPlace] = {}
    for where in settings.inputs:
        for file in list_inputs(where, may_be_none=True):
            name = Path(file.path).relative_to(base_folder(where)).as_posix()
            other = places.setdefault(name, OutputPlace(file, name, settings.output, where.is_file())).file
            if other.path != file.path:
                raise SettingsError(
                    f"{other.path} and {file.path} would both be written to {settings.output / name}.{settings.format};"
                    f" name a folder above both, or predict them into two folders"
                )
    _check_overwriting(list(places.values()), settings)
    return [places[name] for name in sorted(places)]


def list_ignored(settings: BatchSettings) -> list[str]:
    """Files of the inputs that are left out because their suffix is unknown, sorted."""
    return sorted({path for where in settings.inputs for path in ignored_files(where)})


@contextlib.contextmanager
def only_run(settings: BatchSettings) -> Iterator[None]:
    """Holds the output folder for one run; a second one waits until the first has ended, however it ends."""
    path = work_folder(settings) / LOCK
    with locked(path, lambda: print(f"another run writes to {settings.output}; waiting for it", file=sys.stderr)):  # noqa: T201
        yield


def work_folder(settings: BatchSettings) -> Path:
    """Where unfinished work lies."""
    return settings.output / WORK


def clear_work(settings: BatchSettings) -> None:
    """Removes what ended runs left of work that nobody goes on with; call it inside `only_run`, after the work."""
    for folder in work_folder(settings).iterdir():
        if folder.is_dir():
            remove_tree(folder)


def _check_overwriting(places: list[OutputPlace], settings: BatchSettings) -> None:
    """No output may take the place of an input; two outputs fall together only where two inputs are named alike."""
    inputs = {os.path.realpath(place.file.path) for place in places}
    for place in places:
        for path in (place.output(settings.format), place.rejects, place.picture, place.account):
            if os.path.realpath(path) in inputs:
                raise SettingsError(f"the output {path} of {place.file.path} is an input itself; name another --output")
