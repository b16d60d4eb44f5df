"""Which of the user's files an input names: those of a format that can be read."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.where import Where
from tasks.storage.files.inputs import COMPRESSIONS, Fault, InputFile, InputPlace, base_folder, look_up, missing
from tasks.storage.readers.formats import FORMATS, format_of, key_of, known_suffixes, of_suffix

TRAINING, PREDICTION = "data.format", "--input-format"  # what the setting of a format is called in messages
_NAMED_FILES = 3  # of a folder without a usable file
_LOOKED_AT = 64 * 2**10  # bytes of a file of no known suffix
_BLANK = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Inputs:
    """What an input names.

    Attributes:
        files: those that can be read by their suffix, or as the format that is set; each once, sorted by path.
        others: paths of files that are left out because of their suffix, sorted.
        faults: what lies there and cannot be read, or listed; sorted.
        again: other paths to the same files, sorted.
    """

    files: list[InputFile]
    others: list[str]
    faults: list[Fault]
    again: list[str]


def find_inputs(where: Where, form: str | None = None, setting: str = TRAINING, *, may_be_none: bool = False) -> Inputs:
    """What an input names, of which parts may be out of order.

    Args:
        where: a file; a folder, of which all files of known suffixes are taken, however deep they lie, but for
            names that begin with `.` or `_`; or a pattern of `*`, `?`, `[...]` and `**` for any number of folders.
            What exists by that very name is never taken as a pattern.
        form: the format that all files are read as, whatever their suffix; only a compression goes by it.
        setting: what the setting of a format is called in messages.
        may_be_none: whether a folder without files, and a pattern that matches none, are an empty list.

    Raises:
        DataError: there is no such file, none that can be used, or one of an unknown suffix.
    """
    place = look_up(where)
    _check_place(place, form, setting, may_be_none=may_be_none and isinstance(where, str) and _may_be_empty(where))
    usable = [file for file in place.files if form or format_of(file.path)]
    others = [file.path for file in place.files if not form and not format_of(file.path)]
    may_be_none = may_be_none and not others and _may_be_empty(where)
    if not usable and not place.faults and not may_be_none:
        raise DataError(_nothing_usable(place, setting))
    return Inputs([replace(file, form=form) for file in usable], others, place.faults, place.again)


def list_inputs(where: Where, form: str | None = None, *, may_be_none: bool = False) -> list[InputFile]:
    """The files that an input names, sorted by path; the arguments are those of `find_inputs`.

    Raises:
        DataError: as `find_inputs`; or something that lies there cannot be read, or listed.
    """
    found = find_inputs(where, form, may_be_none=may_be_none)
    check_no_faults(found)
    return found.files


def check_no_faults(found: Inputs) -> None:
    """Refuses an input of which a part cannot be read: where a file is missing, nobody shall think that all are there.

    Raises:
        DataError: naming the first.
    """
    if found.faults:
        more = f" ({len(found.faults) - 1} more cannot be read)" if len(found.faults) > 1 else ""
        raise DataError(f"{found.faults[0].message}{more}")


def _may_be_empty(where: Where) -> bool:
    """Whether there is a folder that may hold nothing yet; in an object store there are none without a file."""
    return not format_of(where) if isinstance(where, str) else base_folder(where).is_dir()


def _check_place(place: InputPlace, form: str | None, setting: str, *, may_be_none: bool) -> None:
    """Refuses what is not a folder, a pattern or a file of a known suffix."""
    where = str(place.where)
    if place.is_file and not form and not format_of(where):
        raise DataError(_unknown_suffix(place.files[0], setting))
    if place.is_there and not place.is_file and not place.is_folder:
        raise DataError(f"{where} is neither a file nor a folder, expected a file of sequences")
    if not place.is_there and not place.is_pattern and not may_be_none:
        raise DataError(missing(where))


def _unknown_suffix(file: InputFile, setting: str) -> str:
    path = file.path
    suffixes = Path(path).suffixes
    inner = of_suffix(suffixes[-2].lower()) if len(suffixes) > 1 else None
    if inner and suffixes[-1].lower() in COMPRESSIONS:
        return f"{path}: {inner.name} compresses inside, decompress it; known suffixes are {known_suffixes()}"
    found = repr(suffixes[-1]) if suffixes else "none"
    return f"{path} is of no known suffix ({found}); known are {known_suffixes()}; {_what_to_do(file, setting)}"


def _nothing_usable(place: InputPlace, setting: str) -> str:
    where, known = place.where, known_suffixes()
    held = "holds" if place.is_folder else "matches"
    if not place.files:
        return f"{where} {held} no file; known suffixes are {known}; names that begin with . or _ are left out"
    names = ", ".join(file.name for file in place.files[:_NAMED_FILES])
    more = f" and {len(place.files) - _NAMED_FILES} more" if len(place.files) > _NAMED_FILES else ""
    return (
        f"{where} {held} no file of a known suffix, but {names}{more}; known are {known}; "
        f"{_what_to_do(place.files[0], setting, plural=True)}"
    )


def _what_to_do(file: InputFile, setting: str, *, plural: bool = False) -> str:
    """The setting and the value that would read a file, by the look of its first bytes."""
    them, value = ("them", likely_format(file)) if plural else ("it", likely_format(file))
    if value == "json":
        return (
            f"{file.name} is one JSON value, not an object a line: make JSON lines of it, such as with jq -c '.[]', "
            f"in a file named .jsonl"
        )
    if value is None:
        return f"convert or rename {them}"
    said = f"{setting} {value}" if setting.startswith("--") else f'{setting} = "{value}"'
    looks = f"as {file.name} looks" if plural else "as it looks"
    return f"read {them} with {said}, {looks}, or convert or rename {them}"


def likely_format(file: InputFile) -> str | None:
    """The format that a file's first bytes look like, by the name of the setting.

    Returns:
        `json` of a single JSON value over many lines or a list, which no format is; None of what is no text.
    """
    try:
        with file.open_stream() as stream:
            head: bytes = stream.read(_LOOKED_AT)
    except (DataError, OSError):
        return None
    for one in FORMATS:
        if any(start and head.startswith(start) for start in one.signatures):
            return key_of(one)
    line, end, _ = head.removeprefix(_BOM).lstrip(_BLANK).partition(b"\n")
    if not line or b"\0" in head:
        return None
    if line[:1] in (b"{", b"["):
        return "jsonl" if line[:1] == b"{" and (not end or _is_object(line)) else "json"
    return "tsv" if b"\t" in line else "csv"


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
