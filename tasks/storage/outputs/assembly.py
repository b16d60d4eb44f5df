"""The output of one file put together from its predicted chunks, in order, and made valid last of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from tasks.seq2seq.errors import ArtifactError, DataError
from tasks.seq2seq.monitoring.tally import Tally
from tasks.seq2seq.settings.batch import OutputFormat
from tasks.storage.artifacts.shown_forecasts import forecast_columns, with_forecasts
from tasks.storage.files.atomic import explain_os_errors, flush, remove_tree
from tasks.storage.files.digests import file_digest
from tasks.storage.ingest.rejects import Rejects, read_rejects, write_rejects
from tasks.storage.outputs.accounts import Account, Lineage, OutputPlace, SeriesForecast
from tasks.storage.outputs.chunk_files import read_chunk, write_chunk
from tasks.storage.outputs.chunks import FileToRead, forecast_series, in_chunks, tally_of
from tasks.storage.outputs.remote_outputs import Seen, look_at_output, send_output
from tasks.storage.outputs.span_files import SpanFiles
from tasks.storage.outputs.writers import OutputWriter
from tasks.storage.store.manifest import FileEntry, canonical_digest


class StatesPicture(Protocol):
    """A picture of the encoder states of a file, whose rows pass by."""

    def add(self, table: pa.Table) -> None:
        """Takes in some rows of the output."""

    def draw(self) -> bytes:
        """The picture of all of them, as PNG."""


class Piece(NamedTuple):
    """A chunk of a file: where it waits, where its predictions go, and how many rows it has."""

    staged: Path
    part: Path
    rows: int
    is_done: bool


@dataclass
class Assembly:
    """A file in work.

    Args:
        place: where its output goes.
        lineage: what the output is made from.
        reading: the file and how it is read.
        kind: the output's format.
        work: a folder for what is not finished; sound parts that an ended run left there are taken over.
        picture: draws the encoder states, if they are to be drawn.
    """

    place: OutputPlace
    lineage: Lineage
    reading: FileToRead
    kind: OutputFormat
    work: Path
    picture: StatesPicture | None = None
    n_resumed: int = 0
    _seen: Seen = field(default_factory=dict)
    _tally: Tally | None = None
    _series: SeriesForecast | None = None
    _first: list[dict[str, Any]] = field(default_factory=list)  # predictions, of which a page may show some
    _rejects: Rejects | None = None
    _writer: OutputWriter | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def read(self, chunk_rows: int) -> Iterator[Piece]:
        """Reads the file and sets its chunks aside, except for those that are predicted already.

        Raises:
            DataError: the file breaks off, is damaged, or changes while it is read.
            ArtifactError: the work folder cannot be written.
        """
        with explain_os_errors(self.work):
            for number, chunk in enumerate(self.reading.chunks(chunk_rows, self._start())):
                piece = self._piece(number, len(chunk))
                if piece.is_done:
                    self.n_resumed += 1
                else:
                    write_chunk(piece.staged, chunk, is_kept=False)
                yield piece

    def _start(self) -> Rejects:
        self._seen = look_at_output(self.place, self.kind)
        self.work.mkdir(parents=True, exist_ok=True)
        self._rejects = self._stack.enter_context(write_rejects(self.work / "rejects.parquet"))
        return self._rejects

    def join(self, spans: Iterable[SpanFiles], chunk_rows: int) -> None:
        """Writes spans that are read and predicted already, in the chunks that one reading of all would have given.

        Args:
            spans: those of the file, in order.
            chunk_rows: the rows of a chunk.

        Raises:
            DataError: something of a span is not as it was written.
            ArtifactError: the output cannot be written.
        """
        with explain_os_errors(self.work):
            for table in in_chunks(self._tables(spans, self._start()), chunk_rows):
                self._write_rows(table)

    def _tables(self, spans: Iterable[SpanFiles], rejects: Rejects) -> Iterator[pa.Table]:
        for span in spans:
            try:
                end = span.read_end()
                for part in span.parts(end):
                    table = read_chunk(part)
                    self._count(tally_of(table))
                    yield table.replace_schema_metadata()
            except (OSError, ArtifactError) as error:
                raise self._not_predicted(error) from error
            before = self.reading.rows.read
            for some in read_rejects(span.rejects):
                rejects.add([replace(one, row=one.row + before) for one in some])
            self.reading.rows.read += end.read
            self.reading.rows.history_only += end.history_only
            self.reading.rows.known_ahead += end.known_ahead
            self._series = end.series

    def _piece(self, number: int, rows: int) -> Piece:
        part = self.work / f"{number:06d}.part"
        try:
            is_done = len(read_chunk(part)) == rows
        except (OSError, ArtifactError):  # not there, or not as it was written
            is_done = False
        if not is_done:
            part.unlink(missing_ok=True)  # or it could be taken for this run's
        return Piece(self.work / f"{number:06d}.staged", part, rows, is_done)

    @property
    def is_empty(self) -> bool:
        """Whether no chunk was written yet."""
        return self._writer is None

    def append(self, piece: Piece) -> None:
        """Writes a predicted chunk; pieces come in the order in which `read` gave them.

        Raises:
            DataError: a chunk or its predictions are not as they were written.
            ArtifactError: the output cannot be written.
        """
        with explain_os_errors(self.work):
            self._write(self._predicted(piece))
            piece.staged.unlink(missing_ok=True)

    def _predicted(self, piece: Piece) -> pa.Table:
        try:
            if not piece.part.exists():
                read_chunk(piece.staged)  # says what kept it from being predicted
            return read_chunk(piece.part)
        except (OSError, ArtifactError) as error:
            raise self._not_predicted(error) from error

    def _not_predicted(self, error: Exception) -> DataError:
        return DataError(
            f"{self.reading.file.path} was not predicted: {error}; run the same command again, and have a look at the "
            f"disk if this comes back"
        )

    def _write(self, table: pa.Table) -> None:
        self._count(tally_of(table))
        self._write_rows(table)

    def _count(self, tally: Tally) -> None:
        self._tally = self._tally + tally if self._tally else tally

    def _write_rows(self, table: pa.Table) -> None:
        table = table.combine_chunks()  # or an output's bytes would tell in which pieces its rows came
        self._open(table.schema).write(table)
        n_wanted = len(self.reading.rows.pasts) - len(self._first)
        if n_wanted > 0:
            self._first += table.slice(0, n_wanted).select(forecast_columns(table.column_names)).to_pylist()
        if self.picture:
            self.picture.add(table)

    def _open(self, schema: pa.Schema) -> OutputWriter:
        if self._writer is None:
            path = self.work / f"output.{self.kind}"
            self._writer = self._stack.enter_context(
                OutputWriter(
                    path,
                    schema,
                    self.kind,
                    self.lineage.model_dump_json(),
                    csv_safe=bool(self.lineage.writing.get("csv_safe")),
                    long=bool(self.lineage.writing.get("long")),
                )
            )
        return self._writer

    def finish(self, empty: Callable[[pa.Table], pa.Table]) -> Account:
        """Puts output, rejects and account in place, in that order.

        Args:
            empty: gives the output's columns of a chunk without rows, for a file of which none can be used.

        Raises:
            DataError: the account does not add up.
            ArtifactError: the output cannot be written.
        """
        if self.is_empty:
            self._write(empty(self.reading.empty()))
        with explain_os_errors(self.work):
            self._stack.close()
            files = {
                self.place.output(self.kind): self.work / f"output.{self.kind}",
                self.place.rejects: self.work / "rejects.parquet",
            }
            if self.picture:
                files[self.place.picture] = self.work / "states.png"
                files[self.place.picture].write_bytes(self.picture.draw())
            account = self._account(files)
            account.check()
        if self.place.remote:
            account = send_output(self.place, self.place.remote, files, account, self._seen)
        else:
            with explain_os_errors(self.place.account.parent):
                self._place(files, account)
        remove_tree(self.work)
        return account

    def _account(self, files: dict[Path, Path]) -> Account:
        assert self._writer is not None
        assert self._tally is not None
        assert self._rejects is not None
        if self._tally.rows != self._writer.rows:
            raise DataError(f"{self._writer.rows} predictions of {self.place.name} for {self._tally.rows} rows")
        reasons = Counter(self._rejects.reasons)
        return Account(
            name=self.place.name,
            input_bytes=self.reading.file.size,
            input_version=self.reading.file.version,
            lineage=self.lineage,
            format=self.kind,
            read=self.reading.rows.read,
            predicted=self._writer.rows,
            rejected=sum(reasons.values()),
            history_only=self.reading.rows.history_only,
            known_ahead=self.reading.rows.known_ahead,
            series=self._series or forecast_series(self.reading.rows),
            forecasts=with_forecasts(self.reading.rows.pasts, self._first),
            reasons=dict(sorted(reasons.items())),
            advice=self._rejects.dialect_advice("--"),
            tally=self._tally,
            columns_left_out=self.reading.left_out,
            files={
                self.place.name_of(path): FileEntry(sha256=file_digest(made), bytes=made.stat().st_size)
                for path, made in files.items()
            },
        )

    def _place(self, files: dict[Path, Path], account: Account) -> None:
        """Puts an output in place of the former one; where that fails, the former one is back as it was."""
        self.place.check_places(self.kind)
        self.place.account.parent.mkdir(parents=True, exist_ok=True)
        before = Account.read_from(self.place.account)
        former = {self.place.folder / name for name in before.files} if isinstance(before, Account) else set()
        aside: dict[Path, Path] = {}
        placed = []
        try:
            for number, path in enumerate(sorted({*files, *former})):
                if path.is_file():
                    aside[path] = path.replace(self.work / f"{number}.former")
            for path, made in files.items():
                flush(made)
                placed.append(made.replace(path))
            account.write(self.place)
        except BaseException:
            for path in placed:
                path.unlink()
            for path, kept in aside.items():
                kept.replace(path)
            raise

    def let_go(self) -> None:
        """Closes what is open, whatever cannot be written any more."""
        with suppress(Exception):
            self._stack.close()

    def abandon(self) -> None:
        """Removes what was begun of a file that cannot be read."""
        try:
            self._stack.close()
        finally:
            remove_tree(self.work)


def work_name(lineage: Lineage, name: str, chunk_rows: int) -> str:
    """The name of a file's work folder: parts of other rows, settings, code or engines are never taken for its own."""
    return canonical_digest([lineage.key, lineage.code, lineage.engine, name, chunk_rows])[:16]
