import json
import os
import threading
from itertools import count

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.seq2seq.errors import DataError
from tasks.storage.sources import Columns, check_pairs_file, read_raw_pairs, write_rejects

COLUMNS = Columns("source", "target")
GOOD = [[1, 2, 3], [-4, 0, 2**62]]


def write(path, source, target=None, kind=None, **options):
    """A file of pairs; a target of two integers for each source, unless given."""
    target = [[7, 8]] * len(source) if target is None else target
    kind = kind or pa.list_(pa.int64())
    pq.write_table(pa.table({"source": pa.array(source, kind), "target": target}), path, **options)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "pairs.parquet"


def refusal(path, columns=COLUMNS):
    """What both the early check and the reading say."""
    with pytest.raises(DataError) as early:
        check_pairs_file(path, columns)
    with pytest.raises(DataError) as late:
        read_raw_pairs(path, columns)
    assert str(early.value) == str(late.value)
    assert str(path) in str(early.value)
    return str(early.value)


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.int64()),
        pa.large_list(pa.int64()),
        pa.list_(pa.int64(), 3),
        pa.list_(pa.uint64()),
        pa.list_(pa.int16()),
        pa.list_(pa.int8()),
    ],
    ids=str,
)
def test_lists_of_integers_of_any_width_are_read_as_64_bits(path, kind):
    write(path, [[1, 2, 3], [4, 5, 6]], kind=kind)
    check_pairs_file(path, COLUMNS)
    pairs = read_raw_pairs(path, COLUMNS)
    assert pairs.source.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert pairs.target.tolist() == [[7, 8], [7, 8]]
    assert pairs.source.dtype == np.int64
    assert (pairs.n_read, pairs.rejects) == (2, [])


def test_zero_negatives_and_the_ends_of_64_bits_are_values_like_others(path):
    source = [[0, -1, 5], [-(2**63), 2**63 - 1, 0]]
    assert read_raw_pairs(write(path, source), COLUMNS).source.tolist() == source


def test_order_is_kept_over_row_groups(path):
    source = [[i, i, i] for i in range(50)]
    assert read_raw_pairs(write(path, source, row_group_size=7), COLUMNS).source.tolist() == source


def test_columns_go_by_name_and_others_are_left_alone(path):
    pq.write_table(pa.table({"b": [[1, 2]], "note": ["x"], "a": [[3]]}), path)
    pairs = read_raw_pairs(path, Columns(source="a", target="b"))
    assert (pairs.source.tolist(), pairs.target.tolist()) == ([[3]], [[1, 2]])


def test_a_missing_file_is_refused(path):
    assert "does not exist" in refusal(path)


def test_a_folder_is_refused(path):
    path.mkdir()
    assert "is a folder" in refusal(path)


def test_a_file_of_no_bytes_is_refused(path):
    path.touch()
    assert "is empty (0 bytes)" in refusal(path)


def test_a_file_without_rows_is_refused(path):
    assert "has no rows" in refusal(write(path, []))


@pytest.mark.parametrize("content", [b"source,target\n1,2\n", b"PAR1", b"PAR1PAR1", b"\0" * 1000])
def test_a_file_that_is_no_parquet_is_refused(path, content):
    path.write_bytes(content)
    assert "cannot be read as Parquet" in refusal(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_that_is_cut_short_is_refused(path, share):
    write(path, GOOD * 100)
    os.truncate(path, int(path.stat().st_size * share))
    assert "cannot be read as Parquet, is it cut short" in refusal(path)


def test_a_file_that_is_damaged_inside_is_refused_with_its_row_group(path):
    """Its footer is sound, so that only reading can tell."""
    write(path, [[i, i + 1, i + 2] for i in range(2000)], row_group_size=1000, compression="zstd")
    start = pq.read_metadata(path).row_group(1).column(0).data_page_offset
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\xff" * 200)
    check_pairs_file(path, COLUMNS)
    with pytest.raises(DataError, match=f"{path} breaks off in row group 2"):
        read_raw_pairs(path, COLUMNS)


def test_a_name_that_the_system_refuses_is_refused_as_a_fault_of_the_data(tmp_path):
    """Like a folder that may not be entered: an error of the system, but nothing for a traceback."""
    with pytest.raises(DataError):
        check_pairs_file(tmp_path / ("x" * 300), COLUMNS)


def test_a_missing_column_is_refused_with_those_that_are_there(path):
    pq.write_table(pa.table({"src": [[1]], "target": [[1]]}), path)
    message = refusal(path)
    assert "column 'source' is not there" in message
    assert "'src', 'target'" in message


def test_a_column_that_is_there_twice_is_refused(path):
    pq.write_table(pa.Table.from_arrays([pa.array([[1]])] * 3, ["source", "source", "target"]), path)
    assert "column 'source' is twice there" in refusal(path)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1], "int64"),
        ([[1.5]], "list<.*double>"),
        ([["a"]], "list<.*string>"),
        (["1 2 3"], "string"),
        ([[[1]]], "list<.*list<.*int64>>"),
        ([[True]], "list<.*bool>"),
        ([None], "null"),
    ],
)
def test_a_column_of_another_type_is_refused_with_its_type(path, values, said):
    pq.write_table(pa.table({"source": [[1]], "target": values}), path)
    with pytest.raises(DataError, match=f"column 'target' is of type {said}, expected a list of integers"):
        check_pairs_file(path, COLUMNS)
    refusal(path)


def test_unsigned_integers_beyond_64_bits_with_sign_are_refused_with_their_column(path):
    write(path, [[1, 2, 2**63]], kind=pa.list_(pa.uint64()))
    with pytest.raises(DataError, match=rf"{path}: column 'source' holds integers beyond 64 bits with sign"):
        read_raw_pairs(path, COLUMNS)


@pytest.mark.parametrize("kind", [pa.list_(pa.int64()), pa.large_list(pa.int64()), pa.list_(pa.int32())], ids=str)
@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (None, "source_null"),
        ([], "source_empty"),
        ([1, None, 3], "source_null_inside"),
        ([1, 2], "source_length"),
        ([1, 2, 3, 4], "source_length"),
        ([None], "source_null_inside"),
    ],
)
def test_a_row_that_cannot_be_used_is_told_with_place_reason_and_content(path, kind, row, reason):
    """Rows are counted from 1, over all row groups; the others keep their order."""
    write(path, [[1, 1, 1], [2, 2, 2], [3, 3, 3], row, [5, 5, 5]], kind=kind, row_group_size=2)
    pairs = read_raw_pairs(path, COLUMNS)
    (reject,) = pairs.rejects
    assert (reject.file, reject.row, reject.reason) == ("pairs.parquet", 4, reason)
    assert json.loads(reject.content) == {"source": row, "target": [7, 8]}
    assert pairs.source[:, 0].tolist() == [1, 2, 3, 5]
    assert pairs.target.shape == (4, 2)
    assert pairs.n_read == 5


def test_a_null_row_of_a_fixed_size_list_is_told_as_such(path):
    """Such a column keeps values behind its nulls, which are no one's."""
    write(path, [None, [1, 2, 3], [4, None, 6], [7, 8, 9]], kind=pa.list_(pa.int64(), 3))
    pairs = read_raw_pairs(path, COLUMNS)
    assert [(reject.row, reject.reason) for reject in pairs.rejects] == [
        (1, "source_null"),
        (3, "source_null_inside"),
    ]
    assert pairs.source.tolist() == [[1, 2, 3], [7, 8, 9]]


def test_a_fault_of_the_target_has_its_own_reason(path):
    write(path, [[1, 2, 3]] * 4, target=[[1, 2], None, [1], [1, None]])
    pairs = read_raw_pairs(path, COLUMNS)
    assert [reject.reason for reject in pairs.rejects] == [
        "target_null",
        "target_length",
        "target_null_inside",
    ]
    assert [reject.row for reject in pairs.rejects] == [2, 3, 4]


def test_a_row_with_two_faults_is_rejected_once(path):
    write(path, [[1, 2, 3], None], target=[[1, 2], None])
    assert [reject.reason for reject in read_raw_pairs(path, COLUMNS).rejects] == ["source_null"]


def test_the_commonest_length_counts_where_none_is_given(path):
    write(path, [[1], [1, 2], [3, 4], [5, 6, 7], [], None])
    pairs = read_raw_pairs(path, COLUMNS)
    assert pairs.source.tolist() == [[1, 2], [3, 4]]
    assert len(pairs.rejects) == 4


def test_given_lengths_count_even_where_no_row_has_them(path):
    """A validation file is measured by the training file."""
    pairs = read_raw_pairs(write(path, [[1, 2, 3]]), COLUMNS, lengths=(4, 2))
    assert (pairs.source.shape, pairs.target.shape) == ((0, 4), (0, 2))
    assert [reject.reason for reject in pairs.rejects] == ["source_length"]


@pytest.mark.parametrize("rows", [[None], [[]], [[], None]])
def test_a_column_without_any_sequence_is_refused(path, rows):
    with pytest.raises(DataError, match="the source column holds no sequence"):
        read_raw_pairs(write(path, rows), COLUMNS)


def test_a_file_that_changes_while_it_is_read_is_refused(path):
    """A thread goes on touching it, as a writer that has not finished would."""
    write(path, [[1, 2, 3]] * 2000, row_group_size=10)
    started, stop = threading.Event(), threading.Event()

    def touch():
        for moment in count(1_000_000_000_000_000_000, 1_000):
            os.utime(path, ns=(moment, moment))
            started.set()
            if stop.is_set():
                return

    toucher = threading.Thread(target=touch)
    toucher.start()
    try:
        started.wait()
        with pytest.raises(DataError, match=f"{path} changed while it was read"):
            read_raw_pairs(path, COLUMNS)
    finally:
        stop.set()
        toucher.join()


def test_rejects_are_written_in_order_and_read_by_others(path, tmp_path):
    rejects = read_raw_pairs(write(path, [[1, 2], None, [3, 4], []]), COLUMNS).rejects
    write_rejects(tmp_path / "rejects.parquet", rejects)
    table = pq.read_table(tmp_path / "rejects.parquet")
    assert table.column_names == ["file", "row", "reason", "content"]
    assert table["row"].to_pylist() == [2, 4]
    assert table["reason"].to_pylist() == ["source_null", "source_empty"]


def test_no_rejects_are_a_file_too(tmp_path):
    write_rejects(tmp_path / "rejects.parquet", [])
    assert pq.read_table(tmp_path / "rejects.parquet").num_rows == 0
