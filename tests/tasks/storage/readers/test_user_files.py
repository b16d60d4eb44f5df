"""Every format, sound and broken, through the two functions that the rest of the project calls."""

import gzip
import json
import zipfile
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.dialect import Dialect
from tasks.storage.ingest.columns import to_column
from tasks.storage.ingest.reasons import REASONS
from tasks.storage.readers import parquet
from tasks.storage.readers.inputs import list_inputs
from tasks.storage.readers.user_files import Layout, check_input, has_column, read_blocks

INTEGERS = Layout(("source", "target"), ("integers", "integers"))
TEXT = Layout(("source", "target"), ("characters", "characters"))
WORDS = Layout(("source", "target"), ("words", "words"))
VECTORS = Layout(("source", "target"), ("vectors", "vectors"))
POSITIONS = Layout((0, 1), ("characters", "characters"), dialect=Dialect(header=False))


def batch_rows(path, columns):
    """How many rows a Parquet file is read by."""
    with pa.OSFile(str(path)) as opened:
        return parquet._batch_rows(opened, pq.ParquetFile(opened), columns)


def blocks(path, layout=TEXT):
    (file,) = list_inputs(path)
    check_input(file, layout)
    return list(read_blocks(file, layout))


def pairs(path, layout=TEXT):
    """All rows as `[number, value, value]`, and all rejects as `(number, reason, content)`; in order, none twice."""
    found = blocks(path, layout)
    rows = [
        [int(number), *row.values()]
        for block in found
        for number, row in zip(block.rows, block.table.to_pylist(), strict=True)
    ]
    rejects = [(reject.row, reject.reason, reject.content) for block in found for reject in block.rejects]
    assert all(reject.file == path.name for block in found for reject in block.rejects)
    numbers = [row[0] for row in rows], [reject[0] for reject in rejects]
    assert numbers == (sorted(numbers[0]), sorted(numbers[1]))
    assert sorted(numbers[0] + numbers[1]) == list(range(1, len(rows) + len(rejects) + 1))
    return rows, rejects


def refusal(path, layout=TEXT, early=True):
    """What the early check and the reading say, or the reading alone."""
    (file,) = list_inputs(path)
    with pytest.raises(DataError) as late:
        list(read_blocks(file, layout))
    if early:
        with pytest.raises(DataError) as error:
            check_input(file, layout)
        assert str(error.value) == str(late.value)
    else:
        check_input(file, layout)
    assert str(path) in str(late.value)
    return str(late.value)


@pytest.fixture
def write(tmp_path):
    def write_file(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


def write_arrow(path, table, stream=False):
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(path, table.schema) as writer:
        writer.write_table(table)
    return path


def write_parquet(path, source, target=None, kind=None, **options):
    target = source if target is None else target
    pq.write_table(pa.table({"source": pa.array(source, kind), "target": pa.array(target, kind)}), path, **options)
    return path


# Every format


def test_every_format_of_text_reads_the_same_pairs(tmp_path, write):
    expected = [[1, "one", "eins"], [2, "zwölf, dreizehn", "x"], [3, "", "NA"]]
    table = pa.table({"source": [row[1] for row in expected], "target": [row[2] for row in expected]})
    pq.write_table(table, tmp_path / "a.parquet")
    write_arrow(tmp_path / "a.arrow", table)
    write_arrow(tmp_path / "stream.arrow", table, stream=True)
    lines = "".join(json.dumps(row) + "\n" for row in table.to_pylist())
    comma = 'source,target\none,eins\n"zwölf, dreizehn",x\n"",NA\n'
    tab = "source\ttarget\none\teins\nzwölf, dreizehn\tx\n\tNA\n"
    paths = [tmp_path / name for name in ("a.parquet", "a.arrow", "stream.arrow")]
    for name, content in (("a.csv", comma), ("a.tsv", tab), ("a.jsonl", lines)):
        raw = content.encode()
        zstandard = pa.compress(raw, codec="zstd", asbytes=True)
        paths += [write(name, raw), write(name + ".gz", gzip.compress(raw)), write(name + ".zst", zstandard)]
    for path in paths:
        assert pairs(path) == (expected, []), path


def test_every_format_of_integers_reads_the_same_pairs(tmp_path, write):
    values = [[1, -2], [3, 2**62]]
    expected = [[1, values[0], values[0]], [2, values[1], values[1]]]
    np.savez(tmp_path / "a.npz", source=values, target=np.array(values))
    np.savez_compressed(tmp_path / "b.npz", source=np.array(values, ">i8"), target=values)
    paths = [
        tmp_path / "a.npz",
        tmp_path / "b.npz",
        write_parquet(tmp_path / "a.parquet", values),
        write_parquet(tmp_path / "b.parquet", values, kind=pa.list_(pa.int64(), 2)),
        write("a.jsonl", "".join(json.dumps({"source": value, "target": value}) + "\n" for value in values)),
    ]
    for path in paths:
        assert pairs(path, INTEGERS) == (expected, []), path


def test_columns_come_in_the_order_asked_for_and_one_may_be_asked_for_twice(tmp_path, write):
    csv = write("a.csv", "a,b,c\n1,2,3\n")
    parquet = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": ["1"], "b": ["2"], "c": ["3"]}), parquet)
    lines = write("a.jsonl", '{"a":"1","b":"2","c":"3"}')
    for path in (csv, parquet, lines):
        (block,) = blocks(path, Layout(("c", "a"), TEXT.kinds))
        assert block.table.column_names == ["c", "a"]
        assert [column.to_pylist() for column in block.table.columns] == [["3"], ["1"]]
        (block,) = blocks(path, Layout(("b", "b"), TEXT.kinds))
        assert [column.to_pylist() for column in block.table.columns] == [["2"], ["2"]]


def test_any_number_of_columns_is_read(tmp_path, write):
    names = ("a", "b", "c", "d", "e")
    layout = Layout(names, ("vectors",) * 5, sides=names)
    pq.write_table(pa.table({name: [1.5, 2.5] for name in names}), tmp_path / "a.parquet")
    arrays: dict[str, Any] = {key: [1.5, 2.5] for key in names}
    np.savez(tmp_path / "a.npz", **arrays)
    csv = write("a.csv", "e,d,c,b,a,x\n1,2,3,4,5,6\n")
    lines = write("a.jsonl", '{"a": 1, "b": 2, "c": {}}')
    assert pairs(tmp_path / "a.parquet", layout)[0] == [[1, *[1.5] * 5], [2, *[2.5] * 5]]
    assert pairs(tmp_path / "a.npz", layout)[0] == [[1, *[1.5] * 5], [2, *[2.5] * 5]]
    assert pairs(csv, layout)[0] == [[1, "5", "4", "3", "2", "1"]]
    assert pairs(lines, layout)[1] == [(1, "c_type", '{"a": 1, "b": 2, "c": {}}')]


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.csv", "a.tsv.gz", "a.jsonl", "a.npz"])
def test_an_empty_file_is_refused(write, name):
    assert "is empty (0 bytes)" in refusal(write(name, b""))


def test_a_missing_file_is_refused(write):
    path = write("a.csv", "source,target\n1,2\n")
    (file,) = list_inputs(path)
    path.unlink()
    for action in (check_input, lambda *both: list(read_blocks(*both))):
        with pytest.raises(DataError, match="does not exist"):
            action(file, TEXT)


def test_a_file_without_rows_is_refused(tmp_path, write):
    paths = [
        write("a.csv", "source,target\n"),
        write("b.csv", "\n\n"),
        write("c.csv.gz", gzip.compress(b"")),
        write("a.tsv", "source\ttarget"),
        write("a.jsonl", "\n \r\n"),
        write_parquet(tmp_path / "a.parquet", [], kind=pa.string()),
        write_arrow(tmp_path / "a.arrow", pa.table({name: pa.array([], pa.string()) for name in TEXT.names})),
        write_arrow(tmp_path / "b.arrow", pa.table({name: pa.array([], pa.string()) for name in TEXT.names}), True),
    ]
    for path in paths:
        assert "has no rows" in refusal(path)
    np.savez(tmp_path / "a.npz", source=np.zeros((0, 2)), target=np.zeros((0, 2)))
    assert "has no rows" in refusal(tmp_path / "a.npz", VECTORS)


def test_one_row_is_read(tmp_path, write):
    assert pairs(write("a.csv", "source,target\nx,y"))[0] == [[1, "x", "y"]]
    assert pairs(write("b.csv", "x,y"), POSITIONS)[0] == [[1, "x", "y"]]
    assert pairs(write("a.jsonl", '{"source":"x","target":"y"}'))[0] == [[1, "x", "y"]]
    assert pairs(write_parquet(tmp_path / "a.parquet", ["x"]))[0] == [[1, "x", "x"]]


def test_a_file_of_another_format_than_its_suffix_is_refused(tmp_path, write):
    parquet = write_parquet(tmp_path / "a.parquet", ["x"]).read_bytes()
    assert "begins like Parquet" in refusal(write("a.csv", parquet))
    assert "begins like gzip" in refusal(write("b.csv", gzip.compress(b"source,target\n1,2\n")))
    assert "is not CSV within gzip" in refusal(write("c.csv.gz", "source,target\n1,2\n"))
    assert "is not Parquet" in refusal(write("b.parquet", "source,target\n1,2\n"))
    assert "is no Arrow file" in refusal(write("c.arrow", "source,target\n1,2\n"))
    assert "Feather version 1" in refusal(write("d.feather", b"FEA1\0\0\0\0"))
    assert "is not npz" in refusal(write("e.npz", parquet))
    assert "one object a line" in refusal(write("f.jsonl", '[\n{"source": "x"}\n]'))
    assert "one object a line" in refusal(write("g.jsonl", '{\n"source": "x"\n}'))


@pytest.mark.parametrize("name", ["a.csv", "a.tsv.gz", "a.jsonl"])
def test_utf16_is_refused(write, name):
    raw = "source,target\n1,2\n".encode("utf-16")
    assert "is in UTF-16, expected UTF-8" in refusal(write(name, gzip.compress(raw) if name.endswith("gz") else raw))


@pytest.mark.seconds
@pytest.mark.parametrize("codec", ["gzip", "zstd"])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_compressed_file_that_breaks_off_is_refused(write, codec, name):
    rows = "".join(f'{{"source":"{i}","target":"{i * i}"}}\n' for i in range(60_000))
    raw = ("source,target\n" + rows.replace('{"source":"', "").replace('","target":"', ",").replace('"}', "")).encode()
    raw = raw if name == "a.csv" else rows.encode()
    packed = gzip.compress(raw) if codec == "gzip" else pa.compress(raw, codec="zstd", asbytes=True)
    name += {"gzip": ".gz", "zstd": ".zst"}[codec]
    assert len(pairs(write(name, packed))[0]) == 60_000
    for cut in (4, len(packed) // 2):
        message = refusal(write(name, packed[:-cut]), early=False)
        assert "breaks off or is damaged after row" in message
        assert "Truncated compressed stream" in message


@pytest.mark.parametrize("header", [b"source,target\n", b""])
def test_all_members_of_a_gzip_file_are_read(write, header):
    packed = b"".join(gzip.compress(part) for part in (header, b"1,2\n3,", b"4\n", b"", b"5,6\n"))
    layout = TEXT if header else POSITIONS
    assert pairs(write("a.csv.gz", packed), layout)[0] == [[1, "1", "2"], [2, "3", "4"], [3, "5", "6"]]


@pytest.mark.seconds
def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, write):
    many = "".join(f"{i},{i}\n" for i in range(70_000))
    lines = "".join(f'{{"source":"{i}","target":"x"}}\n' for i in range(70_000))
    np.savez(tmp_path / "a.npz", source=np.zeros(70_000), target=np.zeros(70_000))
    paths = [
        (write("a.csv", "source,target\n" + many), TEXT),
        (write("a.jsonl", lines), TEXT),
        (write_parquet(tmp_path / "a.parquet", ["x"] * 70_000), TEXT),
        (tmp_path / "a.npz", VECTORS),
    ]
    for path, layout in paths:
        (file,) = list_inputs(path)
        found = read_blocks(file, layout)
        next(found)
        with path.open("ab") as opened:
            opened.write(b"1,2\n")
        with pytest.raises(DataError, match="changed while it was read; run again when its writer has finished"):
            list(found)


@pytest.mark.seconds
def test_a_file_that_is_cut_while_it_is_read_is_told_to_have_changed(write):
    raw = gzip.compress("".join(f'{{"source":"{i * 7919}","target":"x"}}\n' for i in range(100_000)).encode(), 1)
    path = write("a.jsonl.gz", raw)
    (file,) = list_inputs(path)
    found = read_blocks(file, TEXT)
    next(found)
    with path.open("r+b") as opened:
        opened.truncate(len(raw) - 100)
    with pytest.raises(DataError, match="changed while it was read"):
        list(found)


# Parquet and Arrow


@pytest.mark.parametrize(
    ("kind", "layout"),
    [
        (pa.list_(pa.float64()), INTEGERS),
        (pa.list_(pa.list_(pa.int64())), INTEGERS),
        (pa.binary(), INTEGERS),
        (pa.timestamp("s"), VECTORS),
        (pa.struct([("a", pa.int64())]), VECTORS),
        (pa.int64(), TEXT),
        (pa.binary(), TEXT),
        (pa.list_(pa.string()), TEXT),
        (pa.list_(pa.int64()), WORDS),
        (pa.list_(pa.list_(pa.list_(pa.float64()))), VECTORS),
    ],
    ids=str,
)
def test_a_column_that_cannot_be_its_kind_is_refused(tmp_path, kind, layout):
    table = pa.table({name: pa.array([None], kind) for name in layout.names})
    pq.write_table(table, tmp_path / "a.parquet")
    write_arrow(tmp_path / "a.arrow", table)
    for name in ("a.parquet", "a.arrow"):
        message = refusal(tmp_path / name, layout)
        assert "column 'source' is of type" in message
        assert f"for the encoding {layout.kinds[0]}" in message


@pytest.mark.parametrize(
    ("kind", "value", "layout"),
    [
        (pa.large_list(pa.uint8()), [1, None], INTEGERS),
        (pa.list_(pa.int16(), 2), [1, 2], INTEGERS),
        (pa.int32(), 7, INTEGERS),
        (pa.large_string(), "x", TEXT),
        (pa.string(), "x", WORDS),
        (pa.list_(pa.string()), ["x", None], WORDS),
        (pa.list_(pa.string(), 1), ["x"], WORDS),
        (pa.float32(), 0.5, VECTORS),
        (pa.int64(), 7, VECTORS),
        (pa.list_(pa.int8()), [1], VECTORS),
        (pa.list_(pa.float64(), 2), [0.5, float("inf")], VECTORS),
        (pa.list_(pa.list_(pa.float32(), 2)), [[1.0, 2.0], None], VECTORS),
    ],
    ids=str,
)
def test_columns_come_as_they_are_stored_with_their_nulls(tmp_path, kind, value, layout):
    table = pa.table({name: pa.array([value, None], kind) for name in layout.names})
    pq.write_table(table, tmp_path / "a.parquet")
    write_arrow(tmp_path / "a.arrow", table)
    for name in ("a.parquet", "a.arrow"):
        (block,) = blocks(tmp_path / name, layout)
        assert block.table.schema.field("source").type.equals(kind)
        assert block.table["source"].to_pylist() == [value, None]


def test_dictionaries_and_views_of_text_become_text(tmp_path):
    texts = ["x", None, "a text that is longer than a view holds"]
    table = pa.table({"source": pa.array(texts).dictionary_encode(), "target": pa.array(texts)})
    pq.write_table(table, tmp_path / "a.parquet")
    views = pa.table({"source": pa.array(texts, pa.string_view()), "target": table["source"]})
    for path in (tmp_path / "a.parquet", write_arrow(tmp_path / "a.arrow", views)):
        (block,) = blocks(path)
        assert [column.to_pylist() for column in block.table.columns] == [texts, texts]
        assert all(kind in (pa.string(), pa.large_string()) for kind in block.table.schema.types)


@pytest.mark.parametrize("form", ["text", "dictionary", "list"])
@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_text_that_is_no_utf8_is_a_fault_of_its_row(tmp_path, form, name):
    raw = pa.array([b"good", b"b\xffd", None, b"end"])
    column = pa.StringArray.from_buffers(4, raw.buffers()[1], raw.buffers()[2], raw.buffers()[0])
    column = column.dictionary_encode() if form == "dictionary" else column
    column = pa.ListArray.from_arrays([0, 1, 2, 3, 4], column) if form == "list" else column
    table = pa.table({"source": column, "target": ["1", "2", "3", "4"]})
    (write_arrow if name == "a.arrow" else lambda path, table: pq.write_table(table, path))(tmp_path / name, table)
    layout = WORDS if form == "list" else TEXT
    rows, rejects = pairs(tmp_path / name, layout)
    assert [row[2] for row in rows] == ["1", "3", "4"]
    ((number, reason, content),) = rejects
    assert (number, reason) == (2, "invalid_utf8")
    assert json.loads(content) == {"source": ["b\\xffd"] if form == "list" else "b\\xffd", "target": "2"}


def test_a_column_that_is_missing_or_there_twice_is_refused_with_the_others(tmp_path, write):
    pq.write_table(pa.table([["1"], ["2"], ["3"]], names=["source", "source", "other"]), tmp_path / "a.parquet")
    pq.write_table(pa.table({"source": ["1"], "other": ["2"]}), tmp_path / "b.parquet")
    np.savez(tmp_path / "a.npz", source=[1], other=[2])
    for path in (tmp_path / "a.parquet", write("a.csv", "source,source,other\n1,2,3\n")):
        message = refusal(path)
        assert "column 'source' is twice there" in message
        assert "'source', 'source', 'other'" in message
    for path in (tmp_path / "b.parquet", write("b.csv", "source,other\n1,2\n"), tmp_path / "a.npz"):
        message = refusal(path, INTEGERS)
        assert "column 'target' is not there" in message
        assert "'source', 'other'" in message
        assert "name yours with data.source and data.target" in message


def test_a_parquet_that_is_cut_short_is_refused(tmp_path, write):
    raw = write_parquet(tmp_path / "a.parquet", ["x"] * 1000).read_bytes()
    for cut in (1, 100, len(raw) - 10):
        assert "is it cut short or of another format?" in refusal(write("b.parquet", raw[:-cut]))


def test_a_parquet_with_a_damaged_page_is_refused(tmp_path, write):
    path = write_parquet(tmp_path / "a.parquet", [str(i) for i in range(50_000)], use_dictionary=False)
    raw = bytearray(path.read_bytes())
    raw[5000:9000] = b"\xff" * 4000
    assert "breaks off or is damaged" in refusal(write("b.parquet", bytes(raw)), early=False)


@pytest.mark.parametrize("stream", [False, True])
def test_an_arrow_file_that_is_cut_short_is_refused(tmp_path, write, stream):
    path = tmp_path / "a.arrow"
    table = pa.table({"source": ["x"] * 100, "target": ["y"] * 100})
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(path, table.schema) as writer:
        for _ in range(3):
            writer.write_table(table)
    raw = path.read_bytes()
    for cut in (1, 8, 100, len(raw) // 2):
        assert "cut short" in refusal(write("b.arrow", raw[:-cut]))


def test_a_damaged_arrow_file_is_refused_and_not_read_beyond_its_buffers(tmp_path, write):
    offsets = np.array([0, 7_777_001, 7_777_002, 3], np.int32)
    table = pa.table({"source": ["a", "b", "c"], "target": ["d", "e", "f"]})
    raw = write_arrow(tmp_path / "a.arrow", table).read_bytes()
    sound = np.array([0, 1, 2, 3], np.int32).tobytes()
    assert raw.count(sound) == 2
    message = refusal(write("b.arrow", raw.replace(sound, offsets.tobytes(), 1)), early=False)
    assert "breaks off or is damaged" in message


# CSV and TSV


def test_without_a_header_the_first_row_counts_and_columns_go_by_position(write):
    path = write("a.csv", "x,1,y\nz,2,w\n")
    layout = Layout((2, 0), TEXT.kinds, dialect=Dialect(header=False))
    (block,) = blocks(path, layout)
    assert block.table.column_names == ["2", "0"]
    assert pairs(path, layout)[0] == [[1, "y", "x"], [2, "w", "z"]]
    message = refusal(path, Layout((0, 3), TEXT.kinds, dialect=Dialect(header=False)))
    assert "column 3 is not there" in message
    assert "there are 3 (0 to 2)" in message


def test_a_byte_order_mark_is_no_content(write):
    mark = "\ufeff"
    assert pairs(write("a.csv", mark + "source,target\n1,2\n"))[0] == [[1, "1", "2"]]
    assert pairs(write("a.tsv", mark + "source\ttarget\n1\t2\n"))[0] == [[1, "1", "2"]]
    assert pairs(write("b.csv", mark + '"1",2\n'), POSITIONS)[0] == [[1, "1", "2"]]
    assert pairs(write("a.jsonl", mark + '{"source":"1","target":"2"}'))[0] == [[1, "1", "2"]]


def test_windows_line_ends_are_none_of_the_content(write):
    assert pairs(write("a.csv", 'source,target\r\n1,2\r\n\r\n"3",4\r\n5,6'))[0] == [
        [1, "1", "2"],
        [2, "3", "4"],
        [3, "5", "6"],
    ]
    assert pairs(write("a.jsonl", '{"source":"1","target":"2"}\r\n\r\n'))[0] == [[1, "1", "2"]]


def test_line_ends_delimiters_and_quotes_within_quotes_are_content(write):
    path = write("a.csv", 'source,target\n"a\nb","c,d"\n"e""f","\r\n"\n')
    assert pairs(path)[0] == [[1, "a\nb", "c,d"], [2, 'e"f', "\r\n"]]


@pytest.mark.seconds
def test_a_windows_line_end_in_quotes_survives_the_border_between_two_blocks(write, monkeypatch):
    monkeypatch.setattr("tasks.storage.readers.delimited.ROW_BYTES", 64)
    row = '"x\r\ny\r\n","\r\n\r\n"\r\n'
    for shift in range(20):
        path = write("a.csv", "source,target\r\n" + "s" * shift + ",t\r\n" + row * 50)
        rows = pairs(path)[0]
        assert [row[1:] for row in rows[1:]] == [["x\r\ny\r\n", "\r\n\r\n"]] * 50


def test_quotes_in_a_tsv_are_content(write):
    path = write("a.tsv", 'source\ttarget\n"open\t5" pipe\n"all"\t"\n')
    assert pairs(path)[0] == [[1, '"open', '5" pipe'], [2, '"all"', '"']]


def test_delimiter_and_quote_can_be_chosen(write):
    path = write("a.csv", "source;target\n'a;b';\"\n")
    assert pairs(path, Layout(TEXT.columns, TEXT.kinds, dialect=Dialect(delimiter=";", quote="'")))[0] == [
        [1, "a;b", '"']
    ]
    path = write("b.csv", 'source\x01target\n"a\x01b"\n')
    assert pairs(path, Layout(TEXT.columns, TEXT.kinds, dialect=Dialect(delimiter="\x01", quote="")))[0] == [
        [1, '"a', 'b"']
    ]
    assert "expected one ASCII character" in refusal(
        path, Layout(TEXT.columns, TEXT.kinds, dialect=Dialect(delimiter="||"))
    )


def test_empty_fields_and_words_for_nothing_are_strings(write):
    assert pairs(write("a.csv", 'source,target\n,""\nnull,NaN\n'))[0] == [[1, "", ""], [2, "null", "NaN"]]


def test_a_row_of_another_number_of_fields_is_a_reject_and_later_rows_keep_their_numbers(write):
    path = write("a.csv", "source,target\n1,2\n3\n4,5\n\n6,7,8\n9,10,\xe4\n11,12\n13\n")
    rows, rejects = pairs(path)
    assert rows == [[1, "1", "2"], [3, "4", "5"], [6, "11", "12"]]
    assert rejects == [
        (2, "columns", "3"),
        (4, "columns", "6,7,8"),
        (5, "columns", "9,10,\xe4"),
        (7, "columns", "13"),
    ]
    rows, rejects = pairs(write("b.csv", "1,2\n3\n4,5\n"), POSITIONS)
    assert (rows, rejects) == ([[1, "1", "2"], [3, "4", "5"]], [(2, "columns", "3")])


def test_numbers_are_right_however_blocks_fall(write, monkeypatch):
    rng = np.random.default_rng(1)
    faulty = rng.random(3000) < 0.3
    lines = [f"{i}" if bad else f"{i},x" for i, bad in enumerate(faulty, 1)]
    path = write("a.csv", "source,target\n" + "\n".join(lines))
    monkeypatch.setattr("tasks.storage.readers.delimited.ROW_BYTES", 256)
    monkeypatch.setattr("tasks.storage.readers.blocks.BLOCK_ROWS", 7)
    rows, rejects = pairs(path)
    assert (
        [row[0] for row in rows] == [int(row[1]) for row in rows] == [i for i, bad in enumerate(faulty, 1) if not bad]
    )
    assert [reject[0] for reject in rejects] == [int(reject[2]) for reject in rejects]


def test_a_file_whose_rows_are_all_faulty_gives_them_all(write):
    assert pairs(write("a.csv", "source,target\n1\n2\n")) == ([], [(1, "columns", "1"), (2, "columns", "2")])


def test_bytes_that_are_no_utf8_are_a_fault_of_their_row(write):
    raw = (
        b"source,target,other\n1,2,3\n\xff\xc3,4,5\n6,7,\xff\n8,\xe4\n9,\xc3\xa4,\xf0\x9f\x98\x80\n10,\xed\xa0\x80,11\n"
    )
    rows, rejects = pairs(write("a.csv", raw))
    assert rows == [[1, "1", "2"], [3, "6", "7"], [5, "9", "\xe4"]]
    assert rejects == [
        (2, "invalid_utf8", '{"source": "\\xff\\xc3", "target": "4"}'),
        (4, "columns", "8,\\xe4"),
        (6, "invalid_utf8", '{"source": "10", "target": "\\xed\\xa0\\x80"}'),
    ]


def test_characters_of_several_bytes_survive_the_border_between_two_blocks(write, monkeypatch):
    monkeypatch.setattr("tasks.storage.readers.delimited.ROW_BYTES", 64)
    rows, rejects = pairs(write("a.csv", "source,target\n" + "\U0001f600\xe4\u20ac,x\n" * 100))
    assert {row[1] for row in rows} == {"\U0001f600\xe4\u20ac"}
    assert (len(rows), rejects) == (100, [])


@pytest.mark.parametrize("end", ["", "\n", "\n5,6\n7,8\n", "\n5\n"])
def test_a_quote_that_is_never_closed_is_refused_and_swallows_no_rows(write, end):
    path = write("a.csv", 'source,target\n1,2\n3\n4,"open' + end)
    message = refusal(path, early=False)
    assert "a quote is opened in row 3 and never closed" in message
    assert 'data.quote = ""' in message
    rows, _ = pairs(path, Layout(TEXT.columns, TEXT.kinds, dialect=Dialect(quote="")))
    assert [3, "4", '"open'] in rows


def test_a_quote_that_is_never_closed_is_refused_in_a_large_file_too(write, monkeypatch):
    monkeypatch.setattr("tasks.storage.readers.delimited.ROW_BYTES", 2**20)
    many = "1,2\n" * 1_000_000
    message = refusal(write("a.csv", 'source,target\n1,2\n3,"open\n' + many), early=False)
    assert 'a quote is opened and never closed (data.quote = "" turns quoting off)' in message


def test_a_quote_within_an_unquoted_field_is_content(write):
    assert pairs(write("a.csv", 'source,target\n5" pipe,x\ny,z"\n'))[0] == [[1, '5" pipe', "x"], [2, "y", 'z"']]


def test_a_header_of_one_column_is_refused_with_the_delimiter(write):
    message = refusal(write("a.csv", "source;target\n1;2\n"))
    assert "has 1 columns ('source;target'), expected 2" in message
    assert "delimited by ','" in message
    assert r"delimited by '\t'" in refusal(write("a.tsv", "source,target\n1,2\n"))


@pytest.mark.seconds
def test_a_line_of_10_mb_is_read_and_a_longer_one_than_can_be_is_refused(write):
    long = "x" * 10_000_000
    many = "1,2\n" * 1000
    assert pairs(write("a.csv", f"source,target\n{many}{long},2\n{many}"))[0][1000] == [1001, long, "2"]
    assert pairs(write("b.csv", f"{long},2"), POSITIONS)[0] == [[1, long, "2"]]
    assert pairs(write("a.jsonl", f'{{"source":"{long}","target":"2"}}\n' * 2))[0][1] == [2, long, "2"]
    longer = "x" * 40_000_000
    message = refusal(write("c.csv", f"source,target\n1,2\n{longer},2\n"), early=False)
    assert "a record is longer than 16 MiB" in message
    assert "longer than 16 MiB" in refusal(write("d.tsv", f"{longer}\t2\n"), POSITIONS)


# JSON lines


def lines(*values):
    return "".join(json.dumps({"source": value, "target": "x"}) + "\n" for value in values)


def one_side(path, kind):
    return pairs(path, Layout(("source", "target"), (kind, "characters")))


def test_other_line_separators_within_json_are_content(write):
    path = write("a.jsonl", '{"source":"a\u2028b\u2029\x85","target":"c"}\n')
    assert pairs(path)[0] == [[1, "a\u2028b\u2029\x85", "c"]]


def test_a_line_that_is_no_json_object_is_a_reject(write):
    good = '{"source":"a","target":"b"}'
    deep = "[" * 200_000
    path = write("a.jsonl", "\n".join([good, "{broken", "", "[1]", '"x"', good, deep, good + " " + good, good]))
    rows, rejects = pairs(path)
    assert [row[0] for row in rows] == [1, 5, 8]
    assert [reject[:2] for reject in rejects] == [(2, "json"), (3, "json"), (4, "json"), (6, "json"), (7, "json")]
    assert rejects[0][2] == "{broken"


def test_a_line_that_is_no_utf8_is_a_reject(write):
    good = b'{"source":"a","target":"b"}\n'
    half = b'{"source":"\\ud800","target":"b"}\n'
    rows, rejects = pairs(write("a.jsonl", good + good.replace(b"a", b"\xff") + half + good))
    assert [row[0] for row in rows] == [1, 4]
    assert [reject[:2] for reject in rejects] == [(2, "invalid_utf8"), (3, "invalid_utf8")]
    assert rejects[0][2] == '{"source":"\\xff","t\\xffrget":"b"}'


def test_a_missing_key_is_a_null(write):
    path = write("a.jsonl", '{"source":"a","target":"b"}\n{"source":"c"}\n{"target":null}\n{}\n')
    assert pairs(path)[0] == [[1, "a", "b"], [2, "c", None], [3, None, None], [4, None, None]]


def test_a_first_row_that_has_none_of_the_columns_is_refused_with_its_keys(write):
    message = refusal(write("a.jsonl", '{"src":"a","tgt":"b"}\n'))
    assert "none of the columns 'source', 'target'" in message
    assert "'src', 'tgt'" in message


def read_side(path, kind):
    """The sequences of the usable rows of one side, and the reason of each of the others, by row."""
    found, reasons = {}, {}
    for block in blocks(path, Layout(("source", "target"), (kind, "characters"))):
        column = to_column(block.table.column(0), kind)
        values = (
            column.steps.values.tolist() if column.words is None else [column.words[i] for i in column.steps.values]
        )
        for i, row in enumerate(block.rows.tolist()):
            if column.reasons[i]:
                reasons[row] = REASONS[column.reasons[i]]
            else:
                found[row] = values[column.steps.offsets[i] : column.steps.offsets[i + 1]]
        reasons |= {reject.row: reject.reason for reject in block.rejects}
    return found, dict(sorted(reasons.items()))


def test_integers_in_json_are_no_floats_and_fit_into_64_bits(write):
    good = [[1, -(2**63)], 2**63 - 1, [], "1 2", "[3, 4]", ["5", 6], [True, False], True]
    fair = [[-(2**63)], [2**63 - 1], [], [1, 2], [3, 4], [5, 6], [1, 0], [1]]
    fair[0] = [1, -(2**63)]
    bad = [[1.0], 1.5, [[1]], {"a": 1}, [1, "x"], [1, True], 10**400, [2**63], [-(2**63) - 1], "1.5", None, [None, 3]]
    path = write("a.jsonl", lines(*good) + lines(*bad) + '{"source": 1' + "0" * 5000 + "}\n")
    found, reasons = read_side(path, "integers")
    assert list(found.values()) == fair
    expected = [
        *["source_type"] * 4,
        "type",
        "source_type",
        *["source_integer_range"] * 3,
        "type",
        "null",
        "null_inside",
    ]
    assert list(reasons.values()) == [*expected, "source_type"]


def test_characters_in_json_are_strings_and_the_target_has_its_own_reason(write):
    rows, rejects = one_side(write("a.jsonl", lines("1", 1, ["1"], None, True)), "characters")
    assert [row[1] for row in rows] == ["1", None]
    assert [reject[:2] for reject in rejects] == [(2, "source_type"), (3, "source_type"), (5, "source_type")]
    assert pairs(write("b.jsonl", '{"source":"a","target":1}'))[1] == [(1, "target_type", '{"source":"a","target":1}')]


@pytest.mark.parametrize("n_lists", [1, 3])
def test_words_in_json_are_lists_of_strings_or_strings_whichever_are_more(write, n_lists):
    path = write("a.jsonl", lines(*[["a b", "C"]] * n_lists, ["c", None], [], None, "d  e", "f", [1]))
    found, reasons = read_side(path, "words")
    assert list(found.values()) == [*[["a b", "C"]] * n_lists, [], ["d", "e"], ["f"]]
    assert list(reasons.values()) == ["null_inside", "null", "source_type"]
    assert one_side(write("b.jsonl", lines(["a"], ["b", "c"])), "words")[0] == [[1, ["a"], "x"], [2, ["b", "c"], "x"]]


@pytest.mark.parametrize("n_flat", [1, 5])
def test_vectors_in_json_are_numbers_flat_or_nested_whichever_are_more(write, n_flat):
    flat = [[1, 2.5], 3, [], [2**60 + 1], "4 5", True]
    found, reasons = read_side(write("a.jsonl", lines(*flat, ["x"], [1, True], [10**400], [None, 1], None)), "vectors")
    assert list(found.values()) == [[[1.0], [2.5]], [[3.0]], [], [[float(2**60 + 1)]], [[4.0], [5.0]], [[1.0]]]
    assert list(reasons.values()) == ["type", "source_type", "source_type", "null_inside", "null"]
    nested = [[[1, 2], [3, 4]], [[5.5, 6]], [], "[[7, 8]]"]
    path = write("b.jsonl", lines(*nested * 3, *[[1.0]] * n_flat, [[1], 2], [[[1]]], [[5.5, 6], None]))
    found, reasons = read_side(path, "vectors")
    assert list(found.values()) == [[[1.0, 2.0], [3.0, 4.0]], [[5.5, 6.0]], [], [[7.0, 8.0]]] * 3
    assert list(reasons.values()) == ["features"] * n_flat + ["source_type", "source_type", "null_inside"]


def test_nan_and_infinity_in_json_are_floats(write):
    rows, _ = one_side(write("a.jsonl", lines([float("inf"), float("-inf"), float("nan")])), "vectors")
    assert rows[0][1][:2] == [float("inf"), float("-inf")]
    assert np.isnan(rows[0][1][2])


def test_a_first_line_longer_than_can_be_is_refused(write, monkeypatch):
    monkeypatch.setattr("tasks.storage.readers.json_lines.ROW_BYTES", 2**21)
    message = refusal(write("a.jsonl", "x" * 2**22 + "\n"))
    assert "a line is longer than 2 MiB" in message


# npz


def test_arrays_of_1_2_and_3_dimensions_are_vectors(tmp_path):
    np.savez(tmp_path / "a.npz", source=np.arange(12.0).reshape(2, 3, 2), target=np.array([1.5, 2.5], np.float16))
    rows, _ = pairs(tmp_path / "a.npz", VECTORS)
    assert rows == [
        [1, [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]], 1.5],
        [2, [[6.0, 7.0], [8.0, 9.0], [10.0, 11.0]], 2.5],
    ]
    np.savez(tmp_path / "b.npz", source=np.arange(4).reshape(2, 2), target=np.zeros((2, 0)))
    assert pairs(tmp_path / "b.npz", VECTORS)[0] == [[1, [0.0, 1.0], []], [2, [2.0, 3.0], []]]


def test_numbers_bools_and_text_of_arrays_are_read(tmp_path):
    source = np.array([[1, 2], [2**63, 3], [4, 5]], np.uint64)
    np.savez(tmp_path / "a.npz", source=source, target=np.array(["x", "y", "z"]))
    assert read_side(tmp_path / "a.npz", "integers") == ({1: [1, 2], 3: [4, 5]}, {2: "integer_range"})
    np.savez(tmp_path / "b.npz", source=np.array(["a b", "1 2"]), target=np.array(["x", "y"]))
    assert read_side(tmp_path / "b.npz", "words") == ({1: ["a", "b"], 2: ["1", "2"]}, {})
    assert read_side(tmp_path / "b.npz", "integers") == ({2: [1, 2]}, {1: "type"})
    np.savez(tmp_path / "c.npz", source=np.array([[True, False]]), target=np.array(["x"]))
    assert read_side(tmp_path / "c.npz", "integers") == ({1: [1, 0]}, {})


@pytest.mark.parametrize(
    ("source", "layout", "message"),
    [
        (np.array([[1], "x"], dtype=object), INTEGERS, "holds Python objects"),
        (np.array(["a", "b"]), TEXT, "is of type int64 in 2 dimensions, expected text in 1 dimension for the encoding"),
        (np.array([["a", "b"]] * 2), INTEGERS, "expected integers in 1 or 2 dimensions, or text in 1 for the encoding"),
        (np.zeros((2, 2)), INTEGERS, "is of type float64 in 2 dimensions"),
        (np.zeros((2, 2, 2), int), INTEGERS, "in 3 dimensions"),
        (np.zeros((2, 2, 2, 2)), VECTORS, "in 4 dimensions"),
        (np.zeros((2, 2), complex), VECTORS, "is of type complex128"),
        (np.array(1.0), VECTORS, "in 0 dimensions"),
        (np.asfortranarray(np.arange(6.0).reshape(2, 3)), VECTORS, "save numpy.ascontiguousarray of it"),
        (np.zeros((3, 2)), VECTORS, "differ in their number of rows: 'source' has 3, 'target' has 2"),
    ],
)
def test_an_array_that_cannot_be_its_kind_is_refused(tmp_path, source, layout, message):
    np.savez(tmp_path / "a.npz", source=source, target=np.zeros((2, 2), int))
    assert message in refusal(tmp_path / "a.npz", layout)


def test_a_damaged_npz_is_refused(tmp_path, write):
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "a.npz", source=rng.random((1000, 5)), target=rng.random((1000, 5)))
    raw = (tmp_path / "a.npz").read_bytes()
    assert "is it cut short" in refusal(write("b.npz", raw[:-2000]), VECTORS)
    flipped = raw[:10_000] + bytes([raw[10_000] ^ 1]) + raw[10_001:]
    message = refusal(write("c.npz", flipped), VECTORS, early=False)
    assert "breaks off or is damaged" in message
    assert "CRC" in message


def test_the_checksum_of_a_compressed_array_is_compared(tmp_path, write):
    np.savez_compressed(tmp_path / "a.npz", source=np.zeros((1000, 5)), target=np.ones((1000, 5)))
    raw = (tmp_path / "a.npz").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        checksum = archive.getinfo("source.npy").CRC.to_bytes(4, "little")
    assert checksum in raw
    assert "CRC" in refusal(write("b.npz", raw.replace(checksum, b"\1\2\3\4")), VECTORS, early=False)


def test_an_npz_whose_member_is_shorter_than_its_header_says_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((10, 2)))
    whole = (tmp_path / "a.npy").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("source.npy", whole[:-8])
        archive.writestr("target.npy", whole)
    assert "array 'source' is cut short" in refusal(tmp_path / "a.npz", VECTORS)
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("source.npy", b"no array")
        archive.writestr("target.npy", whole)
    assert "array 'source' cannot be read" in refusal(tmp_path / "b.npz", VECTORS)


# Streams


@pytest.mark.seconds
@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.csv", "a.jsonl", "a.npz"])
def test_a_large_file_comes_in_several_blocks_of_bounded_size(tmp_path, write, name):
    n = 70_000
    table = pa.table({"source": pa.array(range(n)), "target": pa.array(range(n))})
    layout = INTEGERS if name in ("a.parquet", "a.arrow", "a.npz") else TEXT
    if name == "a.parquet":
        pq.write_table(table, tmp_path / name, row_group_size=n)
    elif name == "a.arrow":
        write_arrow(tmp_path / name, table)
    elif name == "a.npz":
        np.savez(tmp_path / name, source=np.arange(n), target=np.arange(n))
    elif name == "a.csv":
        write(name, "source,target\n" + "".join(f"{i},{i}\n" for i in range(n)))
    else:
        write(name, "".join(f'{{"source":"{i}","target":"{i}"}}\n' for i in range(n)))
    found = blocks(tmp_path / name, layout)
    assert len(found) >= 3
    assert max(len(block.rows) for block in found) <= 65_536
    assert np.concatenate([block.rows for block in found]).tolist() == list(range(1, n + 1))
    values = [value for block in found for value in block.table["target"].to_pylist()]
    assert [int(value[0] if isinstance(value, list) else value) for value in values] == list(range(n))


@pytest.mark.seconds
@pytest.mark.parametrize("name", ["a.parquet", "b.parquet", "a.csv", "a.jsonl", "a.npz"])
def test_blocks_of_large_rows_are_bounded_in_bytes(tmp_path, write, name):
    n, size = 100, 1_000_000
    text = "x" * size
    if name.endswith("parquet"):
        # A dictionary hides in a few bytes what the rows hold.
        write_parquet(tmp_path / name, [text] * n, use_dictionary=name == "b.parquet")
    elif name == "a.npz":
        np.savez_compressed(tmp_path / name, source=np.zeros((n, size // 8)), target=np.zeros(n))
    elif name == "a.csv":
        write(name, "source,target\n" + f"{text},{text}\n" * n)
    else:
        write(name, f'{{"source":"{text}","target":"{text}"}}\n' * n)
    (file,) = list_inputs(tmp_path / name)
    sizes = [block.table.nbytes for block in read_blocks(file, VECTORS if name == "a.npz" else TEXT)]
    assert len(sizes) > 2
    assert max(sizes) <= 40_000_000


@pytest.mark.seconds
def test_rows_that_a_dictionary_makes_small_on_disk_are_read_few_at_a_time(tmp_path):
    path = write_parquet(tmp_path / "a.parquet", ["x" * 1_000_000] * 100)
    assert path.stat().st_size < 1_000_000
    assert batch_rows(path, ["source", "target"]) < 20


def test_an_early_check_reads_no_more_than_the_beginning(write):
    packed = gzip.compress(b"source,target\n" + b"1,2\n" * 1_000_000)
    (file,) = list_inputs(write("a.csv.gz", packed[:-100]))
    check_input(file, TEXT)
    with pytest.raises(DataError, match="breaks off"):
        list(read_blocks(file, TEXT))


def test_a_blank_line_of_a_file_of_one_column_is_a_missing_value_but_for_those_at_its_end(tmp_path):
    for content in ("x\n1\n\n3\n\n\n", "x\r\n1\r\n\r\n3", "x\n1\n\n3\n"):
        path = tmp_path / "series.csv"
        path.write_bytes(content.encode())
        layout = Layout(("x",), ("integers",), sides=("source",))
        blocks = list(read_blocks(list_inputs(path)[0], layout))
        values = [value for block in blocks for value in block.table["x"].to_pylist()]
        assert values == ["1", "", "3"]
        assert [row for block in blocks for row in block.rows.tolist()] == [1, 2, 3]


# Encodings of bytes


@pytest.mark.parametrize(
    "encoding", ["cp1252", "latin-1", "utf-16", "utf-16-le", "utf-32", "shift_jis", "gb18030", "utf-8-sig"]
)
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.csv.gz", "a.jsonl.gz"])
def test_text_of_any_of_pythons_codecs_is_read_as_it_was_written(write, encoding, name, monkeypatch):
    monkeypatch.setattr("tasks.storage.readers.json_lines._CHUNK_BYTES", 7)  # within characters
    word = {"shift_jis": "\u65e5\u672c, \u8a9e", "gb18030": "\u4e2d\u6587, \u20ac"}.get(
        encoding, "na\u00efve, caf\u00e9"
    )
    rows = [(f"{word} {i}", "x") for i in range(50)]
    if ".csv" in name:
        text = "source,target\n" + "".join(f'"{source}",{target}\n' for source, target in rows)
    elif ".tsv" in name:
        text = "source\ttarget\n" + "".join(f"{source}\t{target}\n" for source, target in rows)
    else:
        text = "".join(json.dumps({"source": s, "target": t}, ensure_ascii=False) + "\n" for s, t in rows)
    data = text.encode(encoding)
    path = write(name, gzip.compress(data) if name.endswith("gz") else data)
    layout = Layout(TEXT.columns, TEXT.kinds, dialect=Dialect(encoding=encoding))
    assert pairs(path, layout) == ([[i + 1, *row] for i, row in enumerate(rows)], [])


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_bytes_that_an_encoding_has_no_character_for_make_their_row_a_reject(write, name):
    lines_of = {
        "a.csv": b"source,target\ncaf\xe9,x\nbad\x81,y\n",
        "a.jsonl": b'{"source":"caf\xe9","target":"x"}\n{"source":"bad\x81","target":"y"}\n',
    }
    layout = Layout(TEXT.columns, TEXT.kinds, dialect=Dialect(encoding="cp1252"))
    rows, rejects = pairs(write(name, lines_of[name]), layout)
    assert rows == [[1, "caf\u00e9", "x"]]
    assert [reject[:2] for reject in rejects] == [(2, "invalid_encoding")]
    assert "bad\\x81" in rejects[0][2]


@pytest.mark.parametrize(
    ("encoding", "codec"), [("utf-16", "utf-16"), ("utf-16-le", "utf-16-le"), ("utf-16-be", "utf-16-be")]
)
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_utf16_is_refused_with_the_setting_that_reads_it(write, encoding, codec, name):
    text = "source,target\na,b\n" if name == "a.csv" else '{"source":"a","target":"b"}\n'
    message = refusal(write(name, text.encode(encoding)))
    assert f'set data.encoding = "{codec}"' in message


# Paths within structures


STRUCTURES = [{"translation": {"en": "a", "de": "b"}}, {"translation": None}, {"translation": {"en": None, "de": "c"}}]


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.jsonl"])
def test_a_column_is_reached_by_its_path_within_a_structure(tmp_path, write, name):
    path = write_structures(tmp_path / name, STRUCTURES)
    layout = Layout(("translation.en", "translation.de"), TEXT.kinds)
    assert pairs(path, layout)[0] == [[1, "a", "b"], [2, None, None], [3, None, "c"]]
    assert has_column(list_inputs(path)[0], layout, "translation.en")
    assert not has_column(list_inputs(path)[0], layout, "translation.fr")


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.jsonl"])
def test_a_column_of_exactly_that_name_wins(tmp_path, name):
    rows = [{"t": {"en": "inner", "x.y": "dotted"}, "t.en": "outer", "target": "z"}]
    path = write_structures(tmp_path / name, rows)
    assert pairs(path, Layout(("t.en", "target"), TEXT.kinds))[0] == [[1, "outer", "z"]]
    assert pairs(path, Layout(("t.x.y", "target"), TEXT.kinds))[0] == [[1, "dotted", "z"]]


def test_the_paths_within_structures_are_among_the_columns_that_a_refusal_lists(tmp_path):
    path = write_structures(tmp_path / "a.parquet", STRUCTURES)
    assert "'translation', 'translation.en', 'translation.de'" in refusal(path, TEXT)


def write_structures(path, rows):
    table = pa.Table.from_pylist(rows)
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    elif path.suffix == ".arrow":
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_header_is_read_anew_where_a_file_has_changed(tmp_path):
    path = tmp_path / "a.csv"
    for name in ("one", "two", "one"):
        path.write_text(f"{name}\n1\n")
        (file,) = list_inputs(path)
        assert has_column(file, Layout(("one",), ("characters",)), "one") is (name == "one")
