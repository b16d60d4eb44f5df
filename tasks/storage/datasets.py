r"""Datasets on disk: training pairs as Parquet in row groups that stream, fresh pairs as npz.

train.parquet        columns source and target, lists of int32 ids
evaluation.npz       arrays source and target: the fresh set of a synthetic problem
validation.parquet   \\
    test.parquet          } splits of the user's files
rejects.parquet      /  rows that could not be used, with row number and reason
vocabulary.json      symbols and ids of both sides
profile.json         lengths and symbol counts of the training pairs
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from tasks.seq2seq.architecture import Architecture
from tasks.seq2seq.errors import ArtifactError
from tasks.seq2seq.problems import Ids
from tasks.seq2seq.sampling import CHUNK_ROWS, Pairs
from tasks.seq2seq.settings import ModelSettings
from tasks.seq2seq.vocabulary import Vocabularies, Vocabulary
from tasks.storage.atomic import read_json, write_json

SCHEMA_VERSION = 1
ROW_GROUP_ROWS = CHUNK_ROWS
# Row groups that are mixed with one another when pairs are read shuffled; about 1,000,000 pairs.
SHUFFLED_ROW_GROUPS = 16


class DatasetFacts(BaseModel):
    """What steps need to know of a dataset without opening it; lengths in time steps."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    train_rows: int
    validation_rows: int
    evaluation_rows: int
    rejected_rows: int
    source_length: int
    target_length: int
    source_vocabulary: int
    target_vocabulary: int
    start: int

    def architecture(self, settings: ModelSettings) -> Architecture:
        """The architecture that the settings ask for on this dataset."""
        return Architecture(self.source_vocabulary, self.target_vocabulary, settings.units, settings.embedding)


def write_pairs(path: Path, blocks: Iterable[Pairs], source_length: int, target_length: int) -> int:
    """Streams blocks of pairs into a Parquet file and gives the number of rows."""
    schema = pa.schema(
        [
            pa.field("source", pa.list_(pa.field("item", pa.int32(), nullable=False)), nullable=False),
            pa.field("target", pa.list_(pa.field("item", pa.int32(), nullable=False)), nullable=False),
        ],
        metadata={
            "schema_version": str(SCHEMA_VERSION),
            "source_length": str(source_length),
            "target_length": str(target_length),
        },
    )
    rows = 0
    with pq.ParquetWriter(path, schema) as writer:
        for block in blocks:
            for first in range(0, len(block), ROW_GROUP_ROWS):
                part = slice(first, first + ROW_GROUP_ROWS)
                columns = [
                    _lists(ids[part], schema.field(i).type) for i, ids in enumerate((block.source, block.target))
                ]
                writer.write_table(pa.table(columns, schema=schema))
            rows += len(block)
    return rows


def _lists(ids: Ids, kind: pa.DataType) -> pa.Array:
    n, length = ids.shape
    offsets = pa.array(np.arange(0, (n + 1) * length, length or 1, dtype=np.int32))
    return pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(ids).ravel()), type=kind)


def read_pairs(path: Path, rng: np.random.Generator | None = None) -> Iterator[Pairs]:
    """Blocks of the pairs in a file that `write_pairs` wrote, in memory a few row groups at a time.

    Args:
        path: the Parquet file.
        rng: shuffles the row groups, and the pairs within `SHUFFLED_ROW_GROUPS` of them; None keeps order.

    Raises:
        ArtifactError: the file is of another schema.
    """
    with pq.ParquetFile(path) as file:
        metadata = file.schema_arrow.metadata or {}
        if metadata.get(b"schema_version") != str(SCHEMA_VERSION).encode():
            raise ArtifactError(f"{path} is of schema {metadata.get(b'schema_version')!r}, expected {SCHEMA_VERSION}")
        lengths = int(metadata[b"source_length"]), int(metadata[b"target_length"])
        groups = np.arange(file.num_row_groups)
        if rng is None:
            for group in groups:
                yield _read_groups(file, [int(group)], lengths)
            return
        rng.shuffle(groups)
        for first in range(0, len(groups), SHUFFLED_ROW_GROUPS):
            block = _read_groups(file, groups[first : first + SHUFFLED_ROW_GROUPS].tolist(), lengths)
            order = rng.permutation(len(block))
            yield Pairs(block.source[order], block.target[order])


def _read_groups(file: pq.ParquetFile, groups: list[int], lengths: tuple[int, int]) -> Pairs:
    table = file.read_row_groups(groups, columns=["source", "target"], use_threads=False)
    source, target = (
        column.combine_chunks().flatten().to_numpy().reshape(-1, length)
        for column, length in zip(table.columns, lengths, strict=True)
    )
    return Pairs(source, target)


def write_evaluation(path: Path, pairs: Pairs) -> None:
    """Writes the fresh set, two int32 arrays `(n, length)`."""
    np.savez(path, source=pairs.source, target=pairs.target)


def read_evaluation(folder: Path) -> Iterator[Pairs]:
    """The pairs to evaluate on, whether they are the fresh set or the test split."""
    fresh = folder / "evaluation.npz"
    if not fresh.exists():
        yield from read_pairs(folder / "test.parquet")
        return
    with np.load(fresh, allow_pickle=False) as arrays:
        yield Pairs(arrays["source"], arrays["target"])


def write_vocabularies(folder: Path, vocabularies: Vocabularies) -> None:
    """Writes the vocabularies of both sides."""
    content = {"source": vocabularies.source.to_json(), "target": vocabularies.target.to_json()}
    write_json(folder / "vocabulary.json", content)


def read_vocabularies(folder: Path) -> Vocabularies:
    """The vocabularies that `write_vocabularies` wrote into a dataset or a bundle."""
    content = read_json(folder / "vocabulary.json")
    return Vocabularies(Vocabulary.from_json(content["source"]), Vocabulary.from_json(content["target"]))
