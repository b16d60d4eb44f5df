"""Folders that are named `key=value`, as Hive, Spark and pyarrow lay out tables, read as columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import unquote

import pyarrow as pa

from tasks.seq2seq.errors import DataError

NULL = "__HIVE_DEFAULT_PARTITION__"
_INTEGER = re.compile(r"-?[0-9]{1,20}")
_INT64 = range(-(2**63), 2**63)
_TYPES = {"int64": pa.int64(), "string": pa.string()}


class PartitionValue(NamedTuple):
    """What a folder's name says of all rows below it: the type of the column, and its value, which may be none."""

    type: str
    value: int | str | None

    @property
    def scalar(self) -> pa.Scalar:
        """The value as Arrow has it."""
        return pa.scalar(self.value, _TYPES[self.type])


Partitions = Mapping[str, PartitionValue]


def read_partitions(names: Iterable[str]) -> dict[str, dict[str, PartitionValue]]:
    """The partition columns of each file of a run, by its path below the input.

    A column is of integers where all its values in the run are, nulls aside; else of text.
    """
    texts = {name: _texts(name) for name in names}
    values: dict[str, list[str]] = {}
    for pairs in texts.values():
        for key, value in pairs.items():
            values.setdefault(key, []).extend([] if value is None else [value])
    types = {key: "int64" if found and all(map(_is_integer, found)) else "string" for key, found in values.items()}
    return {
        name: {key: PartitionValue(types[key], _typed(value, types[key])) for key, value in pairs.items()}
        for name, pairs in texts.items()
    }


def check_partitions(path: str, partitions: Partitions, names: Iterable[str]) -> None:
    """Refuses a folder that names a column which the file has.

    Raises:
        DataError: with what to do.
    """
    for key in partitions:
        if key in set(names):
            raise DataError(
                f"{path} has a column {key!r}, and lies in a folder that gives it one of that name; leave --partitions "
                f"out, or the file's own column with --drop {key}"
            )


def _texts(name: str) -> dict[str, str | None]:
    pairs = [part.partition("=") for part in name.split("/")[:-1]]
    found = [(unquote(key), unquote(value)) for key, equals, value in pairs if key and equals]
    return {key: None if value == NULL else value for key, value in found}


def _is_integer(text: str) -> bool:
    return _INTEGER.fullmatch(text) is not None and int(text) in _INT64


def _typed(text: str | None, kind: str) -> int | str | None:
    return int(text) if text is not None and kind == "int64" else text
