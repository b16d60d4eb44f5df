"""A large file divided into spans that are predicted in any order and by any process, and are then joined."""

from __future__ import annotations

import base64
from typing import Self

import pyarrow as pa
from pyarrow import types
from pydantic import BaseModel, ConfigDict

from tasks.storage.outputs.chunks import FileToRead
from tasks.storage.readers.spans import Span
from tasks.storage.readers.user_files import divide


class Division(BaseModel):
    """How a file is divided, and what was found of it: nobody need look at all of it again.

    Attributes:
        spans: its spans, in order; one that is None is all of it.
        kept: the schema of its columns as Arrow writes it, in Base64.
        left_out: the names of the columns that outputs do not have.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    spans: tuple[Span | None, ...]
    kept: str
    left_out: tuple[str, ...]

    @classmethod
    def of(cls, opened: FileToRead, rows: int, *, always: bool = False) -> Self | None:
        """The division of a file in spans of about so many rows; of one that is read as a whole only if `always`.

        That is a small one, one of a format that cannot be divided, a series, and what another division would give
        other bytes: columns with dictionaries, and scored forecasts, whose errors are added up in order.
        """
        is_scored = opened.has_targets and not opened.reading.target.codec.is_tokens
        is_whole = opened.reading.data.is_series or is_scored or any(map(_has_dictionary, opened.kept.types))
        spans: list[Span | None] = [*([] if is_whole else divide(opened.file, opened.layout, rows))]
        if always and not spans:
            spans = [None]
        kept = base64.b64encode(opened.kept.serialize()).decode()
        return cls(spans=tuple(spans), kept=kept, left_out=tuple(opened.left_out)) if spans else None

    @property
    def schema(self) -> pa.Schema:
        """The columns that are kept."""
        return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(self.kept)))


def _has_dictionary(kind: pa.DataType) -> bool:
    return types.is_dictionary(kind) or any(_has_dictionary(kind.field(i).type) for i in range(kind.num_fields))
