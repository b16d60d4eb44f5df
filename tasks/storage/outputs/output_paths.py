"""Which files a batch prediction is for, and where the output of each goes."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.batch import BatchSettings
from tasks.storage.files.atomic import (
    folder_aside,
    left_over,
    lock_if_free,
    locked,
    remove_at_once,
    remove_left_over,
    remove_tree,
    write_atomically,
)
from tasks.storage.files.cache import cache_folder, name_for
from tasks.storage.files.inputs import Fault, InputFile, base_folder, base_url, real_path
from tasks.storage.files.places import open_place
from tasks.storage.outputs.accounts import ACCOUNT, LOCK, WORK, OutputPlace, list_accounts
from tasks.storage.outputs.partitions import Partitions, read_partitions
from tasks.storage.readers.inputs import PREDICTION, find_inputs


def check_output_folder(settings: BatchSettings) -> None:
    """Refuses an output folder that cannot be one.

    Raises:
        SettingsError: it is a file, cannot be written, or lies inside an input folder, of which it would become part.
    """
    output = settings.output
    if isinstance(output, str):
        _check_output_url(settings, output)
        return
    existing = next(path for path in (output, *output.parents) if path.exists())
    if not existing.is_dir():
        raise SettingsError(f"--output {output} is not a folder: {existing} is a file; name a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise SettingsError(f"--output {output} cannot be written: no permission in {existing}; name another folder")
    for where in settings.inputs:
        if isinstance(where, str):
            continue  # no folder of this machine lies in an object store
        base = base_folder(where)
        is_file = os.path.isfile(where)  # noqa: PTH113 - a `Path` raises where a name is too long
        if not is_file and output.resolve().is_relative_to(base.resolve()):
            raise SettingsError(
                f"--output {output} lies inside the input {where}: predictions would be taken for inputs; name a "
                f"folder outside {base}"
            )


def _check_output_url(settings: BatchSettings, output: str) -> None:
    for where in settings.inputs:
        if isinstance(where, str) and f"{output}/".startswith(f"{base_url(where)}/"):
            raise SettingsError(
                f"--output {output} lies inside the input {where}: predictions would be taken for inputs; name another"
            )


def prepare_output(settings: BatchSettings) -> None:
    """Proves that an output in an object store can be written safely.

    Raises:
        SettingsError: its server ignores conditions.
    """
    if isinstance(settings.output, str):
        open_place(settings.output).prove()


@contextlib.contextmanager
def output_probe(settings: BatchSettings) -> Iterator[str]:
    """Gives something where outputs go that others can look for, whether they see this place: a path or a URL."""
    with folder_aside(work_folder(settings) / "probe") as folder:
        if not isinstance(settings.output, str):
            yield str(folder)
            return
        place, name = open_place(settings.output), f".probe/{secrets.token_hex(16)}"
        (folder / "probe").write_text("a probe")
        place.put(name, folder / "probe")
        try:
            yield place.shown(name)
        finally:
            place.delete([name])


def output_folder(settings: BatchSettings) -> Path:
    """Where outputs are put together: where they go, or for an object store a folder of the cache."""
    if isinstance(settings.output, str):
        return cache_folder("outputs", name_for(settings.output))
    return settings.output


def output_place(
    settings: BatchSettings, file: InputFile, name: str, partitions: Partitions | None = None
) -> OutputPlace:
    """Where the output of a file goes."""
    remote = open_place(settings.output) if isinstance(settings.output, str) else None
    return OutputPlace(file, name, output_folder(settings), partitions or {}, remote)


def write_about_run(settings: BatchSettings, name: str, content: str) -> str:
    """Writes a file that tells of the run beside the outputs; gives where, as people are shown it."""
    path = output_folder(settings) / name
    write_atomically(path, content)
    if isinstance(settings.output, str):
        remote = open_place(settings.output)
        remote.put(name, path)
        return remote.shown(name)
    return str(path)


def names_of_outputs(settings: BatchSettings) -> set[str]:
    """The names of the inputs of which there are outputs, whether they are inputs still or not."""
    if isinstance(settings.output, str):
        names = (entry.name for entry in open_place(settings.output).entries())
        return {name.removesuffix(ACCOUNT) for name in names if name.endswith(ACCOUNT)}
    return set(list_accounts(settings.output))


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
        real = real_path(file.path)
        first = files.setdefault(real, file)
        if first.path != file.path:
            again.add(file.path)
        if file.is_named and not first.is_named:  # taken at once, however it is found first
            files[real] = replace(first, is_named=True)
    faults = {fault.path: fault for inputs in found for fault in inputs.faults}
    _check_names([(file.name, file.path) for file in files.values()], list(faults.values()), settings)
    partitions = read_partitions([file.name for file in files.values()]) if settings.partitions else {}
    places = [output_place(settings, file, file.name, partitions.get(file.name)) for file in files.values()]
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
                f"{other} and {path} would both be written to {settings.output}/{name}.{settings.format};"
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
    return output_folder(settings) / WORK


def clear_work(settings: BatchSettings) -> None:
    """Removes what ended runs left of work that nobody goes on with; call it inside `only_run`, after the work."""
    for folder in work_folder(settings).iterdir():
        if folder.is_dir():
            remove_tree(folder)
    for path in left_in_outputs(output_folder(settings)):
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
    inputs = {real_path(place.file.path) for place in places}
    for place in places:
        for made in (place.output(settings.format), place.rejects, place.picture, place.account):
            path = place.remote.shown(place.name_of(made)) if place.remote else str(made)
            if real_path(path) in inputs:
                raise SettingsError(f"the output {path} of {place.file.path} is an input itself; name another --output")
