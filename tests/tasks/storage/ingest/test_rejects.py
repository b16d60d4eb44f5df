"""A refusal of rows: told in one line, a table of the first, all reasons, and what would read them."""

import json

import pytest

from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.data import FilesData
from tasks.storage.ingest.pairs import ingest_pairs
from tasks.storage.ingest.reject_table import count_reasons, reject_table
from tasks.storage.ingest.series import ingest_series
from tasks.storage.readers.blocks import Reject

GOOD = [("1 2", "3"), ("4", "5 6")]


@pytest.fixture
def refused(tmp_path):
    """The lines in which rows are refused."""

    def refused(rows, ingest=ingest_pairs, suffix="jsonl", **settings):
        path = tmp_path / f"pairs.{suffix}"
        lines = [json.dumps({"source": source, "target": target}) + "\n" for source, target in rows]
        path.write_text("".join(lines), encoding="utf-8")
        seed = () if ingest is ingest_series else (0,)
        with pytest.raises(DataError) as error:
            ingest(FilesData(train=path, **settings), *seed, tmp_path)
        return str(error.value).splitlines()

    return refused


def test_a_refusal_is_a_line_a_table_the_reasons_and_what_to_do(refused):
    first, *table, reasons, advice = refused([(None, [1]), *[([1], [])] * 7, *[([1], [2])] * 30])
    assert first.endswith("pairs.jsonl: 8 of 38 rows cannot be used, data.max_reject_rate is 0")
    assert [line.split(maxsplit=3)[:3] for line in table[:3]] == [
        ["file", "row", "reason"],
        ["pairs.jsonl", "1", "source_null"],
        ["pairs.jsonl", "2", "target_empty"],
    ]
    assert len(table) == 1 + 5 + 1
    assert table[-1].strip() == "... and 3 more"
    assert reasons == "reasons: target_empty 7, source_null 1"
    assert "data.max_reject_rate" in advice


def test_a_long_row_is_cut_so_that_each_line_of_the_table_fits():
    rejects = [Reject(f"north/{'a' * n}.csv", 10**n, "source_type", "word\n" * 9_000) for n in (1, 4)]
    table = reject_table(rejects, 2)
    assert len({line.index("source_type") for line in table[1:]}) == 1
    assert all(len(line) <= 120 for line in table)
    assert all(line.endswith("...") for line in table[1:])
    assert len(table) == 3


def test_reasons_are_counted_the_commonest_first():
    assert count_reasons({"a": 1, "b": 1200, "c": 1}) == "b 1,200, a 1, c 1"


READ_AS = [
    ("the cat", {}, "words", "the | cat"),
    ("naïve cat", {}, "words", "naïve | cat"),
    ("cat", {}, "characters", "c a t"),
    ("1.5 2", {}, "vectors", "[1.5, 2]"),
    ("1.5", {"source_encoding": "integers"}, "vectors", "[1.5]"),
]


@pytest.mark.parametrize(("value", "settings", "wanted", "read"), READ_AS)
def test_where_the_encoding_reads_no_row_the_one_that_does_is_named_with_three_rows_as_it_reads_them(
    refused, value, settings, wanted, read
):
    said = refused([(value, [1])] * 40, **settings)
    assert any(f'data.source_encoding = "{wanted}" reads' in line for line in said)
    assert [line.strip() for line in said if "would be read" in line] == [
        f"row {row} would be read as  {read}" for row in (1, 2, 3)
    ]


def test_both_sides_are_looked_at_though_a_row_is_rejected_for_its_first_fault(refused):
    said = "\n".join(refused([("the cat", "le chat")] * 40))
    assert 'data.source_encoding = "words"' in said
    assert 'data.target_encoding = "words"' in said


def test_a_side_that_is_read_well_is_not_advised_of(refused):
    said = "\n".join(refused([("the cat", "le chat")] * 40, target_encoding="characters"))
    assert "data.target_encoding" not in said


def test_a_few_rows_of_another_type_are_faults_and_no_reason_for_another_encoding(refused):
    said = "\n".join(refused([("x y", [1]), *[([1], [2])] * 30]))
    assert "data.source_encoding" not in said


def test_columns_without_names_and_a_series_are_advised_of_too(refused, tmp_path):
    rows = [("1.5", "2"), ("2.5", "2")] * 20
    said = "\n".join(refused(rows, ingest_series, history=3, horizon=1, source="source", target="target"))
    assert 'data.source_encoding = "vectors"' in said
    (tmp_path / "bare.csv").write_text("the cat,1\n" * 40)
    with pytest.raises(DataError, match=r"column '0' looks like words"):
        ingest_pairs(FilesData(train=tmp_path / "bare.csv", header=False), 0, tmp_path)


def test_words_are_not_advised_of_where_a_row_is_a_time_step(refused):
    said = refused([("up", "2"), ("down", "2")] * 20, ingest_series, history=3, horizon=1, source_encoding="vectors")
    assert not any("looks like" in line for line in said)
