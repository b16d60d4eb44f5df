"""What all readers speak: which columns are wanted, the blocks that they come in, the rows that no format can give."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.dialect import PLAIN, Dialect
from tasks.storage.files.limits import MOST_COLUMNS, ROW_BYTES, ROWS_A_BYTE, ROWS_OF_ANY_FILE

# The last three are of one value a row: a real number, a time stamp, what a series is called by.
Kind = Literal["integers", "characters", "words", "vectors", "number", "time", "id"]
SINGLE: tuple[Kind, ...] = ("number", "time", "id")
BLOCK_ROWS = 32_768
BLOCK_BYTES = 32 * 2**20
_SHOWN_COLUMNS = 30
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True)
class Layout:
    """Where the values of a row stand, and what they are.

    Attributes:
        columns: names; or 0-based positions in a CSV or TSV without a header.
        kinds: what each column holds.
        dialect: how files write what they hold.
        sides: what each column is called in reasons.
        prefix: what stands before the names of settings in messages: `data.` in training, `--` at prediction.
        optional: sides whose values need not be what they should: one that is not, or a whole column of another type,
            is null, and neither the row nor the file is refused for it.
        drop: columns that are not kept, see `dropped_positions`.
        may_be_empty: whether a file without rows is one like others.
        made: columns that no file has, since they are made of all of its other columns.
    """

    columns: tuple[str | int, ...]
    kinds: tuple[Kind, ...]
    dialect: Dialect = PLAIN
    sides: tuple[str, ...] = ("source", "target")
    prefix: str = "data."
    optional: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    may_be_empty: bool = False
    made: tuple[str | int, ...] = ()

    @property
    def of_file(self) -> Layout:
        """The columns among them that files have."""
        if not self.made:
            return self
        found = [
            (column, kind, side)
            for column, kind, side in zip(self.columns, self.kinds, self.sides, strict=True)
            if column not in self.made
        ]
        columns, kinds, sides = zip(*found, strict=True)
        return replace(self, columns=columns, kinds=kinds, sides=sides, made=())

    @property
    def names(self) -> list[str]:
        """The names of the columns in the tables of blocks."""
        return [str(column) for column in self.columns]


@dataclass(frozen=True)
class Reject:
    """A row that cannot be used: where it stands (1-based, the header not counted), why, and the row itself."""

    file: str
    row: int
    reason: str
    content: str


class RowBlock(NamedTuple):
    """Some rows of a file, in its order.

    Attributes:
        rows: `(n,) int64`, the 1-based record number of each row of the table.
        table: n rows, one column for each of the layout's, in that order.
        rejects: rows in between that the format itself makes unusable.
        kept: the same n rows with all columns of the file, where they were asked for.
        dialect: how its text is written, with the delimiter of the format where the layout says none.
    """

    rows: NDArray[np.int64]
    table: pa.Table
    rejects: list[Reject]
    kept: pa.Table | None = None
    dialect: Dialect = PLAIN


def to_table(columns: Sequence[pa.Array], layout: Layout) -> pa.Table:
    """A table of the layout's columns, which may name one column twice."""
    return pa.Table.from_arrays(list(columns), names=layout.names)


def to_kept(columns: Sequence[pa.Array | pa.ChunkedArray], schema: pa.Schema, n: int) -> pa.Table:
    """A table of n rows with exactly this schema, even if it has no column."""
    if not len(schema):
        return pa.table({"": pa.nulls(n)}).select([])
    return pa.Table.from_arrays(list(columns), schema=schema)


def split_block(block: RowBlock) -> Iterator[RowBlock]:
    """The same rows in blocks of at most `BLOCK_ROWS` and, as far as rows are alike, `BLOCK_BYTES`."""
    n = len(block.rows)
    if not n:
        if block.rejects:
            yield block
        return
    kept = block.kept
    size = block.table.nbytes + (0 if kept is None else kept.nbytes)
    step = max(1, min(BLOCK_ROWS, n * BLOCK_BYTES // max(size, 1)))
    numbers = np.array([reject.row for reject in block.rejects], dtype=np.int64)
    first_reject = 0
    for first in range(0, n, step):
        rows = block.rows[first : first + step]
        is_last = first + step >= n
        end = len(numbers) if is_last else int(np.searchsorted(numbers, rows[-1]))
        part = None if kept is None else kept.slice(first, step)
        yield RowBlock(rows, block.table.slice(first, step), block.rejects[first_reject:end], part)
        first_reject = end


def check_names(path: str, there: Sequence[str], layout: Layout) -> None:
    """Refuses columns that are not there, or there twice."""
    for name in layout.names:
        if there.count(name) != 1:
            found = "twice" if name in there else "not"
            raise DataError(
                f"{path}: column {name!r} is {found} there, expected once; the columns are {listed(there)}; "
                f"name yours with {settings_of(layout)}"
            )


def dropped_positions(names: Sequence[str], layout: Layout) -> set[int]:
    """Where the columns stand that are not kept.

    A name drops every column that has it. A position, from 0, drops a column without a name, or one of several that
    share it. What the layout wants is read in any case, and whoever asked leaves it out later.
    """
    counts, dropped, wanted = Counter(names), set(layout.drop), set(layout.names)
    by_position = dropped - set(names)
    return {
        i
        for i, name in enumerate(names)
        if name not in wanted and (name in dropped or (str(i) in by_position and (not name or counts[name] > 1)))
    }


def kept_names(path: str, names: Sequence[str], layout: Layout) -> list[tuple[int, str]]:
    """Positions and names of the columns that are kept; those of one name are refused, as an output has one of each."""
    dropped = dropped_positions(names, layout)
    kept = [(i, name) for i, name in enumerate(names) if i not in dropped]
    for name, n in Counter(name for _, name in kept).most_common(1):
        if n > 1:
            where = [str(i) for i, other in kept if other == name]
            raise DataError(
                f"{path}: column {name!r} is there {n} times, expected once, as all columns are kept; rename it, or "
                f"leave out what you do not need with --drop {','.join(where)} (positions, from 0); the columns are "
                f"{listed(names)}"
            )
    return kept


def dropped_names(names: Sequence[str], layout: Layout) -> list[str]:
    """The columns that are not kept as the layout names them: by name, or by position."""
    return [names[i] if names[i] in layout.drop else str(i) for i in sorted(dropped_positions(names, layout))]


def settings_of(layout: Layout) -> str:
    """The settings that name the layout's columns."""
    sides = dict.fromkeys(layout.sides[: len(layout.columns)])
    if layout.prefix != "data.":  # at prediction, only these can be named otherwise
        sides = {side: None for side in sides if side in ("source", "target")}
    return " and ".join(f"{layout.prefix}{side}" for side in sides)


def setting_of(prefix: str, name: str, value: str) -> str:
    """A setting with its value as users write it: in an experiment (`data.`), or as a flag at prediction (`--`)."""
    if prefix == "data.":
        return f"{prefix}{name} = {json.dumps(value, ensure_ascii=False)}"
    is_plain = value[:1].isalnum() and shlex.quote(value) == value
    return f"{prefix}{name} {value}" if is_plain else f"{prefix}{name} '{value}'"


def has_changed(path: str) -> DataError:
    """The error of a file that is not what it was when its reading began."""
    return DataError(f"{path} changed while it was read; run again when its writer has finished")


def check_columns(path: str, n: int) -> None:
    """Refuses a file of more columns than anybody has.

    Raises:
        DataError: with the limit.
    """
    if n > MOST_COLUMNS:
        raise DataError(
            f"{path} has more than {MOST_COLUMNS:,} columns, or fields inside them, which is the most that a file may "
            f"have; write the columns that are needed into a file of their own"
        )


def check_announced(path: str, rows: int, size: int) -> None:
    """Refuses a file that says of itself that it has more rows than its bytes can hold: reading them would never end.

    Raises:
        DataError: with the limit.
    """
    most = ROWS_OF_ANY_FILE + ROWS_A_BYTE * size
    if rows > most:
        raise DataError(
            f"{path} announces {rows:,} rows in {size:,} bytes, and the most that a file of this size may have are "
            f"{most:,}; make or copy it again"
        )


def too_large(what: str, size: int) -> str:
    """What is said of a row, or a column's rows, beyond the limit."""
    return f"{what} of {size:,} bytes, and the most that a row may have are {ROW_BYTES:,}"


def listed(names: Sequence[str]) -> str:
    """Names as a message shows them: not more, and no longer, than can be read."""
    first = names[:_SHOWN_COLUMNS]
    cut = [name if len(name) <= _SHOWN_CHARACTERS else name[:_SHOWN_CHARACTERS] + "..." for name in first]
    more = f" and {len(names) - _SHOWN_COLUMNS} more" if len(names) > _SHOWN_COLUMNS else ""
    return ", ".join(map(repr, cut)) + more
