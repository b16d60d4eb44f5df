"""Which files a batch prediction is for, and where the output of each goes."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.batch import BatchSettings
from tasks.storage.files.atomic import (
    left_over,
    lock_if_free,
    locked,
    remove_at_once,
    remove_left_over,
    remove_tree,
)
from tasks.storage.files.inputs import Fault, InputFile, base_folder
from tasks.storage.outputs.accounts import LOCK, WORK, OutputPlace
from tasks.storage.outputs.partitions import read_partitions
from tasks.storage.readers.inputs import PREDICTION, find_inputs


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
        is_file = os.path.isfile(where)  # noqa: PTH113 - a `Path` raises where a name is too long
        if not is_file and output.resolve().is_relative_to(base.resolve()):
            raise SettingsError(
                f"--output {output} lies inside the input {where}: predictions would be taken for inputs; name a "
                f"folder outside {base}"
            )


@dataclass(frozen=True)
class BatchFiles:
    """What the inputs of a batch prediction are.

    Attributes:
        places: the files, each once by its real path, sorted by the name of their output.
        faults: what lies among them and cannot be read, or listed, sorted by its name below the input.
        others: paths of files that are left out because their suffix is unknown, sorted.
        again: paths that are left out because another one to the same file was given before, sorted.
    """

    places: list[OutputPlace]
    faults: list[Fault]
    others: list[str]
    again: list[str]


def find_batch_files(settings: BatchSettings) -> BatchFiles:
    """All files of all inputs; one that several inputs name is the first one's.

    Raises:
        SettingsError: two of them would write the same output, or one would be overwritten by another's.
        DataError: an input does not exist, or holds no file of a known format.
    """
    found = [find_inputs(where, settings.input_format, PREDICTION, may_be_none=True) for where in settings.inputs]
    again = {path for inputs in found for path in inputs.again}
    files: dict[str, InputFile] = {}
    for file in (file for inputs in found for file in inputs.files):
        real = os.path.realpath(file.path)
        first = files.setdefault(real, file)
        if first.path != file.path:
            again.add(file.path)
        if file.is_named and not first.is_named:  # taken at once, however it is found first
            files[real] = replace(first, is_named=True)
    faults = {fault.path: fault for inputs in found for fault in inputs.faults}
    _check_names([(file.name, file.path) for file in files.values()], list(faults.values()), settings)
    partitions = read_partitions([file.name for file in files.values()]) if settings.partitions else {}
    places = [OutputPlace(file, file.name, settings.output, partitions.get(file.name, {})) for file in files.values()]
    _check_overwriting(places, settings)
    return BatchFiles(
        places=sorted(places, key=lambda place: place.name),
        faults=sorted(faults.values(), key=lambda fault: fault.below),
        others=sorted({path for inputs in found for path in inputs.others}),
        again=sorted(again),
    )


def list_places(settings: BatchSettings) -> list[OutputPlace]:
    """The places of `find_batch_files`, which may raise."""
    return find_batch_files(settings).places


def _check_names(names: list[tuple[str, str]], faults: list[Fault], settings: BatchSettings) -> None:
    paths: dict[str, str] = {}
    for name, path in [*names, *((fault.below, fault.path) for fault in faults)]:
        other = paths.setdefault(name, path)
        if other != path:
            raise SettingsError(
                f"{other} and {path} would both be written to {settings.output / name}.{settings.format};"
                f" name a folder above both, or predict them into two folders"
            )


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
    for path in left_in_outputs(settings.output):
        remove_left_over(path)


def left_in_outputs(output: Path) -> list[Path]:
    """What runs that were killed were writing beside the outputs."""
    return [path for where, _, _ in os.walk(output) for path in left_over(Path(where))]


def unfinished_work(output: Path, days: float) -> list[Path]:
    """What killed runs left in an output folder and nobody went on with for so many days, where no run is on."""
    before = time.time() - days * 86_400
    folders = [path for path in (output / WORK).glob("*") if path.is_dir() and path.lstat().st_mtime < before]
    lock = output / WORK / LOCK
    if not folders or not lock.exists():
        return sorted(folders)
    with lock_if_free(lock) as is_free:
        return sorted(folders) if is_free else []


def remove_work(path: Path) -> bool:
    """Removes one of `unfinished_work`, unless a run has begun; says whether it did."""
    with lock_if_free(path.parent / LOCK) as is_free:
        if is_free and path.exists():
            remove_at_once(path)
        return is_free


def clear_unfinished(settings: BatchSettings) -> None:
    """Removes what a run that fails leaves, of whatever settings, but chunks that are predicted."""
    for path in work_folder(settings).glob("*/*"):
        if path.suffix not in (".part", ".former"):
            path.unlink(missing_ok=True)


def _check_overwriting(places: list[OutputPlace], settings: BatchSettings) -> None:
    """No output may take the place of an input; two outputs fall together only where two inputs are named alike."""
    inputs = {os.path.realpath(place.file.path) for place in places}
    for place in places:
        for path in (place.output(settings.format), place.rejects, place.picture, place.account):
            if os.path.realpath(path) in inputs:
                raise SettingsError(f"the output {path} of {place.file.path} is an input itself; name another --output")
