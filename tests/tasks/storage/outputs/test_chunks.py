"""Chunks of rows to predict: which rows they hold, what stands beside them, and where the others went."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.monitoring.drift import DayProfile
from tasks.seq2seq.monitoring.tally import Tally
from tasks.storage.artifacts.lists import from_lists
from tasks.storage.ingest.rejects import write_rejects
from tasks.storage.outputs import chunks as staging
from tasks.storage.outputs.chunks import (
    HAS_TARGET,
    ORIGIN,
    ORIGIN_ROW,
    SOURCE,
    TARGET,
    FileToRead,
    take_columns,
    tally_of,
    with_tally,
)
from tasks.storage.readers.inputs import list_inputs
from tasks.storage.readers.user_files import columns_left_out, read_columns
from tests.tasks.storage.ingest.test_row_encoding import reading_of

DIGITS = Vocabulary("integers", (-1, 0, 1, 5))
REALS = Scaling((0.0,), (1.0,), (0.0,), (1.0,))
INTEGERS = pa.list_(pa.int64())


class Read:
    """A file read to its end."""

    def __init__(self, path, reading, chunk_rows=1000):
        (file,) = list_inputs(path)
        layout = reading.layout(file)
        self.to_read = FileToRead(file, read_columns(file, layout), layout, reading, columns_left_out(file, layout))
        with write_rejects(path.parent / "rejects.parquet") as rejects:
            self.chunks = list(self.to_read.chunks(chunk_rows, rejects))
        self.rejects = pq.read_table(path.parent / "rejects.parquet").to_pylist()
        self.rows = self.to_read.rows
        self.whole = pa.concat_tables(self.chunks) if self.chunks else self.to_read.empty()
        self.kept, self.ours = take_columns(self.whole)

    def lists(self, name):
        """One of our own columns, plain."""
        found = from_lists(self.ours[name])
        return [found[i].tolist() for i in range(len(found))]


def write(path, **columns):
    pq.write_table(pa.table(columns), path, row_group_size=3)
    return path


@pytest.mark.parametrize("chunk_rows", [1, 2, 4, 5, 100])
def test_chunks_are_of_exactly_so_many_rows_but_the_last(chunk_rows, tmp_path):
    values = [[i % 2, 1] if i % 5 else None for i in range(17)]
    path = write(tmp_path / "a.parquet", id=list(range(17)), source=pa.array(values, INTEGERS))
    read = Read(path, reading_of(), chunk_rows)
    sizes = [len(chunk) for chunk in read.chunks]
    assert sum(sizes) == 13
    assert set(sizes[:-1]) <= {chunk_rows}
    assert 1 <= sizes[-1] <= chunk_rows
    assert read.kept["id"].to_pylist() == [i for i in range(17) if i % 5]
    assert [reject["row"] for reject in read.rejects] == [1, 6, 11, 16]
    assert (read.rows.read, read.rows.history_only) == (17, 0)


def test_a_chunk_holds_the_files_columns_and_beside_them_what_the_model_takes(tmp_path):
    path = write(
        tmp_path / "a.parquet",
        note=["a", None, "c", "d"],
        source=pa.array([[1, 5], [7], [0], [1]], INTEGERS),
        target=pa.array([[5], None, [9], [1, None]], INTEGERS),
    )
    read = Read(path, reading_of())
    assert read.kept.to_pylist() == pq.read_table(path).to_pylist()
    assert read.lists(SOURCE) == [[6, 7], [3], [5], [6]]
    assert read.ours[HAS_TARGET].to_pylist() == [True, False, True, False]
    assert [row for row, fine in zip(read.lists(TARGET), [1, 0, 1, 0], strict=True) if fine] == [[7], [3]]
    assert not {ORIGIN, ORIGIN_ROW} & set(read.ours)
    assert not read.rejects  # a target that cannot be used rejects no row


def test_without_a_target_there_is_none(tmp_path):
    read = Read(write(tmp_path / "a.parquet", source=pa.array([[1]], INTEGERS)), reading_of())
    assert set(read.ours) == {SOURCE}


@pytest.mark.parametrize("unknown", ["keep", "reject"])
def test_unknown_symbols_are_kept_or_rejected_as_in_training(unknown, tmp_path):
    path = write(tmp_path / "a.parquet", source=pa.array([[1, 7], [1], [], [7]], INTEGERS))
    read = Read(path, reading_of(data={"unknown": unknown}))
    expected = {
        "keep": [(3, "source_empty")],
        "reject": [(1, "source_unknown"), (3, "source_empty"), (4, "source_unknown")],
    }
    assert [(reject["row"], reject["reason"]) for reject in read.rejects] == expected[unknown]
    assert len(read.whole) == 4 - len(read.rejects)


def test_rejects_hold_the_whole_row_in_order_with_those_of_the_format(tmp_path):
    (tmp_path / "a.csv").write_text("id,source\n1,1\n2,x\n3,1,1\n4,\n5,5\n")
    read = Read(tmp_path / "a.csv", reading_of())
    assert [(reject["row"], reject["reason"]) for reject in read.rejects] == [
        (2, "source_type"), (3, "columns"), (4, "source_empty"),
    ]  # fmt: skip
    assert json.loads(read.rejects[0]["content"]) == {"id": "2", "source": "x"}
    assert read.rejects[1]["content"] == "3,1,1"
    assert {reject["file"] for reject in read.rejects} == {"a.csv"}
    assert read.rows.read == 5


def test_a_file_without_a_usable_row_has_no_chunk_and_an_empty_one_of_the_same_columns(tmp_path):
    bad = write(tmp_path / "a.parquet", id=[1], source=pa.array([None], INTEGERS), target=pa.array([[1]], INTEGERS))
    good = write(tmp_path / "b.parquet", id=[1], source=pa.array([[1]], INTEGERS), target=pa.array([[1]], INTEGERS))
    read = Read(bad, reading_of())
    assert read.chunks == []
    assert read.to_read.empty().schema.equals(Read(good, reading_of()).whole.schema)


# Series

SERIES = {"source": "level", "history": 3, "horizon": 2}


def series_of(data=SERIES, **said):
    return reading_of(REALS, REALS, data, lengths=(3, 2), said=said)


def write_series(path, values):
    path.write_text("day,level\n" + "".join(f"{i},{value}\n" for i, value in enumerate(values, 1)))
    return path


def flat(rows):
    return [[step[0] for step in row] for row in rows]


def test_the_last_origin_of_a_series_is_its_last_row_with_a_history(tmp_path):
    read = Read(write_series(tmp_path / "a.csv", [1, 2, 3, 4, 5]), series_of())
    assert read.kept.to_pylist() == [{"day": "5", "level": "5"}]
    assert read.ours[ORIGIN_ROW].to_pylist() == [5]
    assert flat(read.lists(SOURCE)) == [[3, 4, 5]]
    assert (read.rows.read, read.rows.history_only) == (5, 4)
    assert set(read.ours) == {SOURCE, ORIGIN_ROW}


@pytest.mark.parametrize("chunk_rows", [1, 2, 100])
def test_all_origins_come_in_order_with_the_target_where_it_is_there(chunk_rows, tmp_path):
    read = Read(write_series(tmp_path / "a.csv", [1, 2, 3, 4, 5, 6]), series_of(origins="all"), chunk_rows)
    assert read.ours[ORIGIN_ROW].to_pylist() == [3, 4, 5, 6]
    assert flat(read.lists(SOURCE)) == [[1, 2, 3], [2, 3, 4], [3, 4, 5], [4, 5, 6]]
    assert read.ours[HAS_TARGET].to_pylist() == [True, True, False, False]
    assert flat(read.lists(TARGET))[:2] == [[4, 5], [5, 6]]
    assert (read.rows.read, read.rows.history_only) == (6, 2)


def test_a_relative_series_gives_differences_and_the_step_that_they_are_added_to(tmp_path):
    data = {**SERIES, "relative_to_last": True}
    read = Read(write_series(tmp_path / "a.csv", [1, 2, 4, 8, 16]), series_of(data, origins="all"))
    assert flat(read.lists(SOURCE)) == [[-3, -2, 0], [-6, -4, 0], [-12, -8, 0]]
    assert flat(read.lists(ORIGIN)) == [[4], [8], [16]]
    assert flat(read.lists(TARGET))[0] == [8, 16]  # in the user's units, as the forecast will be


def test_no_window_touches_a_gap_and_no_target_either(tmp_path):
    read = Read(write_series(tmp_path / "a.csv", [1, 2, 3, "x", 5, 6, 7, 8, ""]), series_of(origins="all"))
    assert read.ours[ORIGIN_ROW].to_pylist() == [3, 7, 8]
    assert flat(read.lists(SOURCE)) == [[1, 2, 3], [5, 6, 7], [6, 7, 8]]
    assert read.ours[HAS_TARGET].to_pylist() == [False, False, False]
    assert [(reject["row"], reject["reason"]) for reject in read.rejects] == [(4, "source_type"), (9, "source_empty")]
    assert read.kept["day"].to_pylist() == ["3", "7", "8"]
    assert read.rows.read == 9 == len(read.whole) + read.rows.history_only + len(read.rejects)


def test_the_columns_beside_a_forecast_are_those_of_its_origin_whatever_lines_are_broken_before_it(tmp_path):
    (tmp_path / "a.csv").write_text("day,level\n1,1\n2\n3,3\n4,4\n5,5,5\n6,6\n7,7\n8,8\n9,9\n")
    read = Read(tmp_path / "a.csv", series_of(origins="all"))
    assert read.ours[ORIGIN_ROW].to_pylist() == [8, 9]
    assert read.kept["day"].to_pylist() == ["8", "9"]
    assert [(reject["row"], reject["reason"]) for reject in read.rejects] == [(2, "columns"), (5, "columns")]
    assert read.rows.read == 9 == len(read.whole) + read.rows.history_only + len(read.rejects)


def test_a_series_shorter_than_its_history_is_history_only(tmp_path):
    read = Read(write_series(tmp_path / "a.csv", [1, 2]), series_of())
    assert len(read.whole) == 0
    assert (read.rows.read, read.rows.history_only) == (2, 2)


def test_windows_are_cut_a_bounded_number_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(staging, "BLOCK_STEPS", 6)  # two windows
    read = Read(write_series(tmp_path / "a.csv", range(10)), series_of(origins="all"), chunk_rows=3)
    assert read.ours[ORIGIN_ROW].to_pylist() == [*range(3, 11)]
    assert [len(chunk) for chunk in read.chunks] == [3, 3, 2]


# What a chunk carries


def test_a_predicted_chunk_carries_its_tally():
    tally = Tally(
        rows=2, scored=None, reached_limit=1, rows_with_unknown=0, rows_outside_range=None,
        day=DayProfile.of(np.array([1, 2])),
    )  # fmt: skip
    assert tally_of(with_tally(pa.table({"a": [1, 2]}), tally)) == tally


def test_our_own_columns_are_taken_apart_from_the_files():
    table = pa.table({"source": [1], SOURCE: [2], "\u200b": [3]})
    kept, ours = take_columns(table)
    assert kept.column_names == ["source", "\u200b"]
    assert [*ours] == [SOURCE]


VECTORS = pa.list_(pa.float64())
# Values that are no target, of each kind of target that a model may have.
NO_TARGETS: dict[str, tuple[Vocabulary | Scaling, list[Any]]] = {
    "integers": (DIGITS, [None, "x", [1.5], {"a": 1}, [1, True], [[1]], [None], [2**70]]),
    "words": (Vocabulary("words", ("One", "two")), [None, 1, {"a": 1}, [None], [["One"]], True]),
    "characters": (Vocabulary("characters", ("a", "b")), [None, 1, ["a"], {"a": 1}, False]),
    "vectors": (REALS, [None, "x", {"a": 1}, [None], [float("nan")], [1, True], [10**400]]),
}
KINDS_AND_VALUES = [(kind, value) for kind, (_, values) in NO_TARGETS.items() for value in values]


def check_unscored(path, codec):
    read = Read(path, reading_of(target=codec, lengths=(4, 1)))
    assert (read.rows.read, len(read.whole), read.rejects) == (3, 3, [])
    assert read.to_read.has_targets
    assert read.ours[HAS_TARGET].to_pylist() == [False] * 3


@pytest.mark.parametrize(("kind", "value"), KINDS_AND_VALUES, ids=str)
def test_json_lines_whose_target_cannot_be_used_are_predicted(tmp_path, kind, value):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"source": [1, 5], "target": value}) + "\n" for _ in range(3)))
    check_unscored(path, NO_TARGETS[kind][0])


def test_json_lines_with_targets_nested_in_two_ways_are_all_predicted(tmp_path):
    path = tmp_path / "a.jsonl"
    targets = [["One"], "two", ["two"], 7]
    path.write_text("".join(json.dumps({"source": [1], "target": target}) + "\n" for target in targets))
    read = Read(path, reading_of(target=NO_TARGETS["words"][0]))
    assert (len(read.whole), read.rejects) == (4, [])
    assert read.ours[HAS_TARGET].to_pylist() == [True, True, True, False]


COLUMNS = {
    "all null": pa.nulls(3, INTEGERS), "text": pa.array(["x"] * 3), "structures": pa.array([{"a": 1}] * 3),
    "real numbers": pa.array([1.5] * 3), "lists of lists of lists": pa.array([[[[1]]]] * 3),
    "dates": pa.array([0] * 3, pa.date32()), "dictionary": pa.array(["x"] * 3).dictionary_encode(),
    "bytes": pa.array([b"x"] * 3), "runs": pa.RunEndEncodedArray.from_arrays([3], ["x"]),
}  # fmt: skip


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
@pytest.mark.parametrize("column", COLUMNS)
def test_a_target_column_of_another_type_is_kept_and_its_rows_are_predicted(tmp_path, column, suffix):
    table = pa.table({"source": pa.array([[1, 5]] * 3, INTEGERS), "target": COLUMNS[column]})
    path = tmp_path / f"a.{suffix}"
    if suffix == "parquet":
        if column == "runs":
            return  # which Parquet does not have
        pq.write_table(table, path)
    else:
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    check_unscored(path, DIGITS)
    assert Read(path, reading_of()).kept["target"].to_pylist() == COLUMNS[column].to_pylist()


@pytest.mark.parametrize("target", [[0.5] * 3, ["x"] * 3, [[[1]]] * 3], ids=str)
def test_an_array_of_another_type_than_the_targets_is_kept_and_its_rows_are_predicted(tmp_path, target):
    np.savez(tmp_path / "a.npz", source=np.array([[1, 5]] * 3), target=np.array(target))
    check_unscored(tmp_path / "a.npz", DIGITS)


def test_a_source_of_another_type_is_refused_all_the_same(tmp_path):
    path = write(tmp_path / "a.parquet", source=pa.array([0], pa.date32()), target=pa.array([[1]], INTEGERS))
    with pytest.raises(DataError, match="'source' is of type date32"):
        Read(path, reading_of())


def test_steps_of_a_series_without_a_target_are_history_and_only_forecasts_over_them_are_not_scored(tmp_path):
    """They were no history either: a column of nulls beside a whole series left nothing to predict."""
    prices = [float(i) for i in range(9)]
    for missing in (range(9), [4]):
        price = [None if i in missing else prices[i] for i in range(9)]
        path = write(tmp_path / "a.parquet", level=prices, price=pa.array(price, pa.float64()))
        data = {"source": "level", "target": "price", "history": 3, "horizon": 2}
        read = Read(path, reading_of(REALS, REALS, data, said={"origins": "all"}))
        assert (read.rejects, len(read.whole)) == ([], 7)
        scored = [origin + 2 <= 9 and not {origin, origin + 1} & {*missing} for origin in range(3, 10)]
        assert read.ours[HAS_TARGET].to_pylist() == scored


def test_a_step_that_a_forecast_is_added_to_must_be_there(tmp_path):
    price = [1.0] * 8 + [None]
    path = write(tmp_path / "a.parquet", level=[1.0] * 9, price=pa.array(price, pa.float64()))
    data = {"source": "level", "target": "price", "history": 3, "horizon": 2, "relative_to_last": True}
    read = Read(path, reading_of(REALS, REALS, data, said={"origins": "all"}))
    assert [(reject["row"], reject["reason"]) for reject in read.rejects] == [(9, "target_null")]
