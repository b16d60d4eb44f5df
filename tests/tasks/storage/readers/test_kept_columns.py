"""All columns of a file, kept beside the wanted ones: in every format, sound and broken."""

import csv
import decimal
import gzip
import io
import itertools
import json
import zipfile
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.dialect import Dialect
from tasks.storage.files import limits
from tasks.storage.readers import columnar, json_types, parquet
from tasks.storage.readers.blocks import BLOCK_ROWS
from tasks.storage.readers.inputs import list_inputs
from tasks.storage.readers.json_types import KeyTypes
from tasks.storage.readers.user_files import (
    Layout,
    check_input,
    columns_left_out,
    count_rows,
    has_column,
    read_blocks,
    read_columns,
)

SOURCE = Layout(("source",), ("words",), sides=("source",))
FIRST = Layout((0,), ("words",), dialect=Dialect(header=False), sides=("source",))
INTEGERS = Layout(("source",), ("integers",), sides=("source",))
BOTH = Layout(("source", "target"), ("characters", "characters"))


def batch_rows(path, columns):
    """How many rows a Parquet file is read by."""
    with pa.OSFile(str(path)) as opened:
        return parquet._batch_rows(opened, pq.ParquetFile(opened), columns)


def file_at(path):
    (file,) = list_inputs(path)
    return file


def kept(path, layout=SOURCE):
    """The schema, the kept rows as one table with their numbers, and the rejects as `(number, reason, content)`."""
    file = file_at(path)
    schema = read_columns(file, layout)
    assert schema.metadata is None
    numbers, tables, rejects = [], [schema.empty_table()], []
    for block in read_blocks(file, layout, schema):
        block.kept.validate(full=True)
        assert block.kept.schema.equals(schema, check_metadata=True)
        assert block.kept.num_rows == len(block.table) == len(block.rows)
        numbers += block.rows.tolist()
        tables.append(block.kept)
        rejects += [(reject.row, reject.reason, reject.content) for reject in block.rejects]
    assert sorted(numbers + [reject[0] for reject in rejects]) == list(range(1, len(numbers) + len(rejects) + 1))
    assert numbers == sorted(numbers)
    check_wanted(file, layout, schema)
    return schema, numbers, pa.concat_tables(tables), rejects


def check_wanted(file, layout, schema):
    """The wanted columns are the same with all columns and without, except for rows that another column makes rejects."""

    def rows(*schemas):
        return {
            number: values
            for block in read_blocks(file, layout, *schemas)
            for number, *values in zip(
                block.rows.tolist(), *(column.to_pylist() for column in block.table.columns), strict=True
            )
        }

    alone, beside = rows(), rows(schema)
    assert [str(alone[number]) for number in beside] == [str(values) for values in beside.values()]


@pytest.fixture
def write(tmp_path):
    def write_file(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


@pytest.fixture
def write_table(tmp_path):
    def write_table(name, **columns):
        path, table = tmp_path / name, pa.table(columns)
        if name.endswith("parquet"):
            pq.write_table(table, path)
        else:
            with (pa.ipc.new_stream if "stream" in name else pa.ipc.new_file)(path, table.schema) as writer:
                writer.write_table(table)
        return path

    return write_table


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def no_utf8(*texts, form="text"):
    """Texts of which some are bytes that are no UTF-8, as columns of different forms hold them."""
    raw = pa.array([text.encode() if isinstance(text, str) else text for text in texts])
    text = pa.StringArray.from_buffers(len(raw), raw.buffers()[1], raw.buffers()[2], raw.buffers()[0])
    order = list(range(len(raw) + 1))
    return {
        "text": lambda: text,
        "large": lambda: text.cast(pa.binary()).cast(pa.large_binary()).view(pa.large_string()),
        "view": lambda: text.cast(pa.binary()).cast(pa.string_view(), safe=False),
        "dictionary": lambda: pa.DictionaryArray.from_arrays(pa.array(order[:-1], pa.int32()), text, safe=False),
        "list": lambda: pa.ListArray.from_arrays(order, text),
        "fixed": lambda: pa.FixedSizeListArray.from_arrays(text, 1),
        "struct": lambda: pa.StructArray.from_arrays([pa.array([1] * len(raw)), text], ["a", "b"]),
        "map": lambda: pa.MapArray.from_arrays(order, ["k"] * len(raw), text),
        "deep": lambda: pa.StructArray.from_arrays([pa.ListArray.from_arrays(order, text)], ["a"]),
    }[form]()


# Every format


def test_every_format_of_text_keeps_all_columns_in_the_files_order(tmp_path, write, write_table):
    rows = [{"id": "7", "source": "a b", "note": "zwölf, x"}, {"id": "8", "source": "c", "note": ""}]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    paths = [write_table(name, **columns) for name in ("a.parquet", "a.arrow", "stream.arrow")]
    comma, tab = 'id,source,note\n7,a b,"zwölf, x"\n8,c,\n', "id\tsource\tnote\n7\ta b\tzwölf, x\n8\tc\t\n"
    for name, content in (("a.csv", comma), ("a.tsv", tab), ("a.jsonl", lines(*rows))):
        raw = content.encode()
        paths += [
            write(name, raw),
            write(name + ".gz", gzip.compress(raw)),
            write(name + ".zst", pa.compress(raw, codec="zstd", asbytes=True)),
        ]
    for path in paths:
        schema, numbers, table, rejects = kept(path)
        assert (schema.names, numbers, table.to_pylist(), rejects) == (list(rows[0]), [1, 2], rows, []), path


texts = st.text(st.characters(max_codepoint=0x10FF00, exclude_categories=["Cs"]), max_size=5)
table_rows = st.lists(
    st.tuples(texts, st.none() | st.integers(-(2**63), 2**63 - 1), st.floats(), st.lists(texts, max_size=3), texts),
    min_size=1,
    max_size=40,
)


def as_parquet(rows, faulty, path):
    source, number, real, words, note = zip(*rows, strict=True)
    note = no_utf8(*(text.encode() + b"\xff" * bad for text, bad in zip(note, faulty, strict=True)))
    table = pa.table(
        {
            "number": pa.array(number, pa.int64()),
            "source": pa.array(source, pa.string()),
            "real": pa.array(real, pa.float64()),
            "words": pa.array(words, pa.list_(pa.string())),
            "note": note,
        }
    )
    pq.write_table(table, path / "a.parquet", row_group_size=11)
    return path / "a.parquet"


def as_csv(rows, faulty, path):
    """Of the faulty rows, those with an odd number have another number of fields, others bytes that are no UTF-8."""
    content = b"number,source,real,words,note\n"
    for i, ((source, number, real, words, note), bad) in enumerate(zip(rows, faulty, strict=True)):
        written = io.StringIO()
        csv.writer(written, quoting=csv.QUOTE_ALL).writerow([number, source, repr(real), json.dumps(words), note])
        line = written.getvalue().encode()
        content += line if not bad else b"x," + line if i % 2 else line.rstrip(b'"\r\n') + b'\xff"\r\n'
    (path / "a.csv").write_bytes(content)
    return path / "a.csv"


def as_json_lines(rows, faulty, path):
    content = b""
    for i, ((source, number, real, words, note), bad) in enumerate(zip(rows, faulty, strict=True)):
        row = {"number": number, "source": source, "real": real, "words": words, "note": note}
        line = json.dumps(row, ensure_ascii=i % 3 == 0).encode()
        content += (line if not bad else line[:-1] if i % 2 else b"\xff" + line) + b"\n"
    (path / "a.jsonl").write_bytes(content)
    return path / "a.jsonl"


@pytest.mark.parametrize("write_rows", [as_parquet, as_csv, as_json_lines])
@settings(max_examples=settings.default.max_examples // 2)
@given(rows=table_rows, size=st.integers(1, 9), data=st.data())
def test_kept_columns_are_those_of_the_file_without_the_rejects_however_blocks_fall(
    tmp_path_factory, write_rows, rows, size, data
):
    faulty = data.draw(st.lists(st.sampled_from([False, False, True]), min_size=len(rows), max_size=len(rows)))
    path = write_rows(rows, faulty, tmp_path_factory.mktemp("rows"))
    with pytest.MonkeyPatch.context() as patch:
        for module in ("blocks", "columnar", "parquet", "json_lines"):
            patch.setattr(f"tasks.storage.readers.{module}.BLOCK_ROWS", size)
        patch.setattr("tasks.storage.readers.delimited.ROW_BYTES", 512)
        _, numbers, table, rejects = kept(path)
    assert [reject[0] for reject in rejects] == [i for i, bad in enumerate(faulty, 1) if bad]
    assert numbers == [i for i, bad in enumerate(faulty, 1) if not bad]
    expected = [
        {"number": number, "source": source, "real": real, "words": words, "note": note}
        for (source, number, real, words, note), bad in zip(rows, faulty, strict=True)
        if not bad
    ]
    if write_rows is as_csv:
        for row in expected:
            number = row["number"]
            row |= {"number": "" if number is None else str(number), "real": repr(row["real"])}
            row["words"] = json.dumps(row["words"])
    found = table.to_pylist()
    assert repr(found) == repr(expected)  # nan is not equal to itself


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.jsonl", "a.npz"])
def test_a_file_that_changed_since_its_columns_were_read_is_refused(tmp_path, write, write_table, name):
    def make(columns):
        if name == "a.csv":
            rows = zip(*columns.values(), strict=True)
            return write(name, "\n".join(",".join(map(str, row)) for row in [columns, *rows]) + "\n")
        if name == "a.jsonl":
            return write(
                name, lines(*(dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)))
            )
        if name == "a.npz":
            np.savez(tmp_path / name, **columns)
            return tmp_path / name
        return write_table(name, **columns)

    before = {"source": [1, 2], "x": [3, 4]}
    layout = SOURCE if name == "a.csv" else INTEGERS
    if name == "a.jsonl":
        after = [{**before, "y": [5, 6]}, {"source": [1, 2]}, {**before, "x": [3.0, 4]}, {**before, "x": [[3], 4]}]
        after += [{**before, "x": ["3", "4"]}, {**before, "x": [{"a": 1}, None]}]
    else:
        after = [{**before, "y": [5, 6]}, {"x": [3, 4], "source": [1, 2]}]
    for columns in after:
        schema = read_columns(file_at(make(before)), layout)
        file = file_at(make(columns))
        with pytest.raises(DataError, match="changed while it was read; run again when its writer has finished"):
            list(read_blocks(file, layout, schema))


def test_a_field_that_is_new_within_an_object_is_a_change(write):
    path = write("a.jsonl", lines({"source": "a", "x": {"k": 1}}))
    schema = read_columns(file_at(path), SOURCE)
    write("a.jsonl", lines({"source": "a", "x": {"k": 1, "l": 2}}))
    with pytest.raises(DataError, match="changed while it was read"):
        list(read_blocks(file_at(path), SOURCE, schema))


def test_a_column_that_is_there_twice_is_refused_with_the_file_and_what_to_do(tmp_path, write):
    pq.write_table(pa.table([["a"], ["b"], ["c"]], names=["source", "x", "x"]), tmp_path / "a.parquet")
    np.savez(tmp_path / "b.npz", source=[1], x=[2], y=[3])
    write("a.npz", (tmp_path / "b.npz").read_bytes().replace(b"y.npy", b"x.npy"))
    for path, layout in (
        (tmp_path / "a.parquet", SOURCE),
        (tmp_path / "a.npz", INTEGERS),
        (write("a.csv", "source,x,x\na,b,c\n"), SOURCE),
    ):
        check_input(file_at(path), layout)
        with pytest.raises(DataError) as error:
            read_columns(file_at(path), layout)
        assert f"{path}: column 'x' is there 2 times, expected once" in str(error.value)
        assert "rename it" in str(error.value)


@pytest.mark.seconds
def test_columns_are_only_read_of_what_the_early_check_accepts(write):
    with pytest.raises(DataError, match="column 'source' is not there"):
        read_columns(file_at(write("a.csv", "x\n1\n")), SOURCE)
    packed = gzip.compress(lines(*({"source": str(i * i)} for i in range(50_000))).encode())
    with pytest.raises(DataError, match="breaks off or is damaged: Truncated compressed stream"):
        read_columns(file_at(write("a.jsonl.gz", packed[:-100])), SOURCE)


def test_a_file_whose_rows_are_all_rejects_keeps_its_columns(write):
    schema, numbers, table, rejects = kept(write("a.csv", "source,x\n1\n2\n"))
    assert (schema.names, numbers, table.num_rows, len(rejects)) == (["source", "x"], [], 0, 2)
    schema, numbers, _, rejects = kept(write("a.jsonl", "{broken\n[]\n"))
    assert (len(schema), numbers, len(rejects)) == (0, [], 2)


# One wanted column


def test_every_format_can_be_asked_for_one_column(tmp_path, write, write_table):
    np.savez(tmp_path / "a.npz", source=[[1, 2], [3, 4]], x=[5, 6])
    assert kept(tmp_path / "a.npz", INTEGERS)[2].to_pylist() == [{"source": [1, 2], "x": 5}, {"source": [3, 4], "x": 6}]
    for path in (
        write("a.csv", "x,source\n1,a\n2,\n3,\n"),
        write("a.tsv", "x\tsource\n1\ta\n2\t\n3\t\n"),
        write("a.jsonl", lines(*({"x": str(i), "source": text} for i, text in ((1, "a"), (2, ""), (3, ""))))),
        write_table("a.parquet", x=["1", "2", "3"], source=["a", "", ""]),
    ):
        # Empty values at the end of one column of several are no blank lines.
        assert kept(path)[2].to_pydict() == {"x": ["1", "2", "3"], "source": ["a", "", ""]}
    schema, numbers, table, _ = kept(write("b.csv", "a,1\n,2\n"), FIRST)
    assert (schema.names, numbers, table.to_pydict()) == (["0", "1"], [1, 2], {"0": ["a", ""], "1": ["1", "2"]})


def test_no_message_asks_for_a_target_where_none_is_wanted(tmp_path, write, write_table):
    np.savez(tmp_path / "a.npz", x=[1])
    np.savez(tmp_path / "b.npz", source=np.zeros((0, 2), int))
    cases = [
        (write("a.csv", "x,y\n1,2\n"), SOURCE),
        (write("b.csv", "x\n"), Layout((1,), ("words",), dialect=Dialect(header=False), sides=("source",))),
        (write("c.csv", "source\n"), SOURCE),
        (write("d.csv", "\n"), SOURCE),
        (write("a.jsonl", lines({"x": 1})), SOURCE),
        (write("b.jsonl", "\n"), SOURCE),
        (write_table("a.parquet", x=["1"]), SOURCE),
        (write_table("b.parquet", source=pa.array([], pa.string())), SOURCE),
        (write_table("c.parquet", source=[1]), SOURCE),
        (tmp_path / "a.npz", INTEGERS),
        (tmp_path / "b.npz", INTEGERS),
    ]
    for path, layout in cases:
        for action in (check_input, read_columns, columns_left_out):
            with pytest.raises(DataError) as error:
                action(file_at(path), layout)
            assert "target" not in str(error.value)
            assert "pair" not in str(error.value)


def test_blank_lines_of_a_file_of_one_column_are_missing_values_but_for_those_at_its_end(write):
    assert kept(write("a.csv", "source\na\n\nb\n\n\n"))[2].to_pydict() == {"source": ["a", "", "b"]}
    assert kept(write("b.csv", "a\n\nb\n\n"), FIRST)[2].to_pydict() == {"0": ["a", "", "b"]}


def test_a_column_is_found_without_reading_the_file(tmp_path, write, write_table):
    np.savez(tmp_path / "a.npz", source=[1], x=[2])
    many = lines(*({"source": "a"} for _ in range(999)), {"x": None})
    packed = gzip.compress(b"source,x\n" + b"1,2\n" * 100_000)[:-100]
    for path in (
        write("a.csv", "source,x\n1,2\n"),
        write("a.tsv", "source\tx\n"),
        write("b.csv.gz", packed),
        write("a.jsonl", many),
        write_table("a.parquet", source=["a"], x=["b"]),
        write_table("stream.arrow", source=["a"], x=["b"]),
        tmp_path / "a.npz",
    ):
        assert [has_column(file_at(path), SOURCE, name) for name in ("source", "x", "y")] == [True, True, False]
    assert not has_column(file_at(write("b.jsonl", lines({"source": "a"}) + many)), SOURCE, "x")
    assert [has_column(file_at(write("c.csv", "a,b\n")), FIRST, i) for i in (0, 1, 2)] == [True, True, False]
    for path in (write("d.csv", ""), write("d.parquet", b"PAR1\x15 and no more"), write("d.jsonl.gz", b"\x1f\x8b\x08")):
        with pytest.raises(DataError):
            has_column(file_at(path), SOURCE, "x")


def test_rows_are_counted_where_the_format_says_how_many_there_are(write, write_table):
    for name, n in (("a.parquet", 3), ("a.arrow", 3), ("stream.arrow", None)):
        assert count_rows(file_at(write_table(name, source=["a", "b", "c"]))) == n
    assert count_rows(file_at(write("a.csv", "source\na\n"))) is None


# Parquet and Arrow


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, None], pa.uint8()),
        pa.array([1.5, None], pa.float32()),
        pa.array([True, None]),
        pa.array([b"\xff", None]),
        pa.array([decimal.Decimal("1.50"), None]),
        pa.array([1, None], pa.timestamp("ns", "Europe/Berlin")),
        pa.array([1, None], pa.date32()),
        pa.array(["a", None]).dictionary_encode(),
        pa.array(["a", None], pa.large_string()),
        pa.array([["a", None], None], pa.large_list(pa.string())),
        pa.array([[1, 2], None], pa.list_(pa.int16(), 2)),
        pa.array([{"a": 1, "b": ["x"]}, None]),
        pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())),
        pa.nulls(2),
    ],
    ids=lambda column: str(column.type),
)
@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_columns_are_kept_as_they_are_stored(write_table, name, column):
    path = write_table(name, x=column, source=["a", "b"])
    schema, _, table, _ = kept(path)
    assert schema.field("x").type == column.type
    assert table["x"].combine_chunks().equals(column)
    assert columns_left_out(file_at(path), SOURCE) == []


def test_metadata_is_not_kept_however_deep_it_lies(tmp_path):
    inner = pa.field("y", pa.int64(), metadata={"PARQUET:field_id": "3"})
    field = pa.field("x", pa.struct([inner]), metadata={"a": "b"})
    table = pa.table([["a"], pa.array([{"y": 1}], field.type)], pa.schema([("source", pa.string()), field], {"c": "d"}))
    pq.write_table(table, tmp_path / "a.parquet")
    schema = kept(tmp_path / "a.parquet")[0]
    assert schema.equals(
        pa.schema([("source", pa.string()), ("x", pa.struct([("y", pa.int64())]))]), check_metadata=True
    )


def test_views_of_text_and_runs_are_kept_as_plain_columns(write_table):
    views = pa.array(["a", None], pa.string_view())
    path = write_table(
        "a.arrow",
        source=views,
        bytes=pa.array([b"a", None]).cast(pa.binary_view()),
        runs=pa.RunEndEncodedArray.from_arrays([1, 2], ["a", None]),
        list=pa.ListArray.from_arrays([0, 1, 2], views),
        dictionary=pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.uint32()), views),
    )
    schema, _, table, _ = kept(path)
    assert schema.types == [
        pa.large_string(),
        pa.large_binary(),
        pa.string(),
        pa.list_(pa.large_string()),
        pa.dictionary(pa.uint32(), pa.large_string()),
    ]
    assert [column.to_pylist() for column in table.columns] == [["a", None], [b"a", None], ["a", None], [["a"], [None]], ["a", None]]  # fmt: skip


def test_types_that_no_output_can_hold_are_left_out_and_named(write_table):
    union = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array(["a"])])
    path = write_table(
        "a.arrow",
        union=union,
        x=[1],
        inside=pa.StructArray.from_arrays([union], ["a"]),
        interval=pa.array([pa.MonthDayNano([1, 2, 3])]),
        source=["a"],
        empty=pa.array([{}], pa.struct([])),
    )
    assert kept(path)[2].to_pylist() == [{"x": 1, "source": "a"}]
    assert columns_left_out(file_at(path), SOURCE) == ["union", "inside", "interval", "empty"]


@pytest.mark.parametrize("form", ["text", "large", "view", "dictionary", "list", "fixed", "struct", "map", "deep"])
@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_text_that_is_no_utf8_in_any_column_makes_its_row_a_reject(write_table, monkeypatch, form, name):
    monkeypatch.setattr(columnar, "BLOCK_ROWS", 3)
    texts = ["a", b"b\xffd", "c", "d", "e", "f", b"\xc3", "g", "h", "i"]
    path = write_table(name, source=[*"0123456789"], x=no_utf8(*texts, form=form), y=list(range(10)))
    _, numbers, table, rejects = kept(path)
    assert numbers == [1, 3, 4, 5, 6, 8, 9, 10]
    assert table["y"].to_pylist() == [0, 2, 3, 4, 5, 7, 8, 9]
    good = write_table(name, x=no_utf8(*"acdefghi", form=form), source=[*"02345789"])
    assert table["x"].to_pylist() == kept(good)[2]["x"].to_pylist()
    assert [reject[:2] for reject in rejects] == [(2, "invalid_utf8"), (7, "invalid_utf8")]
    assert list(json.loads(rejects[0][2])) == ["source", "x", "y"]
    assert "b\\\\xffd" in rejects[0][2]
    # Nowhere, not even in a dictionary.
    assert b"b\xffd" not in b"".join(
        chunk for column in table.columns for part in column.chunks for chunk in buffers(part)
    )


def buffers(part):
    """What lies in a column's memory."""
    inner = [part.dictionary] if pa.types.is_dictionary(part.type) else []
    return [bytes(buffer) for array in [part, *inner] for buffer in array.buffers() if buffer is not None]


def test_text_that_is_no_utf8_is_no_fault_of_a_column_that_is_not_kept(write_table):
    path = write_table("a.parquet", source=["a", "b"], x=no_utf8("c", b"\xff"))
    (block,) = read_blocks(file_at(path), SOURCE)
    assert (block.rows.tolist(), block.rejects, block.kept) == ([1, 2], [], None)


def test_a_reject_shows_times_that_python_has_not(write_table):
    times = pa.array([1_000_000_001, 2], pa.timestamp("ns"))
    path = write_table("a.arrow", source=no_utf8(b"\xff", "b"), x=times, y=pa.array([2**60, 1], pa.timestamp("s")))
    ((_, _, content),) = kept(path)[3]
    assert json.loads(content)["x"] == "1970-01-01 00:00:01.000000001"


def test_damage_to_a_kept_column_is_refused_and_not_read_beyond_its_buffers(write_table, write):
    raw = write_table("a.arrow", source=["a", "bc", "def"], x=["a", "b", "c"]).read_bytes()
    sound = np.array([0, 1, 2, 3], np.int32).tobytes()
    assert raw.count(sound) == 1
    path = write("b.arrow", raw.replace(sound, np.array([0, 7_777_001, 7_777_002, 3], np.int32).tobytes()))
    schema = read_columns(file_at(path), SOURCE)
    with pytest.raises(DataError, match="breaks off or is damaged"):
        list(read_blocks(file_at(path), SOURCE, schema))


@pytest.mark.seconds
@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_the_size_of_blocks_takes_all_columns_into_account(write_table, name):
    path = write_table(name, source=["a"] * 100, x=["x" * 1_000_000] * 100)
    file = file_at(path)
    sizes = [block.kept.nbytes for block in read_blocks(file, SOURCE, read_columns(file, SOURCE))]
    assert len(sizes) > 2
    assert max(sizes) <= 40_000_000


@pytest.mark.seconds
def test_parquet_is_read_few_rows_at_a_time_where_any_column_is_large(write_table):
    path = write_table("a.parquet", source=["a"] * 100, x=["x" * 1_000_000] * 100)
    with file_at(path).open_file() as opened:
        assert max(batch.num_rows for batch in parquet.PARQUET.batches(opened, ["source", "x"])) < 40


def test_a_large_dictionary_does_not_make_blocks_small(write_table):
    categories = pa.array([f"{i:040d}" for i in range(50_000)])
    indices = pa.array(np.arange(60_000) % 50_000, pa.int32())
    path = write_table("a.parquet", source=["a"] * 60_000, x=pa.DictionaryArray.from_arrays(indices, categories))
    assert batch_rows(path, ["source", "x"]) == BLOCK_ROWS


def test_names_with_dots_are_not_taken_for_fields(write_table):
    path = write_table("a.parquet", a=[{"b": 1}], **{"a.b": ["x"], "source": ["s"]})
    assert kept(path)[2].to_pylist() == [{"a": {"b": 1}, "a.b": "x", "source": "s"}]


# CSV and TSV


def test_fields_are_kept_as_the_text_that_they_are(write):
    schema, _, table, _ = kept(write("a.csv", 'x,source,y\n007,a,\nNA,b,"c\n,""d"""\n'))
    assert schema.types == [pa.large_string()] * 3
    assert table.to_pylist() == [{"x": "007", "source": "a", "y": ""}, {"x": "NA", "source": "b", "y": 'c\n,"d"'}]


def test_bytes_that_are_no_utf8_in_any_field_make_a_reject_that_shows_all_fields(write):
    path = write("a.csv", b"x,source,n\xffme\n1,a,b\n\xff,c,d\n2,e\n3,f,\xc3\n4,g,h\n")
    schema, numbers, _, rejects = kept(path)
    assert schema.names == ["x", "source", "n\\xffme"]
    assert numbers == [1, 5]
    assert [reject[:2] for reject in rejects] == [(2, "invalid_utf8"), (3, "columns"), (4, "invalid_utf8")]
    assert rejects[0][2] == '{"x": "\\xff", "source": "c", "n\\\\xffme": "d"}'
    assert rejects[1][2] == "2,e"
    (block,) = read_blocks(file_at(path), SOURCE)
    assert block.rows.tolist() == [1, 2, 4, 5]


def test_a_column_whose_name_is_no_utf8_can_be_wanted(write):
    layout = Layout(("n\\xffme",), ("words",), sides=("source",))
    assert kept(write("a.csv", b"n\xffme,x\n1,2\n"), layout)[2].to_pylist() == [{"n\\xffme": "1", "x": "2"}]


# JSON lines


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([1, None, 2], pa.int64(), None),
        ([1, 2.5], pa.float64(), [1.0, 2.5]),
        ([2**53, 0.5], pa.float64(), [2.0**53, 0.5]),
        ([2**53 + 1, 0.5], pa.string(), ["9007199254740993", "0.5"]),
        ([-(2**63), 2**63 - 1], pa.int64(), None),
        ([0, 2**64 - 1], pa.uint64(), None),
        ([-1, 2**63], pa.string(), ["-1", "9223372036854775808"]),
        ([2**64], pa.string(), ["18446744073709551616"]),
        ([True, None, False], pa.bool_(), None),
        ([True, 1], pa.string(), ["true", "1"]),
        ([None, None], pa.string(), None),
        (["a", None, "null"], pa.string(), None),
        (["a", 1, None, 2.5, True], pa.string(), ["a", "1", None, "2.5", "true"]),
        ([[1], [], [None, 2.5], None], pa.list_(pa.float64()), [[1.0], [], [None, 2.5], None]),
        ([[], []], pa.list_(pa.string()), None),
        ([["a"], [1]], pa.string(), ['["a"]', "[1]"]),
        ([[1], 1], pa.string(), ["[1]", "1"]),
        ([[[1], []], [None]], pa.list_(pa.list_(pa.int64())), None),
        (
            [{"b": 1}, {"a": "ä", "b": 2.5}, None],
            pa.struct([("b", pa.float64()), ("a", pa.string())]),
            [{"b": 1.0, "a": None}, {"b": 2.5, "a": "ä"}, None],
        ),
        ([{"a": 1}, {"a": "ä"}], pa.string(), ['{"a": 1}', '{"a": "ä"}']),
        ([{}, {}], pa.string(), ["{}", "{}"]),
        ([{"a": {}}], pa.string(), ['{"a": {}}']),
        ([{"a": []}, "x"], pa.string(), ['{"a": []}', "x"]),
    ],
)
def test_a_key_has_the_type_that_its_values_have_in_common(write, values, kind, expected):
    path = write("a.jsonl", lines(*({"source": "a", "x": value} for value in values)))
    schema, _, table, rejects = kept(path)
    assert (schema.field("x").type, rejects) == (kind, [])
    assert table["x"].to_pylist() == (values if expected is None else expected)
    for ordered in (values, values[::-1]):
        assert in_order(type_in_common(*([value] for value in ordered))) == in_order(kind)


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text("ab", max_size=2)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("kl", max_size=1), inner, max_size=2)
)
alike = st.sampled_from([scalars, st.integers(-10, 10) | st.floats(0, 1), st.integers(2**60, 2**64), json_values])


def type_in_common(*blocks):
    keys = KeyTypes("a.jsonl")
    for block in blocks:
        keys.add([{"x": value} for value in block])
    return keys.schema().field("x").type


@settings(max_examples=settings.default.max_examples * 3 // 2)
@given(
    values=alike.flatmap(lambda kind: st.lists(kind | st.lists(kind, max_size=3), min_size=1, max_size=6)),
    data=st.data(),
)
def test_the_type_in_common_is_arrows_own_and_does_not_depend_on_blocks_or_order(values, data):
    found = type_in_common(values)
    assert type_in_common(*([value] for value in values)) == found
    shuffled = data.draw(st.permutations(values))
    assert in_order(type_in_common(shuffled)) == in_order(found)
    rows = [{"x": value} for value in values]
    (column,) = json_types.to_columns(rows, pa.schema([("x", found)]))
    assert len(column) == len(values)
    try:
        inferred = pa.array(values).type
    except (pa.ArrowException, OverflowError):
        assert found in (pa.string(), pa.uint64()) or "uint64" in str(found)
        return
    # Arrow makes numbers of truth values among floats, and has types for what is always null or empty.
    if not any(word in repr(values) + str(inferred) for word in ("True", "False", "null", "struct<>")):
        assert in_order(found) == in_order(inferred)
        assert column.to_pylist() == pa.array(values, found).to_pylist()


def in_order(kind):
    """The type with the fields of its structures by name."""
    if pa.types.is_list(kind):
        return pa.list_(in_order(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct(sorted((kind.field(i).name, in_order(kind.field(i).type)) for i in range(kind.num_fields)))
    return kind


def test_keys_come_as_they_first_appear_and_lines_that_are_no_rows_do_not_count(write, monkeypatch):
    monkeypatch.setattr("tasks.storage.readers.json_lines.BLOCK_ROWS", 2)
    good = [{"source": "a", "z": 1}, {"b": 2, "source": "b"}, {"a": 3, "source": "c"}]
    content = lines(good[0]) + '{"broken": 1\n["list"]\n' + lines(*good[1:]) + '{"source": "\\ud800", "half": 1}\n'
    schema, numbers, table, rejects = kept(write("a.jsonl", content))
    assert schema.names == ["source", "z", "b", "a"]
    assert numbers == [1, 4, 5]
    assert table.to_pylist() == [{"source": None, "z": None, "b": None, "a": None} | row for row in good]
    assert [reject[1] for reject in rejects] == ["json", "json", "invalid_utf8"]


def test_rows_that_the_wanted_columns_reject_count_for_the_types(write):
    schema, numbers, table, rejects = kept(write("a.jsonl", lines({"source": "a", "x": 1}, {"source": 1, "x": 0.5})))
    assert schema.types == [pa.string(), pa.float64()]
    assert (numbers, table.to_pylist()) == ([1], [{"source": "a", "x": 1.0}])
    assert rejects == [(2, "source_type", '{"source": 1, "x": 0.5}')]


@pytest.mark.parametrize("half", ['"\\ud800"', '["a", "\\uDFFF"]', '{"k": {"\\udabc": 1}}'])
def test_half_a_surrogate_pair_in_any_key_makes_its_row_a_reject(write, half):
    path = write("a.jsonl", lines({"source": "a", "x": "\U0001f600"}) + '{"source": "b", "x": ' + half + "}\n")
    _, numbers, table, rejects = kept(path)
    assert (numbers, table["x"].to_pylist()) == ([1], ["\U0001f600"])
    assert rejects[0][:2] == (2, "invalid_utf8")
    (block,) = read_blocks(file_at(path), SOURCE)
    assert block.rows.tolist() == [1, 2]


def test_an_integer_that_python_does_not_read_makes_its_row_a_reject(write):
    _, numbers, _, rejects = kept(
        write("a.jsonl", '{"source": "a", "x": 1' + "0" * 5000 + "}\n" + lines({"source": "b"}))
    )
    assert (numbers, rejects[0][:2]) == ([2], (1, "json"))


@pytest.mark.parametrize(
    ("depth", "found"), [(16, "list"), (17, "text"), (199, "text"), (200, "reject"), (1000, "reject"), (9999, "reject")]
)
def test_what_is_nested_deep_is_kept_as_text_and_deeper_is_a_reject(write, depth, found):
    value = "[" * depth + "]" * depth
    path = write("a.jsonl", f'{{"source": "a", "x": {value}}}\n' + lines({"source": "b", "y": "[" * 300}))
    schema, numbers, table, rejects = kept(path)
    if found == "reject":
        assert (schema.names, numbers, rejects[0][:2]) == (["source", "y"], [2], (1, "json"))
    elif found == "list":
        assert pa.types.is_list(schema.field("x").type)
    else:
        assert table["x"].to_pylist() == [value, None]


@pytest.mark.seconds
def test_objects_whose_keys_are_data_are_kept_as_text(write):
    rows = [{"source": "a", "x": {f"user{i}": i}} for i in range(limits.MOST_PARTS + 1)]
    schema, _, table, _ = kept(write("a.jsonl", lines(*rows)))
    assert schema.field("x").type == pa.string()
    assert table["x"][1].as_py() == '{"user1": 1}'
    assert kept(write("a.jsonl", lines(*rows[:900])))[0].field("x").type.num_fields == 900


@pytest.mark.seconds
def test_too_many_different_keys_are_refused(write):
    rows = lines(*({"source": "a", f"k{i}": 1} for i in range(limits.MOST_COLUMNS)))
    with pytest.raises(DataError, match="has more than 10,000 different keys, of which each would become a column"):
        read_columns(file_at(write("a.jsonl", rows)), SOURCE)


def test_blocks_of_many_keys_have_few_rows(write, monkeypatch):
    monkeypatch.setattr("tasks.storage.readers.json_lines._BLOCK_CELLS", 100)
    path = write("a.jsonl", lines(*({"source": "a", f"k{i % 7}": {"a": 1, "b": [2]}} for i in range(30))))
    schema = read_columns(file_at(path), SOURCE)
    found = list(read_blocks(file_at(path), SOURCE, schema))
    assert [len(block.rows) for block in found] == [6, 6, 6, 6, 6]  # 15 values a row


# npz


def test_arrays_are_kept_as_values_or_lists_of_their_kind(tmp_path):
    arrays: dict[str, Any] = {
        "source": np.array([[1, 2], [3, 4]], ">i2"),
        "unsigned": np.array([2**64 - 1, 0], np.uint64),
        "real": np.array([0.5, np.inf], np.float16),
        "flag": np.array([True, False]),
        "text": np.array(["a\0b", "ü"]),
        "texts": np.array([["a", ""], ["b", "cd"]], ">U2"),
        "bytes": np.array([b"a\xff", b""]),
        "deep": np.arange(8).reshape(2, 2, 2),
        "none": np.zeros((2, 0)),
        "day": np.array(["2020-01-02", "NaT"], "M8[D]"),
        "time": np.array([1, 2], ">M8[s]"),
    }
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    schema, _, table, _ = kept(tmp_path / "a.npz", INTEGERS)
    assert schema.names == list(arrays)
    assert [str(kind).replace("item: ", "") for kind in schema.types] == [
        "list<int64>",
        "uint64",
        "double",
        "bool",
        "string",
        "list<string>",
        "binary",
        "list<list<int64>>",
        "list<double>",
        "date32[day]",
        "timestamp[s]",
    ]
    assert [column.to_pylist() for column in table.columns[:9]] == [
        array.tolist() for array in list(arrays.values())[:9]
    ]
    assert [[str(value) for value in column.to_pylist()] for column in table.columns[9:]] == [
        ["2020-01-02", "None"],
        ["1970-01-01 00:00:01", "1970-01-01 00:00:02"],
    ]
    assert columns_left_out(file_at(tmp_path / "a.npz"), INTEGERS) == []


def test_arrays_that_are_no_columns_are_left_out_and_named(tmp_path):
    others: dict[str, Any] = {
        "objects": np.array([1, "a"], dtype=object),
        "constant": np.array(5),
        "longer": np.arange(3),
        "complex": np.zeros(2, complex),
        "weeks": np.array(["2020-01-01"] * 2, "M8[W]"),
        "by_columns": np.asfortranarray(np.arange(4.0).reshape(2, 2)),
        "structure": np.zeros(2, [("x", "i4")]),
    }
    np.savez(tmp_path / "a.npz", source=[1, 2], x=[3, 4], **others)
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("readme.txt", "hello")
    assert kept(tmp_path / "a.npz", INTEGERS)[2].to_pydict() == {"source": [1, 2], "x": [3, 4]}
    assert columns_left_out(file_at(tmp_path / "a.npz"), INTEGERS) == [*others, "readme.txt"]


def test_numbers_that_are_no_characters_make_their_row_a_reject(tmp_path):
    points = np.array([[97, 0], [0xD800, 98], [99, 0x110000]], np.uint32)
    np.savez(tmp_path / "a.npz", source=np.array([1, 2, 2**63], np.uint64), text=points.view("<U2").ravel())
    _, numbers, table, rejects = kept(tmp_path / "a.npz", INTEGERS)
    assert (numbers, table.to_pydict()) == ([1], {"source": [1], "text": ["a"]})
    assert [reject[:2] for reject in rejects] == [(2, "invalid_utf8"), (3, "invalid_utf8")]
    assert rejects[1][2].startswith('{"source": 9223372036854775808, "text": ')


def test_the_checksums_of_kept_arrays_are_compared(tmp_path, write):
    np.savez(tmp_path / "a.npz", source=np.arange(1000), x=np.arange(5000.0).reshape(1000, 5))
    raw = bytearray((tmp_path / "a.npz").read_bytes())
    raw[-5000] ^= 1
    path = write("b.npz", bytes(raw))
    schema = read_columns(file_at(path), INTEGERS)
    assert sum(len(block.rows) for block in read_blocks(file_at(path), INTEGERS)) == 1000
    with pytest.raises(DataError, match="CRC"):
        list(read_blocks(file_at(path), INTEGERS, schema))


# Streams


@pytest.mark.seconds
@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.csv", "a.jsonl", "a.npz"])
def test_kept_columns_come_in_the_same_blocks_as_the_wanted_ones(tmp_path, write, write_table, name):
    n = 70_000
    values = [*map(str, range(n))]
    if name == "a.npz":
        np.savez(tmp_path / name, source=np.arange(n), x=np.arange(n))
    elif name == "a.csv":
        write(name, "source,x\n" + "".join(f"{i},{i}\n" for i in range(n)))
    elif name == "a.jsonl":
        write(name, "".join(f'{{"source":"{i}","x":"{i}"}}\n' for i in range(n)))
    else:
        write_table(name, source=values, x=values)
    layout = INTEGERS if name == "a.npz" else SOURCE
    file = file_at(tmp_path / name)
    found = list(read_blocks(file, layout, read_columns(file, layout)))
    assert len(found) >= 3
    assert all(block.kept.num_rows == len(block.rows) <= 32_768 for block in found)
    numbers = itertools.chain.from_iterable(block.rows.tolist() for block in found)
    kept_values = itertools.chain.from_iterable(block.kept["x"].to_pylist() for block in found)
    assert all(int(value) + 1 == number for value, number in zip(kept_values, numbers, strict=True))
