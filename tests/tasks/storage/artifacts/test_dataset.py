import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.seq2seq.arrays.sequences import Pairs, Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.errors import ArtifactError
from tasks.seq2seq.settings.architecture import Architecture, Side
from tasks.seq2seq.settings.model import ModelSettings
from tasks.storage.artifacts import dataset as datasets
from tasks.storage.artifacts.dataset import (
    ROW_GROUP_ROWS,
    ROW_GROUP_STEPS,
    SCHEMA_VERSION,
    SHUFFLED_ROW_GROUPS,
    DatasetFacts,
    PairBlock,
    SideFacts,
    read_codecs,
    read_evaluation,
    read_pairs,
    write_codecs,
    write_evaluation,
    write_pairs,
)


def numbered(first, n):
    """Pairs that carry their own number: source (i, i + 1, i + 2), target (-i, 7)."""
    numbers = np.arange(first, first + n, dtype=np.int32)
    return Pairs.of_rows(
        numbers[:, None] + np.arange(3, dtype=np.int32), np.stack([-numbers, np.full_like(numbers, 7)], 1)
    )


def of_length(n, length):
    """`n` pairs of sources of one length and targets of one step."""
    return Pairs.of_rows(np.zeros((n, length), np.int32), np.zeros((n, 1), np.int32))


def joined(blocks):
    return Pairs.concatenate(blocks)


def firsts(pairs):
    return pairs.source.values[pairs.source.offsets[:-1]].tolist()


def group_sizes(path):
    metadata = pq.ParquetFile(path).metadata
    return [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]


@pytest.fixture
def path(tmp_path, monkeypatch):
    """100 pairs in 20 row groups of 5, more than are mixed at once."""
    assert SHUFFLED_ROW_GROUPS < 20
    monkeypatch.setattr(datasets, "ROW_GROUP_ROWS", 5)
    path = tmp_path / "train.parquet"
    assert write_pairs(path, (PairBlock(numbered(first, 10)) for first in range(0, 100, 10))) == 100
    return path


def test_pairs_are_read_as_they_were_written(path):
    pairs, written = joined(read_pairs(path)), numbered(0, 100)
    assert np.array_equal(pairs.source.padded(), written.source.padded())
    assert np.array_equal(pairs.target.padded(), written.target.padded())
    assert pairs.source.values.dtype == pairs.target.values.dtype == np.int32


def test_sequences_of_any_length_and_empty_ones_are_read_as_they_were_written(tmp_path):
    source = Sequences.of_lengths(np.arange(6, dtype=np.int32), np.array([3, 0, 1, 2]))
    target = Sequences.of_lengths(np.arange(4, dtype=np.int32), np.array([0, 0, 4, 0]))
    write_pairs(tmp_path / "a.parquet", [PairBlock(Pairs(source, target).part(1, 4)), PairBlock(Pairs(source, target))])
    pairs = joined(read_pairs(tmp_path / "a.parquet"))
    assert pairs.source.lengths.tolist() == [0, 1, 2, 3, 0, 1, 2]
    assert pairs.source.values.tolist() == [3, 4, 5, 0, 1, 2, 3, 4, 5]
    assert pairs.target.lengths.tolist() == [0, 4, 0, 0, 0, 4, 0]


def test_vectors_are_read_as_they_were_written(tmp_path):
    rng = np.random.default_rng(0)
    source = Sequences.of_lengths(rng.normal(size=(5, 2)), np.array([2, 0, 3]))
    target = Sequences.of_rows(rng.normal(size=(3, 4, 1)))
    write_pairs(tmp_path / "a.parquet", [PairBlock(Pairs(source, target))])
    (pairs,) = read_pairs(tmp_path / "a.parquet")
    assert np.array_equal(pairs.source.values, source.values)
    assert np.array_equal(pairs.source.offsets, source.offsets)
    assert np.array_equal(pairs.target.padded(), target.padded())


def test_pairs_come_a_row_group_at_a_time(path):
    assert [len(block) for block in read_pairs(path)] == [5] * 20


def test_shuffled_pairs_are_the_same_pairs_in_another_order(path):
    """Sources keep their targets, and nothing is lost or doubled."""
    pairs = joined(read_pairs(path, np.random.default_rng(0)))
    assert (-pairs.target.padded()[:, 0]).tolist() == firsts(pairs)
    assert sorted(firsts(pairs)) == list(range(100))
    assert firsts(pairs) != list(range(100))


def test_shuffling_mixes_row_groups_from_all_over_the_file(path):
    first = np.array(firsts(next(read_pairs(path, np.random.default_rng(0)))))
    assert len(first) == 5 * SHUFFLED_ROW_GROUPS
    assert np.abs(np.diff(first // 5)).max() > 1


def test_one_generator_gives_one_order(path):
    first, again, other = (firsts(joined(read_pairs(path, np.random.default_rng(seed)))) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_large_block_is_cut_into_row_groups(tmp_path):
    write_pairs(tmp_path / "a.parquet", [PairBlock(numbered(0, ROW_GROUP_ROWS + 1))])
    assert group_sizes(tmp_path / "a.parquet") == [ROW_GROUP_ROWS, 1]


@pytest.mark.seconds
def test_small_blocks_are_joined_to_row_groups(tmp_path):
    blocks = [PairBlock(numbered(i, 1_000), {"row": pa.array(range(i, i + 1_000))}) for i in range(0, 70_000, 1_000)]
    write_pairs(tmp_path / "a.parquet", blocks, {"row": pa.int64()})
    sizes = group_sizes(tmp_path / "a.parquet")
    assert len(sizes) <= 3
    assert max(sizes) == ROW_GROUP_ROWS
    table = pq.read_table(tmp_path / "a.parquet")
    assert table["row"].to_pylist() == list(range(70_000))
    assert [row[0] for row in table["source"].to_pylist()] == list(range(70_000))


@pytest.mark.seconds
def test_row_groups_of_long_sequences_hold_fewer_rows(tmp_path):
    """So that a row group is bounded in memory, however long its sequences are."""
    n = 3 * ROW_GROUP_STEPS // 10_000
    write_pairs(tmp_path / "whole.parquet", [PairBlock(of_length(n, 9_999))])
    write_pairs(tmp_path / "parts.parquet", (PairBlock(of_length(3, 9_999)) for _ in range(n // 3)))
    for name in ("whole", "parts"):
        sizes = group_sizes(tmp_path / f"{name}.parquet")
        assert sum(sizes) == n // 3 * 3
        assert max(sizes) * 10_000 <= 2 * ROW_GROUP_STEPS


def test_a_row_longer_than_a_row_group_should_be_is_one_of_its_own(tmp_path):
    write_pairs(tmp_path / "a.parquet", [PairBlock(of_length(2, ROW_GROUP_STEPS + 1))])
    assert group_sizes(tmp_path / "a.parquet") == [1, 1]


def test_a_file_says_its_schema_and_can_be_read_by_others(path):
    schema = pq.read_schema(path)
    assert schema.metadata[b"schema_version"] == str(SCHEMA_VERSION).encode()
    assert schema.field("source").type.value_type == pa.int32()
    assert not schema.field("source").nullable
    assert pq.read_table(path).slice(4, 1).to_pylist() == [{"source": [4, 5, 6], "target": [-4, 7]}]


def test_the_same_pairs_give_the_same_bytes(tmp_path):
    """A dataset that is made again is the same artifact."""
    for name in ("a", "b"):
        write_pairs(tmp_path / f"{name}.parquet", [PairBlock(numbered(0, 10))])
        write_evaluation(tmp_path / f"{name}.npz", numbered(0, 10))
    for suffix in ("parquet", "npz"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_a_file_of_another_schema_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    table = pa.table({"source": [[1]], "target": [[1]]})
    pq.write_table(table, path)
    with pytest.raises(ArtifactError, match=f"schema None, expected {SCHEMA_VERSION}"):
        next(read_pairs(path))
    pq.write_table(table.replace_schema_metadata({"schema_version": "1"}), tmp_path / "test.parquet")
    with pytest.raises(ArtifactError, match=f"schema b'1', expected {SCHEMA_VERSION}"):
        next(read_evaluation(tmp_path))


def test_an_empty_block_gives_a_file_without_pairs(tmp_path):
    assert write_pairs(tmp_path / "a.parquet", [PairBlock(numbered(0, 0))]) == 0
    assert sum(map(len, read_pairs(tmp_path / "a.parquet"))) == 0
    assert sum(map(len, read_pairs(tmp_path / "a.parquet", np.random.default_rng(0)))) == 0


def test_a_writer_that_fails_leaves_no_open_file(tmp_path):
    def blocks():
        yield PairBlock(numbered(0, ROW_GROUP_ROWS))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_pairs(tmp_path / "a.parquet", blocks())
    assert pq.ParquetFile(tmp_path / "a.parquet").metadata.num_rows == ROW_GROUP_ROWS


def test_evaluation_reads_the_fresh_set_where_there_is_one(tmp_path):
    write_evaluation(tmp_path / "evaluation.npz", numbered(5, 3))
    (block,) = read_evaluation(tmp_path)
    assert firsts(block.pairs) == [5, 6, 7]
    assert block.beside["row"].to_pylist() == [1, 2, 3]


def test_evaluation_reads_the_test_split_else_and_what_stands_beside_it(tmp_path):
    """Every block keeps its own rows."""
    blocks = [
        PairBlock(numbered(8, 2), {"file": pa.array(["a.csv", "b.csv"]), "row": pa.array([4, 1])}),
        PairBlock(numbered(1, ROW_GROUP_ROWS), {"file": pa.array(["c.csv"] * ROW_GROUP_ROWS), "row": pa.array(range(ROW_GROUP_ROWS))}),
    ]  # fmt: skip
    write_pairs(tmp_path / "test.parquet", blocks, {"file": pa.string(), "row": pa.int64()})
    read = list(read_evaluation(tmp_path))
    assert [value for block in read for value in firsts(block.pairs)][:3] == [8, 9, 1]
    assert [value for block in read for value in block.beside["file"].to_pylist()][:3] == ["a.csv", "b.csv", "c.csv"]
    assert [value for block in read for value in block.beside["row"].to_pylist()][:4] == [4, 1, 0, 1]


def test_a_fresh_set_is_never_unpickled(tmp_path):
    np.savez(tmp_path / "evaluation.npz", source=np.array([{}], dtype=object), target=np.zeros(1))
    with pytest.raises(ArtifactError, match="holds objects, which would have to be unpickled"):
        list(read_evaluation(tmp_path))


@pytest.mark.parametrize(
    "codecs",
    [
        Codecs(Vocabulary.learn("integers", {-5: 1, 0: 2, 7: 1}, "source"), Vocabulary.identity(3, "ab+")),
        Codecs(
            Vocabulary.learn("characters", {"ä": 1, "\n": 2}, "source"), Vocabulary.learn("words", {"a": 1, "ß": 1}, "")
        ),
        Codecs(Scaling((0.1, 1e300), (1.0, 0.0), (-1.0, 2.0), (3.0, 2.0)), Vocabulary.learn("words", {"1": 1, "2": 1}, "")),
    ],
    ids=["integers", "text", "vectors"],
)  # fmt: skip
def test_codecs_are_read_as_they_were_written(tmp_path, codecs):
    write_codecs(tmp_path, codecs)
    assert read_codecs(tmp_path) == codecs


def test_the_architecture_follows_data_and_settings():
    facts = DatasetFacts(
        kind="files", train_rows=1, validation_rows=0, evaluation_rows=1, rejected_rows=0,
        source=SideFacts(encoding="vectors", features=3, length=4),
        target=SideFacts(encoding="words", vocabulary=9, length=2), masked=True,
    )  # fmt: skip
    architecture = facts.architecture(ModelSettings(units=8, embedding=3))
    assert architecture == Architecture(Side(0, 3), Side(9, 0), True, ModelSettings(units=8, embedding=3))


def test_facts_of_a_side_follow_its_codec():
    vocabulary, scaling = Vocabulary.identity(9), Scaling((0.0, 1.0), (1.0, 1.0), (0.0, 0.0), (1.0, 1.0))
    assert SideFacts.of(vocabulary, 4) == SideFacts(encoding="integers", vocabulary=10, length=4)
    assert SideFacts.of(scaling, 4) == SideFacts(encoding="vectors", features=2, length=4)
