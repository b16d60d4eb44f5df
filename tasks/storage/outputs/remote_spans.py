"""Spans that workers of other machines predict for an output in an object store, left there for whoever joins them.

They lie below `.work/` of the output, each span's end last, as on a disk. Whoever sends one again sends the same bytes.
"""

from __future__ import annotations

from pathlib import Path

from tasks.seq2seq.errors import ArtifactError
from tasks.storage.files.places import Place
from tasks.storage.outputs.accounts import WORK
from tasks.storage.outputs.span_files import SpanEnd, SpanFiles


def send_span(files: SpanFiles, place: Place) -> None:
    """Puts the files of a span that is finished beside the output.

    Raises:
        ArtifactError: it has no end.
        PlaceError: they cannot be written there.
    """
    end = files.read_end()
    for path in (*files.parts(end), files.rejects, files.end):
        place.put(_name(path), path)


def fetch_end(files: SpanFiles, place: Place) -> SpanEnd | None:
    """What a span holds that was sent; None where none was, or where it is not as it was sent.

    Raises:
        PlaceError: the place cannot be reached.
    """
    try:
        return files.read_end() if _fetch(files.end, place) and _fetch(files.rejects, place) else None
    except (OSError, ArtifactError):
        return None


def fetch_span(files: SpanFiles, place: Place) -> None:
    """Fetches the files of a span that are there; those that are missing, whoever reads the span finds out."""
    if end := fetch_end(files, place):
        for path in files.parts(end):
            _fetch(path, place)


def remove_spans(work: Path, place: Place) -> None:
    """Removes the spans of a file, of all that ever predicted some of it with these settings."""
    place.delete([entry.name for entry in place.entries(f"{WORK}/{work.name}")])


def _fetch(path: Path, place: Place) -> bool:
    entry = place.look(_name(path))
    if entry is None:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    place.fetch(entry._replace(name=_name(path)), path)
    return True


def _name(path: Path) -> str:
    return f"{WORK}/{path.parent.name}/{path.name}"
