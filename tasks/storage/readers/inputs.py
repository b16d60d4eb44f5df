"""Which of the user's files an input names: those of a format that can be read."""

from __future__ import annotations

from pathlib import Path

from tasks.seq2seq.errors import DataError
from tasks.storage.files.inputs import COMPRESSIONS, LOCAL, InputFile, Place, base_folder, look_up, missing
from tasks.storage.readers.formats import format_of, known_suffixes, of_suffix

_NAMED_FILES = 3  # of a folder without a usable file


def list_inputs(where: Path, *, may_be_none: bool = False) -> list[InputFile]:
    """The files that an input names, sorted by path.

    Args:
        where: a file; a folder, of which all files of known suffixes are taken, however deep they lie, but for
            names that begin with `.` or `_`; or a pattern of `*`, `?`, `[...]` and `**` for any number of folders.
            What exists by that very name is never taken as a pattern.
        may_be_none: whether a folder without files, and a pattern that matches none, are an empty list.

    Raises:
        DataError: there is no such file, none that can be used, or one of an unknown suffix.
    """
    place = look_up(where)
    _check_place(place)
    usable = [path for path in place.paths if format_of(path)]
    if not usable and (place.paths or not may_be_none or not base_folder(where).is_dir()):
        raise DataError(_nothing_usable(place))
    return [InputFile(path, LOCAL) for path in usable]


def ignored_files(where: Path) -> list[str]:
    """The files of a folder, or of a pattern, that `list_inputs` leaves out because of their suffix; sorted."""
    place = look_up(where)
    return [] if place.is_file else [path for path in place.paths if not format_of(path)]


def _check_place(place: Place) -> None:
    """Refuses what is no folder, no pattern, and no file of a known suffix."""
    where = str(place.where)
    if place.is_file and not format_of(where):
        raise DataError(_unknown_suffix(where))
    if place.is_there and not place.is_file and not place.is_folder:
        raise DataError(f"{where} is neither a file nor a folder, expected a file of sequences")
    if not place.is_there and not place.is_pattern:
        raise DataError(missing(where))


def _unknown_suffix(path: str) -> str:
    suffixes = Path(path).suffixes
    inner = of_suffix(suffixes[-2].lower()) if len(suffixes) > 1 else None
    if inner and suffixes[-1].lower() in COMPRESSIONS:
        return f"{path}: {inner.name} compresses inside, decompress it; known suffixes are {known_suffixes()}"
    found = repr(suffixes[-1]) if suffixes else "none"
    return f"{path} is of no known suffix ({found}); known are {known_suffixes()}; convert or rename it"


def _nothing_usable(place: Place) -> str:
    where, known = place.where, known_suffixes()
    held = "holds" if place.is_folder else "matches"
    if not place.paths:
        return f"{where} {held} no file; known suffixes are {known}; names that begin with . or _ are left out"
    names = ", ".join(Path(path).name for path in place.paths[:_NAMED_FILES])
    more = f" and {len(place.paths) - _NAMED_FILES} more" if len(place.paths) > _NAMED_FILES else ""
    return f"{where} {held} no file of a known suffix, but {names}{more}; known are {known}; convert or rename them"
