"""Pairs that are set aside come back as they were, or the dataset is not made."""

import numpy as np
import pytest

from tasks.seq2seq.arrays.sequences import Pairs
from tasks.seq2seq.errors import ArtifactError
from tasks.storage.ingest.staged_pairs import AssignedPairs, StagedPairs


def stage(folder):
    staged = StagedPairs(folder)
    for first in (0, 5):
        ids = np.arange(first, first + 10, dtype=np.int32).reshape(5, 2)
        pairs = AssignedPairs(
            Pairs.of_rows(ids, ids + 1), np.arange(1, 6) + first, np.zeros(5, np.int8), np.arange(5, dtype=np.uint64)
        )
        staged.add(0, pairs, 0)
    return staged


def test_pairs_come_back_in_the_order_in_which_they_came_and_nothing_is_left(tmp_path):
    batches = list(stage(tmp_path).read(0))
    assert [row for batch in batches for row in batch.rows.to_pylist()] == [*range(1, 11)]
    assert batches[1].source.padded().tolist()[0] == [5, 6]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_pairs_that_the_disk_gives_back_otherwise_are_refused_by_name(tmp_path, damage):
    staged = stage(tmp_path)
    staged._files[0].flush()
    (path,) = tmp_path.iterdir()
    with path.open("r+b") as file:
        half = path.stat().st_size // 2
        if damage == "cut":
            file.truncate(half)
        else:
            file.seek(half)
            byte = file.read(1)[0]
            file.seek(half)
            file.write(bytes([byte ^ 1]))
    with pytest.raises(ArtifactError, match=f"{path} was cut or altered after it was written"):
        next(staged.read(0))
