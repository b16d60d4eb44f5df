import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.seq2seq.architecture import Architecture
from tasks.seq2seq.errors import ArtifactError
from tasks.seq2seq.sampling import Pairs
from tasks.seq2seq.settings import ModelSettings
from tasks.seq2seq.vocabulary import Vocabularies, Vocabulary
from tasks.storage.datasets import (
    ROW_GROUP_ROWS,
    SCHEMA_VERSION,
    SHUFFLED_ROW_GROUPS,
    DatasetFacts,
    read_evaluation,
    read_pairs,
    read_vocabularies,
    write_evaluation,
    write_pairs,
    write_vocabularies,
)


def numbered(first, n):
    """Pairs that carry their own number: source (i, i + 1, i + 2), target (-i, 7)."""
    numbers = np.arange(first, first + n, dtype=np.int32)
    return Pairs(numbers[:, None] + np.arange(3, dtype=np.int32), np.stack([-numbers, np.full_like(numbers, 7)], 1))


def joined(blocks):
    blocks = list(blocks)
    return Pairs(np.concatenate([b.source for b in blocks]), np.concatenate([b.target for b in blocks]))


@pytest.fixture
def path(tmp_path):
    """100 pairs in 20 row groups of 5, more than are mixed at once."""
    assert SHUFFLED_ROW_GROUPS < 20
    path = tmp_path / "train.parquet"
    assert write_pairs(path, (numbered(first, 5) for first in range(0, 100, 5)), 3, 2) == 100
    return path


def test_pairs_are_read_as_they_were_written(path):
    pairs, written = joined(read_pairs(path)), numbered(0, 100)
    assert np.array_equal(pairs.source, written.source)
    assert np.array_equal(pairs.target, written.target)
    assert pairs.source.dtype == pairs.target.dtype == np.int32


def test_pairs_come_a_row_group_at_a_time(path):
    assert [len(block) for block in read_pairs(path)] == [5] * 20


def test_shuffled_pairs_are_the_same_pairs_in_another_order(path):
    """Sources keep their targets, and nothing is lost or doubled."""
    pairs = joined(read_pairs(path, np.random.default_rng(0)))
    assert np.array_equal(-pairs.target[:, 0], pairs.source[:, 0])
    assert sorted(pairs.source[:, 0]) == list(range(100))
    assert pairs.source[:, 0].tolist() != list(range(100))


def test_shuffling_mixes_row_groups_and_pairs_within_them(path):
    first = next(read_pairs(path, np.random.default_rng(0))).source[:, 0]
    assert len(first) == 5 * SHUFFLED_ROW_GROUPS
    assert len(set(first[:5] // 5)) > 1


def test_one_generator_gives_one_order(path):
    first, again, other = (
        joined(read_pairs(path, np.random.default_rng(seed))).source[:, 0].tolist() for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_a_large_block_is_cut_into_row_groups(tmp_path):
    write_pairs(tmp_path / "a.parquet", [numbered(0, ROW_GROUP_ROWS + 1)], 3, 2)
    assert [len(block) for block in read_pairs(tmp_path / "a.parquet")] == [ROW_GROUP_ROWS, 1]


def test_a_file_says_its_schema_and_lengths_and_can_be_read_by_others(path):
    schema = pq.read_schema(path)
    assert schema.metadata[b"schema_version"] == str(SCHEMA_VERSION).encode()
    assert (schema.metadata[b"source_length"], schema.metadata[b"target_length"]) == (b"3", b"2")
    assert schema.field("source").type.value_type == pa.int32()
    assert pq.read_table(path).slice(4, 1).to_pylist() == [{"source": [4, 5, 6], "target": [-4, 7]}]


def test_the_same_pairs_give_the_same_bytes(tmp_path):
    """A dataset that is made again is the same artifact."""
    for name in ("a", "b"):
        write_pairs(tmp_path / f"{name}.parquet", [numbered(0, 10)], 3, 2)
        write_evaluation(tmp_path / f"{name}.npz", numbered(0, 10))
    for suffix in ("parquet", "npz"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_a_file_of_another_schema_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    table = pa.table({"source": [[1]], "target": [[1]]})
    pq.write_table(table, path)
    with pytest.raises(ArtifactError, match="schema None, expected 1"):
        next(read_pairs(path))
    pq.write_table(table.replace_schema_metadata({"schema_version": "2"}), path)
    with pytest.raises(ArtifactError, match="schema b'2', expected 1"):
        next(read_pairs(path))


def test_an_empty_split_gives_no_pairs(tmp_path):
    write_pairs(tmp_path / "a.parquet", [], 3, 2)
    assert sum(map(len, read_pairs(tmp_path / "a.parquet"))) == 0
    assert sum(map(len, read_pairs(tmp_path / "a.parquet", np.random.default_rng(0)))) == 0


def test_evaluation_reads_the_fresh_set_where_there_is_one(tmp_path):
    write_evaluation(tmp_path / "evaluation.npz", numbered(5, 3))
    assert joined(read_evaluation(tmp_path)).source[:, 0].tolist() == [5, 6, 7]


def test_evaluation_reads_the_test_split_else(tmp_path):
    write_pairs(tmp_path / "test.parquet", [numbered(8, 2)], 3, 2)
    assert joined(read_evaluation(tmp_path)).source[:, 0].tolist() == [8, 9]


def test_a_fresh_set_is_never_unpickled(tmp_path):
    np.savez(tmp_path / "evaluation.npz", source=np.array([{}], dtype=object), target=np.zeros(1))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        list(read_evaluation(tmp_path))


def test_vocabularies_are_read_as_they_were_written(tmp_path):
    written = Vocabularies(Vocabulary.learn(np.array([-5, 0, 7]), "source"), Vocabulary.identity(3, "ab+"))
    write_vocabularies(tmp_path, written)
    assert read_vocabularies(tmp_path) == written


def test_the_architecture_follows_data_and_settings():
    facts = DatasetFacts(
        kind="files", train_rows=1, validation_rows=0, evaluation_rows=1, rejected_rows=0, source_length=4,
        target_length=2, source_vocabulary=9, target_vocabulary=6, start=1,
    )  # fmt: skip
    architecture = facts.architecture(ModelSettings(units=8, embedding=3))
    assert architecture == Architecture(source_vocabulary=9, target_vocabulary=6, units=8, embedding=3)
