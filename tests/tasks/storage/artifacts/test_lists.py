import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.storage.artifacts.lists import from_lists, list_type, to_lists

LENGTHS = np.array([2, 0, 3, 1])
TOKENS = Sequences.of_lengths(np.arange(6, dtype=np.int32), LENGTHS)
VECTORS = Sequences.of_lengths(np.arange(12.0).reshape(6, 2), LENGTHS)
KINDS = [
    (TOKENS, list_type(pa.int32())),
    (VECTORS, list_type(pa.float64(), 2)),
    (Sequences.of_lengths(np.arange(6.0).reshape(6, 1), LENGTHS), list_type(pa.float64(), 1)),
]


def same(sequences, others):
    return (
        sequences.values.dtype == others.values.dtype
        and np.array_equal(sequences.lengths, others.lengths)
        and all(np.array_equal(sequences[i], others[i]) for i in range(len(others)))
    )


@pytest.mark.parametrize(("sequences", "kind"), KINDS)
def test_sequences_come_back_from_a_column(sequences, kind):
    column = to_lists(sequences, kind)
    assert column.type == kind
    assert same(from_lists(column), sequences)
    column.validate(full=True)


@pytest.mark.parametrize(("sequences", "kind"), KINDS)
def test_a_part_of_sequences_becomes_a_column_of_its_own(sequences, kind):
    for first in range(5):
        for last in range(first, 5):
            column = to_lists(sequences.part(first, last), kind)
            assert column.to_pylist() == [sequences[i].tolist() for i in range(first, last)]
            assert same(from_lists(column), sequences.part(first, last))


@pytest.mark.parametrize(("sequences", "kind"), KINDS)
def test_a_slice_of_a_column_gives_its_own_rows(sequences, kind):
    column = to_lists(sequences, kind)
    for first in range(5):
        for last in range(first, 5):
            assert same(from_lists(column[first:last]), sequences.part(first, last))


@pytest.mark.parametrize(("sequences", "kind"), KINDS)
def test_a_column_in_chunks_gives_the_same_as_in_one(sequences, kind):
    column = to_lists(sequences, kind)
    for chunks in ([column], [column[:1], column[1:1], column[1:3], column[3:]]):
        assert same(from_lists(pa.chunked_array(chunks)), sequences)
    assert len(from_lists(pa.chunked_array([], kind))) == 0
    assert len(from_lists(column[:0])) == 0


@pytest.mark.parametrize(("sequences", "kind"), KINDS)
def test_sequences_come_back_from_parquet(tmp_path, sequences, kind):
    schema = pa.schema([pa.field("a", kind, nullable=False)])
    pq.write_table(pa.table([to_lists(sequences, kind)], schema=schema), tmp_path / "a.parquet", row_group_size=2)
    assert same(from_lists(pq.read_table(tmp_path / "a.parquet")["a"]), sequences)


def test_large_lists_are_read_too():
    assert same(from_lists(pa.array([[1, 2], []], pa.large_list(pa.int32()))), Sequences.of_lengths(np.array([1, 2], np.int32), np.array([2, 0])))  # fmt: skip


@given(st.lists(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=4), max_size=6), st.integers(0, 6))
def test_any_sequences_come_back_in_any_two_pieces(rows, cut):
    values = np.array([value for row in rows for value in row], np.int32)
    sequences = Sequences.of_lengths(values, np.array([len(row) for row in rows], np.int64))
    cut = min(cut, len(rows))
    kind = list_type(pa.int32())
    pieces = [to_lists(sequences.part(0, cut), kind), to_lists(sequences.part(cut, len(rows)), kind)]
    assert pa.chunked_array(pieces).to_pylist() == rows
    assert same(from_lists(pa.chunked_array(pieces)), sequences)
