"""JSON files of the store and of outputs: all of them are written and read here, whoever may have changed them."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from tasks.seq2seq.errors import ArtifactError
from tasks.seq2seq.shown import shown
from tasks.storage.files.limits import JSON_BYTES

if TYPE_CHECKING:
    from collections.abc import Hashable

_SHOWN_VALUE, _SHOWN_MESSAGE = 60, 300  # characters of what a file holds, and of what is said of it

Content = TypeVar("Content")


def write_json(path: Path, content: Any) -> None:  # noqa: ANN401 - any JSON value
    """Writes a JSON file inside an artifact that is being made.

    Raises:
        ValueError: a number is infinite or NaN, of which JSON has none.
    """
    path.write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")


def parse_json(text: str | bytes) -> Any:  # noqa: ANN401 - any JSON value
    """The value of a text that may be anybody's.

    Raises:
        ValueError: it is no JSON, not UTF-8, nested too deep or too large, or holds numbers that JSON has not.
    """
    if len(text) > JSON_BYTES:
        raise ValueError(f"it is larger than {JSON_BYTES // 2**20} MiB, the most that such a file may have")
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8") from error
    except RecursionError as error:
        raise ValueError("its lists and objects are nested too deep") from error


def _refuse_constant(name: str) -> Any:  # noqa: ANN401 - it gives nothing
    raise ValueError(f"it holds {name}, which is not a number in JSON")


def load_json(path: Path) -> Any:  # noqa: ANN401 - any JSON value
    """What a JSON file holds, whatever that is.

    Raises:
        OSError: the file cannot be read.
        ValueError: see `parse_json`.
    """
    with path.open("rb") as file:
        return parse_json(file.read(JSON_BYTES + 1))


def read_json(path: Path, like: type[Content]) -> Content:
    """Reads a JSON file of an artifact, which is of the shape that this version of the project writes.

    Args:
        path: the file.
        like: its shape, as types say it: a `TypedDict` has the keys that readers use.

    Raises:
        ArtifactError: it cannot be read, or is of another shape.
    """
    try:
        return matching(load_json(path), like)
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}; make it again, or bring it back") from error
    except ValueError as error:
        raise ArtifactError(f"{path} cannot be read: {first_fault(error)}; make it again, or bring it back") from error


def matching(content: Any, like: type[Content]) -> Content:  # noqa: ANN401 - any JSON value
    """The content itself, if it is of a shape.

    Raises:
        ValueError: it is of another one.
    """
    _adapter(cast("Hashable", like)).validate_python(content, strict=True)
    return cast("Content", content)


@lru_cache
def _adapter(like: Any) -> TypeAdapter[Any]:  # noqa: ANN401 - whatever types can say
    return TypeAdapter(like)


def first_fault(error: Exception) -> str:
    """Why a file of somebody else cannot be read, in one line whatever the file holds."""
    if not isinstance(error, ValidationError):
        said = str(error)
        is_said = said and type(error) is ValueError
        return shown(said if is_said else f"{type(error).__name__}: {said}", _SHOWN_MESSAGE)
    fault = error.errors(include_url=False)[0]
    place = fault["loc"][:-2] if "[key]" in fault["loc"] else fault["loc"]  # such a name is the value itself
    field = shown(".".join(map(str, place)), _SHOWN_VALUE)
    if fault["type"] == "missing":
        return f"{field!r} is missing"
    said = shown(fault["msg"].removeprefix("Value error, "), _SHOWN_MESSAGE)
    return f"{repr(field) if field else 'it'} is {_spoken(fault['input'])}: {said}"


def _spoken(value: object) -> str:
    """A value in a message; what may be large, or written in no time, by its kind only."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if isinstance(value, int) and abs(value) >= 2**64:
        return "a very large integer"
    return repr(str(value)[:_SHOWN_VALUE])
