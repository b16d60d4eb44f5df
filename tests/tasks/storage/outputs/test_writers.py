import csv
import datetime as dt
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.storage.ingest.columns import to_column
from tasks.storage.outputs.writers import OutputWriter
from tasks.storage.readers.blocks import Layout
from tasks.storage.readers.inputs import list_inputs
from tasks.storage.readers.user_files import read_blocks

TABLE = pa.table(
    {
        "id": pa.array([1, None, 3]),
        "text": ["a,b", "", None],
        "sides": pa.array([[1, 2], [], None]),
        "kind": pa.array(["x", "y", "x"]).dictionary_encode(),
        "when": pa.array([dt.date(2026, 11, 24), None, None]),
        "raw": pa.array([b"x", b"\xff", None]),
        "value": pa.array([1.5, float("nan"), None]),
        "prediction": pa.array([[1, 2], [3, None], []], pa.list_(pa.int64())),
    }
)


def written(folder, kind, *tables, schema=TABLE.schema):
    path = folder / f"output.{kind}"
    with OutputWriter(path, schema, kind, '{"model": "m"}') as writer:
        for table in tables:
            writer.write(table)
    assert writer.rows == sum(map(len, tables))
    return path


def test_parquet_holds_the_tables_as_they_are_and_the_lineage(tmp_path):
    path = written(tmp_path, "parquet", TABLE, TABLE.slice(1))
    back = pq.read_table(path)
    assert back.schema.metadata[b"seq2seq"] == b'{"model": "m"}'
    assert back.drop_columns("value").equals(pa.concat_tables([TABLE, TABLE.slice(1)]).drop_columns("value"))
    assert pq.ParquetFile(path).num_row_groups == 2


def test_a_csv_holds_sequences_with_spaces_between_and_other_lists_as_json(tmp_path):
    with written(tmp_path, "csv", TABLE).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {
        "id": "1",
        "text": "a,b",
        "sides": "[1, 2]",
        "kind": "x",
        "when": "2026-11-24",
        "raw": "eA==",
        "value": "1.5",
        "prediction": "1 2",
    }
    assert [row["prediction"] for row in rows] == ["1 2", "3 \N{REPLACEMENT CHARACTER}", ""]


def test_a_csv_tells_missing_text_from_empty_text(tmp_path):
    lines = written(tmp_path, "csv", TABLE.select(["text", "id"]), schema=TABLE.select(["text", "id"]).schema)
    assert lines.read_text().splitlines()[2:] == ['"",', ",3"]


def test_predictions_of_a_csv_are_read_again_as_the_sequences_that_they_are(tmp_path):
    words = pa.table({"prediction": pa.array([["two", "words"], ["one"]])})
    path = written(tmp_path, "csv", words, schema=words.schema)
    (block,) = read_blocks(list_inputs(path)[0], Layout(("prediction",), ("words",), sides=("source",)))
    column = to_column(block.table.column(0), "words")
    assert [[column.words[i] for i in column.steps[row]] for row in range(2)] == [["two", "words"], ["one"]]


def test_each_line_of_json_holds_its_row_with_its_types(tmp_path):
    first, second, third = map(json.loads, written(tmp_path, "jsonl", TABLE).read_text().splitlines())
    assert first == {
        "id": 1, "text": "a,b", "sides": [1, 2], "kind": "x", "when": "2026-11-24", "raw": "eA==", "value": 1.5,
        "prediction": [1, 2],
    }  # fmt: skip
    assert second["value"] is None  # JSON has no NaN
    assert third["text"] is None


@pytest.mark.parametrize(("kind", "content"), [("csv", '"id","text"\n'), ("jsonl", "")])
def test_an_output_without_rows_is_there(tmp_path, kind, content):
    assert written(tmp_path, kind, schema=TABLE.select(["id", "text"]).schema).read_text() == content


def test_a_parquet_without_rows_has_its_columns(tmp_path):
    assert pq.read_schema(written(tmp_path, "parquet")).names == TABLE.schema.names


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_the_same_rows_give_the_same_bytes(tmp_path, kind):
    first = written(tmp_path, kind, TABLE).read_bytes()
    assert written(tmp_path, kind, TABLE).read_bytes() == first


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_times_beyond_pythons_are_written_as_arrow_says_them(tmp_path, kind):
    table = pa.table(
        {
            "ns": pa.array([1_700_000_000_123_456_789], pa.timestamp("ns")),
            "far": pa.array([10**12], pa.timestamp("s")),
            "took": pa.array([1500], pa.duration("ms")),
            "day": pa.array([dt.date(2026, 11, 24)]),
            "id": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0123456789abcdef"], pa.binary(16))),
        }
    )
    text = written(tmp_path, kind, table, schema=table.schema).read_text()
    for said in (
        "2023-11-14 22:13:20.123456789",
        "out of range: 1000000000000",
        "1500 ms",
        "2026-11-24",
        "MDEyMzQ1Njc4OWFiY2RlZg==",
    ):
        assert said in text


FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "-", "+-1"]
MERE_TEXT = ["a=1", "1-2", "", "-5", "+1.5e-3", "-.5", "'=1", " =1"]


def test_a_safe_csv_has_no_formulas_and_numbers_stay(tmp_path):
    texts = [*FORMULAS, *MERE_TEXT, None]
    numbers = [-(i + 1) for i in range(len(texts))]
    table = pa.table(
        {
            "=id": numbers,
            "value": pa.array(numbers, pa.float64()),
            "text": pa.array(texts, pa.large_string()),
            "kind": pa.array(texts).dictionary_encode(),
            "prediction": pa.array([[number, 1] for number in numbers]),
        }
    )
    with OutputWriter(tmp_path / "safe.csv", table.schema, "csv", "{}", csv_safe=True) as writer:
        writer.write(table)
    with (tmp_path / "safe.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    expected = [*(f"'{text}" for text in FORMULAS), *MERE_TEXT, ""]
    assert [row["text"] for row in rows] == [row["kind"] for row in rows] == expected
    assert [row["'=id"] for row in rows] == [row["value"] for row in rows] == list(map(str, numbers))
    assert [row["prediction"] for row in rows] == [f"{number} 1" for number in numbers]


def test_words_that_are_predicted_are_no_formulas_either(tmp_path):
    table = pa.table({"prediction": pa.array([["=1", "+1"], ["a"]])})
    with OutputWriter(tmp_path / "safe.csv", table.schema, "csv", "{}", csv_safe=True) as writer:
        writer.write(table)
    with (tmp_path / "safe.csv").open(newline="") as file:
        assert [row["prediction"] for row in csv.DictReader(file)] == ["'=1 +1", "a"]


def test_without_being_asked_a_csv_is_as_it_was(tmp_path):
    table = pa.table({"text": FORMULAS})
    with written(tmp_path, "csv", table, schema=table.schema).open(newline="") as file:
        assert [row["text"] for row in csv.DictReader(file)] == FORMULAS
