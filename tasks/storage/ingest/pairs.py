"""The user's files of pairs, made into a dataset in two passes, of which neither holds them in memory.

The first pass reads the files once: it checks each row, splits by a hash of its source, learns from the
training split, and sets the rows aside. The second encodes what was set aside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.seq2seq.arrays.hashing import Hashes, is_among, mix, sequence_hashes
from tasks.seq2seq.arrays.sequences import Pairs, Sequences
from tasks.seq2seq.data.codec_training import Intake, VectorIntake, finish_both, intakes_of
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.profile import Profile
from tasks.seq2seq.data.splits import SPLITS, assign_splits
from tasks.seq2seq.data.synthetic import NOTHING
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.data import FilesData
from tasks.storage.artifacts.dataset import Block, DatasetFacts, SideFacts, write_codecs, write_pairs
from tasks.storage.artifacts.lists import from_lists, list_type, to_lists
from tasks.storage.files.atomic import write_json
from tasks.storage.files.inputs import InputFile
from tasks.storage.files.progress import Report, say_nothing
from tasks.storage.ingest.duplicates import RepeatCounter
from tasks.storage.ingest.reasons import FINE, LENGTH, Reasons, first_faults, mark
from tasks.storage.ingest.rejects import Rejects, write_rejects
from tasks.storage.ingest.row_rules import RowRules, commonest_length, read_weights
from tasks.storage.readers.blocks import Block as RawBlock
from tasks.storage.readers.blocks import Layout, Reject
from tasks.storage.readers.inputs import ignored_files, list_inputs
from tasks.storage.readers.user_files import count_rows, read_blocks

BESIDE = {"file": pa.string(), "row": pa.int64(), "source_hash": pa.uint64()}
_PAIR_SEED = 1


def pair_layout(data: FilesData, key: str) -> Layout:
    """The columns of a file of pairs that is given as `data.KEY`; a test is never weighted."""
    layout = Layout(
        columns=(*data.source_columns, *data.target_columns),
        kinds=(data.source_encoding, data.target_encoding),
        header=data.header,
        delimiter=data.delimiter,
        quote=data.quote,
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
class _Side:
    """One side of the pairs while they are read: the rules for its rows, and what learns from them."""

    rules: RowRules
    intake: Intake
    has_one_length: bool  # a target of vectors: the horizon, which the first rows say
    longest: int = 0

    @classmethod
    def of(cls, data: FilesData, name: str, intake: Intake) -> _Side:
        rules = RowRules.of(data, name)
        return cls(rules, intake, has_one_length=name == "target" and rules.encoding == "vectors")

    def read(self, array: pa.ChunkedArray) -> tuple[Sequences, Reasons]:
        """Staged time steps of all rows, and why some cannot be used."""
        features = self.intake.features if isinstance(self.intake, VectorIntake) else None
        self.rules = replace(self.rules, features=features)
        column = self.rules.apply(array)
        if self.has_one_length and self.rules.length is None:
            length = commonest_length(column)
            self.rules = replace(self.rules, length=length)
            mark(column.reasons, column.steps.lengths != length, LENGTH)
        staged = self.intake.stage(column.steps.values, column.words)
        return Sequences(staged, column.steps.offsets), column.reasons

    def hashes(self, steps: Sequences, seed: int = 0) -> Hashes:
        return sequence_hashes(self.intake.hashes(steps.values), steps.offsets, seed)


@dataclass
class _Counts:
    """What was read and where it went; each by the split's settings key or the split."""

    read: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    rows: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(SPLITS), np.int64))
    weight: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(SPLITS)))  # of all rows together
    held_back: int = 0


def ingest_pairs(
    data: FilesData, seed: int, folder: Path, held_out: Hashes = NOTHING, report: Report = say_nothing
) -> DatasetFacts:
    """Fills `folder` with the dataset that `tasks.storage.artifacts.dataset` describes.

    Args:
        data: the settings.
        seed: of the split.
        folder: to fill.
        held_out: hashes of sources, ascending, that neither training nor validation may see.
        report: is told how far it is.

    Raises:
        DataError: a file cannot be read, too many rows cannot be used, a split is empty, or there is
            nothing to learn.
    """
    intakes = intakes_of(data.source_encoding, data.target_encoding, shared=data.shared_vocabulary)
    sides = (_Side.of(data, "source", intakes[0]), _Side.of(data, "target", intakes[1]))
    with write_rejects(folder / "rejects.parquet") as rejects:
        staging = _Staging(folder)
        repeats = RepeatCounter(folder / "repeats")
        counts, expected = _Counts(), _rows_expected(data)
        for key, where in data.places.items():
            rejects.start()
            counts.read[key] = 0
            for file in list_inputs(where):
                counts.files.append(file.path)
                for block in read_blocks(file, pair_layout(data, key)):
                    counts.read[key] += len(block.rows) + len(block.rejects)
                    report("rows read", sum(counts.read.values()), expected)
                    pairs, rows = _usable(block, file, sides, rejects)
                    assigned, source = _assign(pairs, key, sides[0], data, seed)
                    held_back = is_among(source, held_out) & (assigned != SPLITS.index("test"))
                    if held_back.any():
                        counts.held_back += int(held_back.sum())
                        kept = ~held_back
                        pairs, rows, assigned, source = pairs.take(kept), rows[kept], assigned[kept], source[kept]
                    repeats.add(source, mix(source) ^ sides[1].hashes(pairs.target, _PAIR_SEED), assigned)
                    counts.rows += np.bincount(assigned, minlength=len(SPLITS))
                    counts.weight += np.bincount(assigned, pairs.weights, minlength=len(SPLITS))
                    for split in np.unique(assigned).tolist():
                        chosen = np.flatnonzero(assigned == split)
                        part = pairs if len(chosen) == len(pairs) else pairs.take(chosen)
                        staging.add(split, part, rows[chosen], len(counts.files) - 1)
                        if split == 0:
                            _learn(part, sides)
            counts.rejected[key] = rejects.n_since_start
            rejects.check_rate(where, counts.read[key], data.max_reject_rate)
        _check_splits(data, counts)
        codecs = finish_both(intakes, (data.source_columns, data.target_columns), data.min_count, data.max_vocabulary)
        written, unknown = _encode(staging, counts, sides, codecs, data, rejects, folder, report)
        for i, split in enumerate(SPLITS):
            # Those with unknown symbols, which only the second pass sees.
            counts.rejected[split if split in data.places else "train"] += int(counts.rows[i]) - written[split]
    account = {
        "read": counts.read,
        "rejected": counts.rejected,
        "held_back": counts.held_back,
        "reasons": dict(rejects.reasons),
        "splits": {name: n for name, n in written.items() if n or name != "validation"},
        "repeats": repeats.finish()._asdict(),
        "unknown": unknown,
        "files": counts.files,
        "files_of_other_formats": [path for where in data.places.values() for path in ignored_files(where)],
    }
    write_json(folder / "account.json", account)
    write_codecs(folder, codecs)
    return DatasetFacts(
        kind=data.kind,
        train_rows=written["train"],
        validation_rows=written["validation"],
        evaluation_rows=written["test"],
        rejected_rows=sum(rejects.reasons.values()),
        held_back_rows=counts.held_back,
        source=SideFacts.of(codecs.source, data.max_source_length or sides[0].longest),
        target=SideFacts.of(codecs.target, data.max_target_length or sides[1].longest),
        masked=True,
    )


def _rows_expected(data: FilesData) -> int | None:
    """Rows in all files, or None where only reading tells."""
    rows = [count_rows(file) for where in data.places.values() for file in list_inputs(where)]
    known = [n for n in rows if n is not None]
    return sum(known) if len(known) == len(rows) else None


def _usable(
    block: RawBlock, file: InputFile, sides: tuple[_Side, _Side], rejects: Rejects
) -> tuple[Pairs, NDArray[np.int64]]:
    """The pairs of a block and their row numbers, without the rows that cannot be used."""
    (source, source_reasons), (target, target_reasons) = (
        side.read(block.table.column(i)) for i, side in enumerate(sides)
    )
    weights, found = None, [source_reasons, target_reasons]
    if block.table.num_columns > len(sides):
        weights, weight_reasons = read_weights(block.table.column(2))
        found.append(weight_reasons)
    reasons, blamed = first_faults(found)
    rejects.add_block(file.name, block, reasons, lambda i: ("source", "target", "weight")[blamed[i]])
    fine, pairs = reasons == FINE, Pairs(source, target, weights)
    return (pairs, block.rows) if fine.all() else (pairs.take(fine), block.rows[fine])


def _assign(pairs: Pairs, key: str, source: _Side, data: FilesData, seed: int) -> tuple[NDArray[np.int8], Hashes]:
    """The split of each pair, and the hashes of the sources."""
    hashes = source.hashes(pairs.source)
    if key != "train":
        return np.full(len(pairs), SPLITS.index(key), np.int8), hashes
    validation = 0.0 if data.validation else data.validation_fraction
    return assign_splits(hashes, seed, validation, 0.0 if data.test else data.test_fraction), hashes


def _learn(pairs: Pairs, sides: tuple[_Side, _Side]) -> None:
    for side, sequences in zip(sides, (pairs.source, pairs.target), strict=True):
        side.intake.learn(sequences.values)


class _Staging:
    """Rows set aside, a file of Arrow batches a split; gone once they are read again."""

    def __init__(self, folder: Path) -> None:
        self._paths = [folder / f"staged-{name}.arrow" for name in SPLITS]
        self._writers: list[Any] = [None] * len(SPLITS)

    def add(self, split: int, pairs: Pairs, rows: NDArray[np.int64], file: int) -> None:
        columns = [to_lists(steps, _staged_type(steps)) for steps in (pairs.source, pairs.target)]
        columns += [pa.array(rows), pa.array(np.full(len(pairs), file, np.int32))]
        names = ["source", "target", "row", "file"]
        if pairs.weights is not None and SPLITS[split] != "test":
            columns.append(pa.array(pairs.weights))
            names.append("weight")
        batch = pa.record_batch(columns, names=names)
        if self._writers[split] is None:
            self._writers[split] = pa.ipc.new_file(self._paths[split], batch.schema)
        self._writers[split].write_batch(batch)

    def read(self, split: int) -> Iterator[pa.RecordBatch]:
        if self._writers[split] is None:
            return
        self._writers[split].close()
        with pa.OSFile(str(self._paths[split])) as source:
            reader = pa.ipc.open_file(source)
            for i in range(reader.num_record_batches):
                yield reader.get_batch(i)
        self._paths[split].unlink()


def _staged_type(steps: Sequences) -> pa.DataType:
    features = steps.values.shape[1] if steps.values.ndim > 1 else 0
    return list_type(pa.from_numpy_dtype(steps.values.dtype), features)


def _check_splits(data: FilesData, counts: _Counts) -> None:
    for i, name in enumerate(SPLITS):
        wanted = name != "validation" or data.validation or data.validation_fraction
        if wanted and not counts.rows[i]:
            beside = f" ({counts.held_back} more are in the holdout of this name)" if counts.held_back else ""
            raise DataError(
                f"{data.train}: the {name} split is empty, {int(counts.rows.sum())} usable row(s){beside} are too few "
                f"to split by source; give more rows, another fraction, or files of their own with data.validation and "
                f"data.test"
            )
        if data.weight is not None and name != "test" and counts.rows[i] and not counts.weight[i]:
            raise DataError(
                f"{data.places.get(name, data.train)}: the weights of all {int(counts.rows[i])} {name} row(s), column "
                f"{data.weight!r}, are 0, expected some above; give others, or leave data.weight out"
            )


def _encode(
    staging: _Staging,
    counts: _Counts,
    sides: tuple[_Side, _Side],
    codecs: Codecs,
    data: FilesData,
    rejects: Rejects,
    folder: Path,
    report: Report,
) -> tuple[dict[str, int], dict[str, int]]:
    """Writes the splits; gives their rows, and those with unknown source symbols."""
    profile = Profile(codecs)
    names = pa.array([Path(path).name for path in counts.files])
    unknown: dict[str, int] = {}
    written: dict[str, int] = {}
    n_encoded = 0
    mean_weight = counts.weight[0] / counts.rows[0]

    def encoded(split: str) -> Iterator[Block]:
        nonlocal n_encoded
        for batch in staging.read(SPLITS.index(split)):
            steps = [from_lists(batch.column(i)) for i in range(2)]
            source, target = (
                Sequences(side.intake.encode(staged.values), staged.offsets)
                for side, staged in zip(sides, steps, strict=True)
            )
            weights = batch["weight"].to_numpy() / mean_weight if "weight" in batch.schema.names else None
            pairs = Pairs(source, target, weights)
            beside = {"file": names.take(batch.column("file")), "row": batch.column("row")}
            if split == "test":
                beside["source_hash"] = pa.array(sides[0].hashes(steps[0]))
            block = Block(pairs, beside)
            if split == "train":
                profile.add(pairs)
            else:
                block = _without_unknown(block, codecs, data, split, unknown, rejects)
            for side, sequences in zip(sides, (block.pairs.source, block.pairs.target), strict=True):
                side.longest = max(side.longest, sequences.longest)
            n_encoded += len(batch)
            report("rows encoded", n_encoded, int(counts.rows.sum()))
            yield block

    for i, split in enumerate(SPLITS):
        if counts.rows[i]:
            written[split] = write_pairs(
                folder / f"{split}.parquet", encoded(split), BESIDE if split == "test" else None
            )
    if not written["test"]:
        raise DataError(
            f"{data.test or data.train}: all test rows hold source symbols that training has not seen; give more rows, "
            f'or set data.unknown = "keep"'
        )
    write_json(folder / "profile.json", profile.to_json())
    return {"validation": 0, **written}, unknown


def _without_unknown(
    block: Block, codecs: Codecs, data: FilesData, split: str, counted: dict[str, int], rejects: Rejects
) -> Block:
    """Counts the rows with unknown source symbols, and rejects them where that is set."""
    codec, pairs = codecs.source, block.pairs
    if codec.unknown is None:
        return block
    steps = pairs.source
    has_unknown = steps.count(codec.unknown) > 0
    counted[split] = counted.get(split, 0) + int(has_unknown.sum())
    if data.unknown == "keep" or not has_unknown.any():
        return block
    file, row = block.beside["file"], block.beside["row"]
    rejects.add(
        Reject(file[i].as_py(), row[i].as_py(), "source_unknown", codec.write(steps[i]))
        for i in np.flatnonzero(has_unknown).tolist()
    )
    kept = ~has_unknown
    return Block(pairs.take(kept), {name: column.filter(pa.array(kept)) for name, column in block.beside.items()})
