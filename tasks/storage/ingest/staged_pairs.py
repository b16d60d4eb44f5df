"""Pairs that are set aside between the two passes over the user's files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.seq2seq.arrays.hashing import Hashes
from tasks.seq2seq.arrays.sequences import Pairs, Rows, Sequences
from tasks.seq2seq.data.splits import SPLITS
from tasks.seq2seq.errors import ArtifactError
from tasks.storage.artifacts.lists import from_lists, list_type, to_lists
from tasks.storage.files.digested import DigestedFile
from tasks.storage.files.digests import file_digest


class AssignedPairs(NamedTuple):
    """Usable pairs of a block, `(n,)` each.

    pairs: their time steps as the intakes stage them.
    rows: the numbers of their rows in the file.
    split: an index into `SPLITS`, int8.
    source: hashes of the sources.
    """

    pairs: Pairs
    rows: Rows
    split: NDArray[np.int8]
    source: Hashes

    def take(self, kept: NDArray[np.bool_] | Rows) -> AssignedPairs:
        """Some of them."""
        return AssignedPairs(self.pairs.take(kept), self.rows[kept], self.split[kept], self.source[kept])

    def by_split(self) -> Iterator[tuple[int, AssignedPairs]]:
        """The splits that are among them, and the pairs of each."""
        for split in np.unique(self.split).tolist():
            chosen = np.flatnonzero(self.split == split)
            yield split, self if len(chosen) == len(self.pairs) else self.take(chosen)


class StagedBatch(NamedTuple):
    """Pairs as they were set aside; `files` are the numbers of their files, `weights` may be None."""

    source: Sequences
    target: Sequences
    rows: pa.Array
    files: pa.Array
    weights: NDArray[np.float64] | None


class StagedPairs:
    """Rows set aside, a file of Arrow batches a split; gone once they are read again."""

    def __init__(self, folder: Path) -> None:
        """Takes the folder for the files."""
        self._paths = [folder / f"staged-{name}.arrow" for name in SPLITS]
        self._files: dict[int, DigestedFile] = {}
        self._writers: dict[int, pa.RecordBatchFileWriter] = {}

    def add(self, split: int, part: AssignedPairs, file: int) -> None:
        """Sets pairs of one file and one split aside."""
        pairs = part.pairs
        columns = [to_lists(steps, _staged_type(steps)) for steps in (pairs.source, pairs.target)]
        columns += [pa.array(part.rows), pa.array(np.full(len(pairs), file, np.int32))]
        names = ["source", "target", "row", "file"]
        if pairs.weights is not None and SPLITS[split] != "test":
            columns.append(pa.array(pairs.weights))
            names.append("weight")
        batch = pa.record_batch(columns, names=names)
        if split not in self._writers:
            self._files[split] = DigestedFile(self._paths[split], hashlib.sha256())
            self._writers[split] = pa.ipc.new_file(self._files[split], batch.schema)
        self._writers[split].write_batch(batch)

    def read(self, split: int) -> Iterator[StagedBatch]:
        """Streams the pairs of a split in the order in which they came; once.

        Raises:
            ArtifactError: the disk gives back something else than was written.
        """
        if split not in self._writers:
            return
        self._writers[split].close()
        self._files[split].close()
        if file_digest(self._paths[split]) != self._files[split].digest.hexdigest():
            raise ArtifactError(
                f"{self._paths[split]} was cut or altered after it was written: its digest does not fit; run the same "
                f"command again, and have a look at the disk if this comes back"
            )
        with pa.OSFile(str(self._paths[split])) as source:
            reader = pa.ipc.open_file(source)
            for i in range(reader.num_record_batches):
                batch = reader.get_batch(i)
                weights = batch["weight"].to_numpy() if "weight" in batch.schema.names else None
                steps = (from_lists(batch["source"]), from_lists(batch["target"]))
                yield StagedBatch(*steps, batch["row"], batch["file"], weights)
        self._paths[split].unlink()


def _staged_type(steps: Sequences) -> pa.DataType:
    features = steps.values.shape[1] if steps.values.ndim > 1 else 0
    return list_type(pa.from_numpy_dtype(steps.values.dtype), features)
