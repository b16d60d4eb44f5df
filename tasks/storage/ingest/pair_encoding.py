"""The second pass over the user's pairs: what was set aside is encoded by what was learned, and written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from tasks.seq2seq.arrays.sequences import Pairs
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.profile import Profile
from tasks.seq2seq.data.splits import SPLITS
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.data import FilesData
from tasks.storage.artifacts.dataset import PairBlock, write_pairs
from tasks.storage.files.progress import Report
from tasks.storage.ingest.pair_reading import PairCounts, PairSides
from tasks.storage.ingest.rejects import Rejects
from tasks.storage.ingest.staged_pairs import StagedBatch, StagedPairs
from tasks.storage.readers.blocks import Reject

BESIDE = {"file": pa.string(), "row": pa.int64(), "source_hash": pa.uint64()}


class EncodePass:
    """Writes the splits.

    Attributes:
        written: the rows of each split.
        unknown: those among them, and among the rejects, that hold unknown source symbols.
        longest: time steps of the longest source and target.
        profile: of the training split.
    """

    def __init__(
        self,
        data: FilesData,
        sides: PairSides,
        codecs: Codecs,
        staged: StagedPairs,
        rejects: Rejects,
        counts: PairCounts,
        *,
        is_traced: bool = False,
    ) -> None:
        """Takes what the first pass left; traced are all rows with their files and numbers, or those of the test."""
        self._is_traced = is_traced
        self._data, self._sides, self._codecs = data, sides, codecs
        self._staged, self._rejects, self._counts = staged, rejects, counts
        self._names = pa.array([file.name for _, file in counts.files])
        self._mean_weight = counts.weight[0] / counts.rows[0]
        self.written = {"validation": 0}
        self.unknown: dict[str, int] = {}
        self.longest = [0, 0]
        self.profile = Profile(codecs)

    def run(self, folder: Path, report: Report) -> None:
        """Writes a file for each split that has rows, and reports how many rows were encoded.

        Raises:
            DataError: no test row is left.
        """
        n_encoded, n_rows = 0, int(self._counts.rows.sum())

        def reported(split: str) -> Iterator[PairBlock]:
            nonlocal n_encoded
            for batch in self._staged.read(SPLITS.index(split)):
                block = self._encoded(batch, split)
                n_encoded += len(batch.rows)
                report("rows encoded", n_encoded, n_rows)
                yield block

        for i, split in enumerate(SPLITS):
            if self._counts.rows[i]:
                beside = BESIDE if split == "test" or self._is_traced else None
                self.written[split] = write_pairs(folder / f"{split}.parquet", reported(split), beside)
        if not self.written["test"]:
            raise DataError(
                f"{self._data.test or self._data.train}: all test rows hold source symbols that training has not seen; "
                f'give more rows, or set data.unknown = "keep"'
            )

    def _encoded(self, batch: StagedBatch, split: str) -> PairBlock:
        """The rows of a batch as the dataset holds them."""
        weights = None if batch.weights is None else batch.weights / self._mean_weight
        pairs = Pairs(self._sides.source.encode(batch.source), self._sides.target.encode(batch.target), weights)
        beside = {"file": self._names.take(batch.files), "row": batch.rows}
        if split == "test" or self._is_traced:
            beside["source_hash"] = pa.array(self._sides.source.hashes(batch.source))
        block = PairBlock(pairs, beside)
        if split == "train":
            self.profile.add(pairs)
        else:
            block = self._without_unknown(block, split)
        lengths = (block.pairs.source.longest, block.pairs.target.longest)
        self.longest = [max(both) for both in zip(self.longest, lengths, strict=True)]
        return block

    def _without_unknown(self, block: PairBlock, split: str) -> PairBlock:
        """Counts the rows with unknown source symbols, and rejects them where that is set."""
        codec, sources = self._codecs.source, block.pairs.source
        if codec.unknown is None:
            return block
        has_unknown = sources.count(codec.unknown) > 0
        self.unknown[split] = self.unknown.get(split, 0) + int(has_unknown.sum())
        if self._data.unknown == "keep" or not has_unknown.any():
            return block
        file, row = block.beside["file"], block.beside["row"]
        self._rejects.add(
            (
                Reject(file[i].as_py(), row[i].as_py(), "source_unknown", codec.write(sources[i]))
                for i in np.flatnonzero(has_unknown).tolist()
            ),
            split if split in self._data.places else "train",
        )
        kept = ~has_unknown
        beside = {name: column.filter(pa.array(kept)) for name, column in block.beside.items()}
        return PairBlock(block.pairs.take(kept), beside)
