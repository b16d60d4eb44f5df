"""What refuses a batch prediction before any work starts."""

from __future__ import annotations

from tasks.prediction.batch_model import BatchModel, find_model, open_file, picture_fault
from tasks.runtime.runners import check_runner
from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.batch import BatchSettings
from tasks.seq2seq.settings.rules import nearest
from tasks.storage.outputs.accounts import OutputPlace
from tasks.storage.outputs.chunks import FileToRead
from tasks.storage.outputs.output_paths import (
    check_output_folder,
    list_places,
    output_probe,
)
from tasks.storage.readers.blocks import listed
from tasks.storage.store.artifact_store import Store


def check_batch(settings: BatchSettings, store: Store) -> None:
    """Refuses what cannot be predicted, before any work starts.

    Raises:
        Seq2SeqError: the model, the inputs or the output folder are not what they should be.
    """
    check_output_folder(settings)
    model = find_model(settings, store)
    places = list_places(settings)
    if settings.runner.address:
        with output_probe(settings) as probe:
            manifest = f"{store.shown_at('bundle', model.bundle.digest)}/manifest.json"
            check_runner(settings.runner, [probe, manifest, *(place.file.path for place in places)])
    else:
        check_runner(settings.runner, [])
    if settings.drop or settings.states_picture is not None:
        _check_columns([file for place in places if (file := _opened(place, model))], settings, model)


def _opened(place: OutputPlace, model: BatchModel) -> FileToRead | None:
    try:
        return open_file(place, model)
    except Exception:  # noqa: BLE001 - the plan looks again, and the file fails alone
        return None


def _check_columns(files: list[FileToRead], settings: BatchSettings, model: BatchModel) -> None:
    """Refuses a column to colour by, or to leave out, that no file has; where some have it, the others are predicted.

    Raises:
        SettingsError: with the columns that there are.
    """
    faults = [picture_fault(file, settings, model) for file in files]
    if faults and all(faults):
        raise SettingsError(f"--states-picture: {faults[0]}")
    left_out = {name for file in files for name in file.left_out}
    there = list(dict.fromkeys(name for file in files for name in (*file.names, *file.left_out)))
    for name in settings.drop:
        if files and name not in left_out:
            raise SettingsError(
                f"--drop: no input has a column {name!r}{nearest(name, there)}; there are {listed(there)}"
            )
