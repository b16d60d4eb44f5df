"""Spans of files: read one by one, they give every row once, in order."""

import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from tasks.seq2seq.errors import DataError
from tasks.storage.files.inputs import InputFile
from tasks.storage.readers.blocks import Layout
from tasks.storage.readers.spans import MOST_CUTS, MOST_SPANS, Span, even_spans, spans_of_groups
from tasks.storage.readers.user_files import divide, read_blocks, read_columns

LAYOUT = Layout(("source",), ("words",))


def file_at(path):
    return InputFile(str(path), fs.LocalFileSystem(), path.name)


def read(file, kept, span=None):
    """The rows that come, their numbers, and the rejects as `(number, reason, content)`."""
    texts, numbers, rejects = [], [], []
    for block in read_blocks(file, LAYOUT, kept, span):
        texts += block.kept.to_pylist()
        numbers += block.rows.tolist()
        rejects += [(one.row, one.reason, one.content) for one in block.rejects]
    return texts, numbers, rejects


def in_spans(file, kept, spans):
    """The same of all spans, one behind the other."""
    texts, numbers, rejects, before = [], [], [], 0
    for span in spans:
        more, at, bad = read(file, kept, span)
        texts += more
        numbers += [before + number for number in at]
        rejects += [(before + number, *rest) for number, *rest in bad]
        before += len(at) + len(bad)
    return texts, numbers, rejects


LINES = [
    *[json.dumps({"source": f"w{i} {'x' * (i % 7)}", "i": i}) for i in range(40)],
    "",
    "   ",
    "{broken",
    json.dumps({"source": "y" * 500, "i": 1}),
    '{"source": "\\ud800", "i": 2}',
    *[json.dumps({"source": "é\u2028", "i": i}) for i in range(30)],
]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
@pytest.mark.parametrize("begin", ["", "\ufeff", "\n\n"])
@pytest.mark.parametrize("is_whole", [True, False])
def test_spans_of_json_lines_give_each_line_once_wherever_they_are_cut(tmp_path, end, begin, is_whole):
    path = tmp_path / "a.jsonl"
    path.write_bytes((begin + end.join(LINES) + (end if is_whole else "")).encode())
    file = file_at(path)
    kept = read_columns(file, LAYOUT)
    whole = read(file, kept)
    assert len(whole[0]) == 71
    assert len(whole[2]) == 2
    for size in (1, 13, 64, 333, 10**6) if end == "\n" else (13, 333):
        assert in_spans(file, kept, even_spans(path.stat().st_size, size)) == whole


def table(n):
    return pa.table({"source": pa.array([f"w{i}" if i % 5 else None for i in range(n)], "string"), "i": range(n)})


@pytest.mark.parametrize("groups", [[100], [3] * 33, [50, 1, 49], [0, 10, 0, 0, 90, 0]])
@pytest.mark.parametrize("wanted", [1, 7, 40])
def test_spans_of_parquet_give_each_row_once_however_its_row_groups_lie(tmp_path, groups, wanted):
    path = tmp_path / "a.parquet"
    rows = table(sum(groups))
    with pq.ParquetWriter(path, rows.schema) as writer:
        at = 0
        for n in groups:
            writer.write_table(rows.slice(at, n))
            at += n
    file = file_at(path)
    kept = read_columns(file, LAYOUT)
    spans = divide(file, LAYOUT, wanted)
    assert len(spans) > 1
    assert in_spans(file, kept, spans) == read(file, kept)


def test_spans_of_arrow_are_its_batches_and_a_stream_has_none(tmp_path):
    for name, opened in (("a.arrow", pa.ipc.new_file), ("b.arrow", pa.ipc.new_stream)):
        with opened(tmp_path / name, table(1).schema) as writer:
            for n in (10, 1, 30, 9):
                writer.write_table(table(n), max_chunksize=4)
    file = file_at(tmp_path / "a.arrow")
    kept = read_columns(file, LAYOUT)
    spans = divide(file, LAYOUT, 12)
    assert len(spans) > 2
    assert in_spans(file, kept, spans) == read(file, kept)
    assert divide(file_at(tmp_path / "b.arrow"), LAYOUT, 12) == []


def test_what_cannot_be_cut_for_sure_or_holds_no_more_than_one_span_is_not_divided(tmp_path):
    (tmp_path / "a.csv").write_text("source\n" + "word\n" * 1000)
    (tmp_path / "a.jsonl").write_text('{"source": "a"}\n' * 100)
    pq.write_table(table(100), tmp_path / "a.parquet")
    assert divide(file_at(tmp_path / "a.csv"), LAYOUT, 10) == []
    assert divide(file_at(tmp_path / "a.jsonl"), LAYOUT, 100) == []
    assert divide(file_at(tmp_path / "a.parquet"), LAYOUT, 100) == []
    latin = replace(LAYOUT, dialect=replace(LAYOUT.dialect, encoding="latin-1"))
    assert divide(file_at(tmp_path / "a.jsonl"), LAYOUT, 10)
    assert divide(file_at(tmp_path / "a.jsonl"), latin, 10) == []


def test_a_large_group_is_cut_into_a_few_and_small_ones_go_together():
    assert spans_of_groups([5] * 6, 10) == [Span(0, 10), Span(10, 20), Span(20, 30)]
    assert spans_of_groups([100, 3], 10) == [*even_spans(100, 25), Span(100, 103)]
    assert spans_of_groups([25], 10) == [Span(0, 13), Span(13, 25)]
    assert len(spans_of_groups([10**6], 10)) == MOST_CUTS


def test_there_are_never_more_spans_than_can_be_kept_track_of():
    assert len(even_spans(10**9, 1)) <= MOST_SPANS
    assert len(spans_of_groups([1] * 50_000, 1)) <= MOST_SPANS


def test_damage_in_a_span_is_told_with_where_it_is(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(table(1000), path, row_group_size=100, compression="none", use_dictionary=False)
    file = file_at(path)
    kept, spans = read_columns(file, LAYOUT), divide(file, LAYOUT, 100)
    column = pq.ParquetFile(path).metadata.row_group(7).column(0)
    content = bytearray(path.read_bytes())
    content[column.data_page_offset : column.data_page_offset + 40] = bytes(40)
    path.write_bytes(content)
    for i, span in enumerate(spans):
        if i == 7:
            with pytest.raises(DataError, match=r"a\.parquet .* of the part from 700 to 800"):
                read(file, kept, span)
        else:
            assert len(read(file, kept, span)[0]) == 100
