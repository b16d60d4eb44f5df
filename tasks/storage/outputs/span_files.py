"""What a span of a divided file leaves in the work folder: its predicted chunks, its rejects, and an end as a seal.

Each file appears whole or not at all, and whoever writes it again writes the same bytes: a process that was taken for
dead and comes back does no harm.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from tasks.seq2seq.errors import ArtifactError
from tasks.storage.files.atomic import written_aside
from tasks.storage.files.digests import file_digest
from tasks.storage.ingest.rejects import Rejects, write_rejects
from tasks.storage.outputs.accounts import SeriesForecast
from tasks.storage.outputs.chunk_files import read_chunk, write_chunk

_END = b"end"


class SpanEnd(BaseModel):
    """What a span holds: rows that were read, the rows of each predicted chunk, and the digest of its rejects.

    `history_only`, `known_ahead` and `series` are of series, which are read as a whole: see `Account`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    read: int
    rows: list[int]
    rejects: str
    history_only: int = 0
    known_ahead: int = 0
    series: SeriesForecast | None = None


class SpanFiles(NamedTuple):
    """The files of a span: the work folder of its file, and which span of it."""

    work: Path
    number: int

    def part(self, chunk: int) -> Path:
        """The predictions of a chunk."""
        return self.work / f"{self.number:06d}-{chunk:06d}.part"

    def parts(self, end: SpanEnd) -> Iterator[Path]:
        """Those of all chunks, in order."""
        return map(self.part, range(len(end.rows)))

    @property
    def rejects(self) -> Path:
        """The rows that cannot be used, numbered from the first of the span."""
        return self.work / f"{self.number:06d}.rejects.part"

    @property
    def end(self) -> Path:
        """The seal of the others."""
        return self.work / f"{self.number:06d}.end.part"

    def is_predicted(self, chunk: int, rows: int) -> bool:
        """Whether the predictions of a chunk are there as they were written."""
        try:
            return len(read_chunk(self.part(chunk))) == rows
        except (OSError, ArtifactError):
            return False

    @contextmanager
    def write_rejects(self) -> Iterator[Rejects]:
        """Writes the rejects, which are there once this ends."""
        with written_aside(self.rejects) as aside, write_rejects(aside) as rejects:
            yield rejects

    def write_end(
        self,
        read: int,
        rows: list[int],
        *,
        history_only: int = 0,
        known_ahead: int = 0,
        series: SeriesForecast | None = None,
    ) -> SpanEnd:
        """Says that all is there."""
        end = SpanEnd(
            read=read,
            rows=rows,
            rejects=file_digest(self.rejects),
            history_only=history_only,
            known_ahead=known_ahead,
            series=series,
        )
        write_chunk(self.end, pa.table({}).replace_schema_metadata({_END: end.model_dump_json()}))
        return end

    def read_end(self) -> SpanEnd:
        """What the span holds; its chunks are not looked at.

        Raises:
            ArtifactError: it has no end, or its rejects are not as they were written.
            OSError: they cannot be read.
        """
        end = SpanEnd.model_validate_json(read_chunk(self.end).schema.metadata[_END])
        if file_digest(self.rejects) != end.rejects:
            raise ArtifactError(f"{self.rejects} was cut or altered after it was written: its digest does not fit")
        return end

    def finished(self) -> SpanEnd | None:
        """What the span holds, where it is all there as it was written; else None."""
        try:
            end = self.read_end()
        except (OSError, ArtifactError):
            return None
        return end if all(self.is_predicted(chunk, rows) for chunk, rows in enumerate(end.rows)) else None
