"""What a column that cannot be read as its encoding says looks like, and the setting that would read it.

It only ever gives a hint, from the first values; nothing is decided by it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_BETWEEN = re.compile(r"\s*[,;]\s*|\s+")
_MOST_LOOKED_AT = 1_000  # characters of a value


@dataclass(frozen=True)
class Look:
    """What a column may look like.

    Args:
        name: as a message says it, after "looks like".
        fits: whether a value is one.
        encoding: the encoding that reads such values; None where none does.
        advice: what to do where none does.
    """

    name: str
    fits: Callable[[Any], bool]
    encoding: str | None
    advice: str = ""


def guess_look(values: Sequence[Any]) -> Look | None:
    """The first look that all values have which are there; None where they have none in common.

    Args:
        values: as Python has them: text, numbers, lists; None where a value is missing.
    """
    there = [_readied(value) for value in values if value is not None and value != ""]
    return next((look for look in LOOKS if there and all(look.fits(value) for value in there)), None)


def advise(values: Sequence[Any], setting: str, encoding: str) -> str | None:
    """What to say after a column's name: what it looks like and what reads it; None where nothing is known.

    Args:
        values: the first ones of the column.
        setting: the one that says how it is read, such as `data.source_encoding`.
        encoding: what that is.
    """
    look = guess_look(values)
    if look is None or look.encoding == encoding:
        return None
    what = f"which {setting} = {json.dumps(look.encoding)} reads" if look.encoding else look.advice
    return f'looks like {look.name}, {what} ({setting} is "{encoding}")'


def _readied(value: Any) -> Any:  # noqa: ANN401 - what a cell may hold
    """Text that holds JSON lists as what it holds; a long one cut."""
    if not isinstance(value, str):
        return value
    text = value.strip()[:_MOST_LOOKED_AT]
    if text.startswith("["):
        try:
            return _Quoted(json.loads(text))
        except (ValueError, RecursionError):
            return text
    return text


@dataclass(frozen=True)
class _Quoted:
    """What text of JSON holds."""

    value: Any


def _all_of(is_one: Callable[[Any], bool], value: Any) -> bool:  # noqa: ANN401 - see above
    """Whether a value, or each of a list, is one."""
    if isinstance(value, _Quoted):
        value = value.value
    return all(map(is_one, value)) if isinstance(value, list | tuple) else is_one(value)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return _is_integer(value) or isinstance(value, float)


def _are_integers(value: object) -> bool:
    if isinstance(value, str):
        return all(_INTEGER.fullmatch(part) for part in _BETWEEN.split(value))
    return _all_of(_is_integer, value)


def _are_numbers(value: object) -> bool:
    if isinstance(value, str):
        return all(_NUMBER.fullmatch(part) for part in _BETWEEN.split(value))
    return _all_of(lambda one: _is_number(one) or (isinstance(one, list) and all(map(_is_number, one))), value)


def _are_quoted_strings(value: object) -> bool:
    return isinstance(value, _Quoted) and _all_of(lambda one: isinstance(one, str), value)


def _are_strings(value: object) -> bool:
    return isinstance(value, list | tuple) and _all_of(lambda one: isinstance(one, str), value)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_one_word(value: object) -> bool:
    return isinstance(value, str) and not re.search(r"\s", value)


def _is_structure(value: object) -> bool:
    return isinstance(value, dict)


LOOKS = (
    Look("integers", _are_integers, "integers"),
    Look("real numbers", _are_numbers, "vectors"),
    Look(
        "lists of strings, written as JSON within text",
        _are_quoted_strings,
        None,
        "which no encoding reads from text: write words with spaces between them, or as lists in .jsonl or .parquet",
    ),
    Look("lists of strings", _are_strings, "words"),
    Look("text without white space", _is_one_word, "characters"),
    Look("words with white space between them", _is_text, "words"),
    Look(
        "objects of several fields",
        _is_structure,
        None,
        'of which one is to be read: name it by its path, such as data.source = "translation.en"',
    ),
)
