"""The first pass over the user's pairs: rows are checked, split, counted and set aside, and learned from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.seq2seq.arrays.hashing import Hashes, is_among, mix, sequence_hashes
from tasks.seq2seq.arrays.sequences import Pairs, Sequences
from tasks.seq2seq.data.codec_training import Intake, finish_both, intakes_of
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.odd_values import OddValues
from tasks.seq2seq.data.splits import SPLITS, assign_splits
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.data import FilesData
from tasks.seq2seq.settings.dialect import Dialect
from tasks.storage.files.inputs import InputFile
from tasks.storage.files.progress import Report
from tasks.storage.ingest.duplicates import RepeatCounter
from tasks.storage.ingest.found_files import FoundFiles
from tasks.storage.ingest.reasons import EXTREME, FINE, LENGTH, Reasons, first_faults, mark
from tasks.storage.ingest.rejects import Rejects
from tasks.storage.ingest.row_rules import RowRules, commonest_length, describe_extreme, read_weights
from tasks.storage.ingest.staged_pairs import AssignedPairs, StagedPairs
from tasks.storage.readers.blocks import Layout, RowBlock
from tasks.storage.readers.user_files import count_rows, read_blocks

_PAIR_SEED = 1
_COLUMNS = ("source", "target", "weight")


def pair_layout(data: FilesData, key: str) -> Layout:
    """The columns of a file of pairs that is given as `data.KEY`; a test is never weighted."""
    layout = Layout(
        columns=(*data.source_columns, *data.target_columns),
        kinds=(data.source_encoding, data.target_encoding),
        dialect=data.dialect,
    )
    if data.weight_column is None or key == "test":
        return layout
    return replace(
        layout,
        columns=(*layout.columns, data.weight_column),
        kinds=(*layout.kinds, "number"),
        sides=(*layout.sides, "weight"),
    )


@dataclass
class PairSide:
    """One side of the pairs while they are read: the rules for its rows, and what learns from them."""

    rules: RowRules
    intake: Intake
    has_one_length: bool  # a target of vectors: the horizon, which the first rows say
    odd: OddValues  # of vectors, all numbers of usable rows

    @classmethod
    def of(cls, data: FilesData, name: str, intake: Intake) -> PairSide:
        """The source or the target by the settings."""
        rules = RowRules.of(data, name)
        has_one_length = name == "target" and rules.encoding == "vectors"
        return cls(rules, intake, has_one_length=has_one_length, odd=OddValues())

    def read(self, array: pa.ChunkedArray, dialect: Dialect) -> tuple[Sequences, Reasons]:
        """Staged time steps of all rows, and why some cannot be used."""
        self.rules = replace(self.rules, features=self.intake.features)
        column = self.rules.apply(array, dialect)
        if (column.reasons != FINE).all():  # as in a file of nulls, which teaches nothing, nor how wide a step is
            return column.steps, column.reasons
        if self.has_one_length and self.rules.length is None:
            length = commonest_length(column)
            self.rules = replace(self.rules, length=length)
            mark(column.reasons, column.steps.lengths != length, LENGTH)
        staged = self.intake.stage(column.steps.values, column.words)
        return Sequences(staged, column.steps.offsets), column.reasons

    def hashes(self, steps: Sequences, seed: int = 0) -> Hashes:
        """A hash of each sequence."""
        return sequence_hashes(self.intake.hashes(steps.values), steps.offsets, seed)

    def encode(self, staged: Sequences) -> Sequences:
        """Staged sequences as the dataset holds them, once all is learned."""
        return Sequences(self.intake.encode(staged.values), staged.offsets)


@dataclass(frozen=True)
class PairSides:
    """Both sides, which may share what learns from them."""

    source: PairSide
    target: PairSide

    @classmethod
    def of(cls, data: FilesData) -> PairSides:
        """The sides by the settings, nothing learned yet."""
        source, target = intakes_of(data.source_encoding, data.target_encoding, shared=data.shared_vocabulary)
        return cls(PairSide.of(data, "source", source), PairSide.of(data, "target", target))

    def look(self, pairs: Pairs) -> None:
        """Counts the numbers of staged pairs, of any split."""
        for side, sequences in ((self.source, pairs.source), (self.target, pairs.target)):
            if side.rules.encoding == "vectors":
                side.odd.add(sequences.values.ravel())

    def learn(self, pairs: Pairs) -> None:
        """Takes in staged pairs of the training split."""
        self.source.intake.learn(pairs.source.values)
        self.target.intake.learn(pairs.target.values)

    def finish(self, data: FilesData) -> Codecs:
        """What was learned.

        Raises:
            DataError: fewer than two symbols.
        """
        intakes, columns = (self.source.intake, self.target.intake), (data.source_columns, data.target_columns)
        return finish_both(intakes, columns, data.min_count, data.max_vocabulary)


@dataclass
class PairCounts:
    """What was read and where it went; each by the split's settings key or the split."""

    read: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    files: list[tuple[str, InputFile]] = field(default_factory=list)  # each with its settings key
    rows: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(SPLITS), np.int64))
    weight: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(SPLITS)))  # of all rows together
    held_back: int = 0

    def add(self, found: AssignedPairs) -> None:
        """Counts pairs that are used."""
        self.rows += np.bincount(found.split, minlength=len(SPLITS))
        self.weight += np.bincount(found.split, found.pairs.weights, minlength=len(SPLITS))

    def check_splits(self, data: FilesData) -> None:
        """Refuses splits that are wanted and empty, or without any weight.

        Raises:
            DataError: with what to do.
        """
        for i, name in enumerate(SPLITS):
            wanted = name != "validation" or data.validation or data.validation_fraction
            if wanted and not self.rows[i]:
                beside = f" ({self.held_back} more are in the holdout of this name)" if self.held_back else ""
                raise DataError(
                    f"{data.train}: the {name} split is empty, {int(self.rows.sum())} usable row(s){beside} are too "
                    f"few to split by source; give more rows, another fraction, or files of their own with "
                    f"data.validation and data.test"
                )
            if data.weight is not None and name != "test" and self.rows[i] and not self.weight[i]:
                raise DataError(
                    f"{data.places.get(name, data.train)}: the weights of all {int(self.rows[i])} {name} row(s), "
                    f"column {data.weight!r}, are 0, expected some above; give others, or leave data.weight out"
                )


@dataclass(frozen=True)
class ReadPass:
    """Reads all files once, from the first row to the last.

    Args:
        data: the settings.
        files: those of the settings.
        seed: of the split.
        held_out: hashes of sources, ascending, that neither training nor validation may see.
        sides: learn from the training split.
        staged: takes the rows that can be used.
        rejects: takes those that cannot.
        repeats: is told of all that can.
        counts: is told of both.
        first_rows: how many rows are read of each place, more or less; None means all.
    """

    data: FilesData
    files: FoundFiles
    seed: int
    held_out: Hashes
    sides: PairSides
    staged: StagedPairs
    rejects: Rejects
    repeats: RepeatCounter
    counts: PairCounts
    first_rows: int | None = None

    def run(self, report: Report) -> None:
        """Reads, and reports how many rows were read.

        Raises:
            DataError: a file cannot be read, or too many rows cannot be used.
        """
        counts, expected = self.counts, _rows_expected(self.files)
        for key, where in self.data.places.items():
            self.rejects.start(key)
            counts.read[key] = 0
            for file in self.files.by_setting[key]:
                counts.files.append((key, file))
                for block in read_blocks(file, pair_layout(self.data, key)):
                    counts.read[key] += len(block.rows) + len(block.rejects)
                    report("rows read", sum(counts.read.values()), expected)
                    self._add(self._assigned(block, file, key))
                    if self._has_enough(key):
                        break
                if self._has_enough(key):
                    break
            counts.rejected[key] = self.rejects.n_of_setting
            self.rejects.check_rate(where, counts.read[key], self.data)

    def _has_enough(self, key: str) -> bool:
        return self.first_rows is not None and self.counts.read[key] >= self.first_rows

    def _assigned(self, block: RowBlock, file: InputFile, key: str) -> AssignedPairs:
        """The pairs of a block without those that cannot be used, and those that are held back."""
        pairs, rows = self._usable(block, file)
        source = self.sides.source.hashes(pairs.source)
        found = AssignedPairs(pairs, rows, self._splits(source, key), source)
        held_back = is_among(source, self.held_out) & (found.split != SPLITS.index("test"))
        self.counts.held_back += int(held_back.sum())
        return found.take(~held_back) if held_back.any() else found

    def _usable(self, block: RowBlock, file: InputFile) -> tuple[Pairs, NDArray[np.int64]]:
        """The pairs of a block and their row numbers, without the rows that cannot be used."""
        source, source_reasons = self.sides.source.read(block.table.column(0), block.dialect)
        target, target_reasons = self.sides.target.read(block.table.column(1), block.dialect)
        weights, found = None, [source_reasons, target_reasons]
        if block.table.num_columns > len(found):
            weights, weight_reasons = read_weights(block.table.column(2), block.dialect)
            found.append(weight_reasons)
        reasons, blamed = first_faults(found)
        self._remark(file, block, (source, target), reasons, blamed)
        self.rejects.add_block(file.name, block, reasons, lambda i: _COLUMNS[blamed[i]])
        fine, pairs = reasons == FINE, Pairs(source, target, weights)
        return (pairs, block.rows) if fine.all() else (pairs.take(fine), block.rows[fine])

    def _remark(
        self,
        file: InputFile,
        block: RowBlock,
        sides: tuple[Sequences, Sequences],
        reasons: Reasons,
        blamed: NDArray[np.int64],
    ) -> None:
        """Says more of the first number that is too large."""
        extreme = np.flatnonzero(reasons == EXTREME)
        if self.rejects.has_remark or not extreme.size:
            return
        i, side = int(extreme[0]), int(blamed[extreme[0]])
        values = sides[side][i]
        value = float(values.flat[int(np.argmax(np.abs(values)))])
        column = block.table.column_names[side]
        self.rejects.remark(describe_extreme(f"row {block.rows[i]} of {file.path}", column, value))

    def _splits(self, source: Hashes, key: str) -> NDArray[np.int8]:
        """The split of each pair by the hash of its source: in a file of a split's own, that one."""
        data = self.data
        if key != "train":
            return np.full(len(source), SPLITS.index(key), np.int8)
        validation = 0.0 if data.validation else data.validation_fraction
        return assign_splits(source, self.seed, validation, 0.0 if data.test else data.test_fraction)

    def _add(self, found: AssignedPairs) -> None:
        """Counts pairs, sets them aside, and learns from those of training."""
        pair = mix(found.source) ^ self.sides.target.hashes(found.pairs.target, _PAIR_SEED)
        self.repeats.add(found.source, pair, found.split)
        self.counts.add(found)
        self.sides.look(found.pairs)
        for split, part in found.by_split():
            self.staged.add(split, part, len(self.counts.files) - 1)
            if SPLITS[split] == "train":
                self.sides.learn(part.pairs)


def _rows_expected(found: FoundFiles) -> int | None:
    """Rows in all files, or None where only reading tells."""
    rows = [count_rows(file) for files in found.by_setting.values() for file in files]
    known = [n for n in rows if n is not None]
    return sum(known) if len(known) == len(rows) else None
