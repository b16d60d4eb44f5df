r"""Datasets on disk: training pairs as Parquet in row groups that stream, fresh pairs as npz.

train.parquet        columns source and target: lists of int32 ids, or of lists of float64 features; where pairs are
                     weighted, weight: a float64, the pair's weight over the mean one of training, in validation too
evaluation.npz       arrays source and target: the fresh set of a synthetic problem
validation.parquet   \\
    test.parquet          } splits of the user's files; test rows name their file and row
rejects.parquet      /  rows that could not be used, with row number and reason
account.json         what was read, rejected, split, and what repeats
codecs.json          symbols and ids, or means and deviations, of both sides
profile.json         lengths and symbol counts of the training pairs

Of series, in place of the pairs' files: those of `tasks.storage.artifacts.stored_series`, from which pairs are cut
as they are read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import types
from pydantic import BaseModel, ConfigDict

from tasks.seq2seq.arrays.sequences import Pairs, Sequences
from tasks.seq2seq.data.backtest import Backtest
from tasks.seq2seq.data.codecs import Codec, Codecs
from tasks.seq2seq.data.quantiles import Quantiles
from tasks.seq2seq.data.windows import recent_steps
from tasks.seq2seq.errors import ArtifactError, DataError
from tasks.seq2seq.settings.architecture import Architecture, Side
from tasks.seq2seq.settings.model import ModelSettings
from tasks.seq2seq.shown import shown
from tasks.storage.artifacts.lists import from_lists, list_type, steps_type, to_lists
from tasks.storage.artifacts.parquet_files import opened_parquet
from tasks.storage.artifacts.shapes import CodecsFile
from tasks.storage.artifacts.stored_series import StoredSeries, is_series, read_table, read_windows
from tasks.storage.files.archives import load_arrays
from tasks.storage.files.json_files import read_json, write_json

SCHEMA_VERSION = 2
ROW_GROUP_ROWS = 65_536
# Time steps of both sides in a row group: with long sequences it holds fewer rows.
ROW_GROUP_STEPS = 2_621_440
# Row groups that are mixed with one another when pairs are read shuffled; about 260,000 pairs. While one block is
# used up the next is read, so that memory holds two of them.
SHUFFLED_ROW_GROUPS = 4
CODECS = "codecs.json"
WEIGHT = "weight"
EVERY_WINDOW = Backtest()
# What stands beside pairs for whoever scores them, and not for a person.
NOT_SHOWN = ("source_hash", "recent", "centre", "scale")
_SHOWN = 200  # characters of what a file says of itself


class SideFacts(BaseModel):
    """One side of a dataset; `length` is that of the longest sequence, in time steps."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    encoding: str
    vocabulary: int = 0
    features: int = 0
    length: int

    @classmethod
    def of(cls, codec: Codec, length: int) -> SideFacts:
        """The facts of a side that is encoded by `codec`."""
        return cls(encoding=codec.kind, vocabulary=codec.size, features=codec.features, length=length)


class DatasetFacts(BaseModel):
    """What steps need to know of a dataset without opening it.

    `masked`: sequences are of different lengths, and padded. `relative`: vectors are differences from the
    last step of their source. `ahead`: features that are known of each target step beforehand. `held_back_rows`:
    rows, or windows of series, whose sources are in the holdout of the experiment's name, and which neither training
    nor validation sees.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    train_rows: int
    validation_rows: int
    evaluation_rows: int
    rejected_rows: int
    held_back_rows: int = 0
    source: SideFacts
    target: SideFacts
    masked: bool
    relative: bool = False
    ahead: int = 0
    series: int = 0

    def architecture(self, settings: ModelSettings, quantiles: Quantiles = ()) -> Architecture:
        """The architecture that the settings ask for on this dataset, with quantiles where they are forecast."""
        source, target = (Side(side.vocabulary, side.features) for side in (self.source, self.target))
        return Architecture(source, target, self.masked, settings, self.ahead, self.series, quantiles)


@dataclass(frozen=True)
class PairBlock:
    """Some pairs, and columns that stand beside them, by name."""

    pairs: Pairs
    beside: Mapping[str, pa.Array] = field(default_factory=dict)


def write_pairs(path: Path, blocks: Iterable[PairBlock], beside: Mapping[str, pa.DataType] | None = None) -> int:
    """Streams blocks of pairs into a Parquet file and gives the number of rows.

    Args:
        path: the file.
        blocks: at least one, which may be empty.
        beside: names and types of the columns beside source and target.
    """
    writer, rows = None, 0
    try:
        for block in _row_groups(blocks):
            if writer is None:
                # zstd is as fast here as none, and statistics of ids are of no use to anyone.
                schema = _schema(block.pairs, beside or {})
                writer = pq.ParquetWriter(path, schema, compression="zstd", write_statistics=False)
            kinds = writer.schema
            columns = [to_lists(side, kinds.field(i).type) for i, side in enumerate(_sides(block.pairs))]
            if block.pairs.weights is not None:
                columns.append(pa.array(block.pairs.weights))
            writer.write_table(
                pa.table([*columns, *(block.beside[name] for name in beside or {})], schema=kinds),
                row_group_size=ROW_GROUP_ROWS,
            )
            rows += len(block.pairs)
    finally:
        if writer:
            writer.close()
    return rows


def _sides(pairs: Pairs) -> tuple[Sequences, Sequences]:
    return pairs.source, pairs.target


def _schema(pairs: Pairs, beside: Mapping[str, pa.DataType]) -> pa.Schema:
    def kind(sequences: Sequences) -> pa.DataType:
        values = sequences.values
        return steps_type(values.shape[1] if values.ndim > 1 else 0)

    return pa.schema(
        [
            *(
                pa.field(name, kind(side), nullable=False)
                for name, side in zip(("source", "target"), _sides(pairs), strict=True)
            ),
            *([] if pairs.weights is None else [pa.field(WEIGHT, pa.float64(), nullable=False)]),
            *(pa.field(name, kind, nullable=False) for name, kind in beside.items()),
        ],
        metadata={"schema_version": str(SCHEMA_VERSION)},
    )


def _row_groups(blocks: Iterable[PairBlock]) -> Iterator[PairBlock]:
    """The same rows in blocks that are about as large as a row group should be."""
    waiting: list[PairBlock] = []
    for block in blocks:
        for part in _parts(block):
            waiting.append(part)
            if sum(len(part.pairs) for part in waiting) >= ROW_GROUP_ROWS or _steps(waiting) >= ROW_GROUP_STEPS:
                yield _joined(waiting)
                waiting = []
    if waiting:
        yield _joined(waiting)


def _parts(block: PairBlock) -> Iterator[PairBlock]:
    n = len(block.pairs)
    rows = max(1, min(ROW_GROUP_ROWS, n * ROW_GROUP_STEPS // max(1, _steps([block]))))
    for first in range(0, max(n, 1), rows):
        beside = {name: column.slice(first, rows) for name, column in block.beside.items()}
        yield PairBlock(block.pairs.part(first, min(first + rows, n)), beside)


def _steps(blocks: list[PairBlock]) -> int:
    return sum(side.n_steps for block in blocks for side in _sides(block.pairs))


def _joined(blocks: list[PairBlock]) -> PairBlock:
    if len(blocks) == 1:
        return blocks[0]
    names = blocks[0].beside
    return PairBlock(
        Pairs.concatenate(block.pairs for block in blocks),
        {name: pa.concat_arrays([block.beside[name] for block in blocks]) for name in names},
    )


def read_pairs(path: Path, rng: np.random.Generator | None = None) -> Iterator[Pairs]:
    """Blocks of the pairs in a file that `write_pairs` wrote, in memory a few row groups at a time.

    Args:
        path: the Parquet file.
        rng: shuffles the row groups, `SHUFFLED_ROW_GROUPS` of which make a block; None keeps order.

    Raises:
        ArtifactError: the file is of another schema.
    """
    with _opened(path) as file:
        groups = np.arange(file.num_row_groups)
        columns = ["source", "target", *([WEIGHT] if WEIGHT in file.schema_arrow.names else [])]
        size = 1
        if rng is not None:
            rng.shuffle(groups)
            size = SHUFFLED_ROW_GROUPS
        for first in range(0, len(groups), size):
            table = file.read_row_groups(groups[first : first + size].tolist(), columns=columns, use_threads=False)
            weights = table[WEIGHT].to_numpy() if WEIGHT in columns else None
            yield Pairs(from_lists(table["source"]), from_lists(table["target"]), weights)


def read_split(folder: Path, split: str, rng: np.random.Generator | None = None) -> Iterator[Pairs]:
    """Blocks of the pairs of a split of a dataset; of series, of its windows.

    Args:
        folder: of the dataset.
        split: train or validation.
        rng: shuffles them; None keeps order.

    Raises:
        ArtifactError: the files are of another schema.
    """
    if is_series(folder):
        return read_windows(folder, split, rng)
    return read_pairs(folder / f"{split}.parquet", rng)


def has_weights(path: Path) -> bool:
    """Whether the pairs in a file that `write_pairs` wrote have weights; windows of series, which no file has, do not.

    Raises:
        ArtifactError: the file is of another schema.
    """
    if not path.exists() and is_series(path.parent):
        return False
    with _opened(path) as file:
        return WEIGHT in file.schema_arrow.names


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    with opened_parquet(path) as file:
        schema = file.schema_arrow
        version = (schema.metadata or {}).get(b"schema_version")
        if version != str(SCHEMA_VERSION).encode():
            raise ArtifactError(f"{path} is of schema {shown(repr(version), _SHOWN)}, expected {SCHEMA_VERSION}")
        if fault := next(_column_faults(schema), None):
            raise ArtifactError(f"{path} {fault}; make it again, or bring it back")
        yield file


def _column_faults(schema: pa.Schema) -> Iterator[str]:
    for name in ("source", "target"):
        kind = schema.field(name).type if name in schema.names else None
        features = kind.value_type.list_size if kind and types.is_list(kind) and _is_vector(kind.value_type) else 0
        if kind != steps_type(features):
            yield f"has the column {name} of {shown(kind, _SHOWN)}, expected {steps_type(0)} or vectors"
    if WEIGHT in schema.names and schema.field(WEIGHT).type != pa.float64():
        yield f"has the column {WEIGHT} of {shown(schema.field(WEIGHT).type, _SHOWN)}, expected {pa.float64()}"


def _is_vector(kind: pa.DataType) -> bool:
    return bool(types.is_fixed_size_list(kind))


def write_evaluation(path: Path, pairs: Pairs) -> None:
    """Writes the fresh set, two int32 arrays `(n, length)`."""
    np.savez(path, source=pairs.source.padded(), target=pairs.target.padded())


def read_evaluation(folder: Path, model: Path | None = None, backtest: Backtest = EVERY_WINDOW) -> Iterator[PairBlock]:
    """The pairs to evaluate on, whether they are the fresh set or the test split.

    Beside the pairs stand the `file` and the `row` that they came from (the fresh set has rows alone), the
    `source_hash` by which their sources are kept out of later training (the fresh set's follow from its ids),
    and of series of vectors the `recent` time steps before the target, a history and a season of them, and what the
    windows' values were taken from and divided by, if they were: `centre` and `scale`. `model` is the bundle of a
    model that was made of another dataset, and knows series by numbers of its own. `backtest` chooses among the windows
    of series.
    """
    if is_series(folder):
        yield from _read_held_out_windows(folder, "test", model, backtest)
        return
    fresh = folder / "evaluation.npz"
    if fresh.exists():
        arrays = load_arrays(fresh)
        sides = [arrays[name] for name in ("source", "target") if name in arrays]
        if len(sides) != len(arrays) or not all(map(_is_padded, sides)) or len({*map(len, sides)}) != 1:
            raise ArtifactError(f"{fresh} holds no pairs of ids; make it again, or bring it back")
        pairs = Pairs.of_rows(sides[0], sides[1])
        yield PairBlock(pairs, {"row": pa.array(np.arange(1, len(pairs) + 1))})
        return
    yield from read_with_beside(folder / "test.parquet")


def _read_held_out_windows(
    folder: Path, split: str, model: Path | None = None, backtest: Backtest = EVERY_WINDOW
) -> Iterator[PairBlock]:
    stored = StoredSeries(folder, read_table(model) if model and is_series(model) else None)
    hashes = stored.hashes() if split == "test" else None
    every, at = stored.lasts(split), stored.origins_of(split, backtest).at
    for first in range(0, len(at), stored.block_size):
        chosen = at[first : first + stored.block_size]
        lasts = np.asarray(every[chosen])
        pairs, frames = stored.cut(lasts)
        beside = stored.origins(lasts)
        if hashes is not None:
            beside["source_hash"] = pa.array(hashes[chosen])
        if stored.steps.target.ndim > 1:
            n_steps = max(stored.plan.history, stored.described["season"])
            recent = recent_steps(stored.steps, lasts, n_steps, stored.plan.history)
            beside["recent"] = _vectors(recent)
        if frames.target is not None:
            beside |= {
                "centre": _vectors(frames.target.centre[:, None]),
                "scale": _vectors(frames.target.scale[:, None]),
            }
        yield PairBlock(pairs, beside)


def _vectors(rows: NDArray[np.float64]) -> pa.Array:
    """A column of vectors `(n, steps, features)`."""
    return to_lists(Sequences.of_rows(rows), list_type(pa.float64(), rows.shape[2]))


def read_validation(folder: Path) -> Iterator[PairBlock]:
    """The pairs to choose models by: the validation split; of a generated problem, which has none, the fresh set.

    Raises:
        ArtifactError: the file is of another schema.
    """
    if is_series(folder):  # which may have no window there: models are never chosen by those that prove them
        yield from _read_held_out_windows(folder, "validation")
        return
    split = folder / "validation.parquet"
    yield from read_with_beside(split) if split.exists() else read_evaluation(folder)


def _is_padded(side: NDArray[Any]) -> bool:
    return side.dtype == np.int32 and side.ndim == 2  # noqa: PLR2004 - rows and their ids


def read_with_beside(path: Path) -> Iterator[PairBlock]:
    """Blocks of the pairs in a file that `write_pairs` wrote, in order, with the columns that stand beside them.

    Raises:
        ArtifactError: the file is of another schema.
    """
    with _opened(path) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, use_threads=False).combine_chunks()
            beside = {name: table[name].combine_chunks() for name in table.column_names[2:]}
            yield PairBlock(Pairs(from_lists(table["source"]), from_lists(table["target"])), beside)


def write_codecs(folder: Path, codecs: Codecs) -> None:
    """Writes the codecs of both sides."""
    write_json(folder / CODECS, codecs.to_json())


def read_codecs(folder: Path) -> Codecs:
    """The codecs that `write_codecs` wrote into a dataset or a bundle.

    Raises:
        ArtifactError: they cannot be read, or are none.
    """
    content = read_json(folder / CODECS, CodecsFile)
    try:
        return Codecs.from_json(content)
    except DataError as error:
        raise ArtifactError(f"{folder / CODECS} cannot be used: {error}; make it again, or bring it back") from error
