import gzip
import io
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.data import FORMATS as NAMES
from tasks.storage.readers.blocks import Layout
from tasks.storage.readers.formats import FORMATS, format_of, key_of
from tasks.storage.readers.inputs import PREDICTION, find_inputs, list_inputs
from tasks.storage.readers.user_files import check_input


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a,b\n1,2\n")


def names(where):
    return [file.path.removeprefix(str(where) + "/") for file in list_inputs(where)]


def matches(folder, pattern):
    return [file.path.removeprefix(str(folder) + "/") for file in list_inputs(folder / pattern)]


def refusal(where):
    with pytest.raises(DataError) as error:
        list_inputs(where)
    assert str(where) in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "known", "compression"),
    [
        ("a.parquet", "Parquet", None),
        ("a.arrow", "Arrow", None),
        ("a.feather", "Arrow", None),
        ("a.csv", "CSV", None),
        ("a.b.CSV", "CSV", None),
        ("a.tsv.gz", "TSV", "gzip"),
        ("a.jsonl.zst", "JSON lines", "zstd"),
        ("a.ndjson.zstd", "JSON lines", "zstd"),
        ("a.npz", "npz", None),
    ],
)
def test_format_and_compression_go_by_the_suffixes(tmp_path, name, known, compression):
    touch(tmp_path, name)
    (file,) = list_inputs(tmp_path / name)
    assert (file.name, format_of(file.path).name, file.compression) == (name, known, compression)


def test_a_relative_path_becomes_absolute(tmp_path, monkeypatch):
    touch(tmp_path, "a.csv")
    monkeypatch.chdir(tmp_path)
    (file,) = list_inputs(Path("a.csv"))
    assert file.path == str(tmp_path / "a.csv")


def test_a_folder_gives_all_files_of_known_suffixes_however_deep_sorted_by_path(tmp_path):
    touch(tmp_path, "b.csv", "a/z.jsonl.gz", "a/deep/c.parquet", "notes.txt", "a.parquet.gz")
    assert names(tmp_path) == ["a/deep/c.parquet", "a/z.jsonl.gz", "b.csv"]


def test_names_that_begin_with_a_dot_or_an_underscore_are_left_out(tmp_path):
    touch(tmp_path, "a.csv", ".b.csv", "_c.csv", "_delta_log/d.parquet", ".git/e.csv")
    assert names(tmp_path) == ["a.csv"]
    assert matches(tmp_path, "*.csv") == ["a.csv"]
    assert matches(tmp_path, "_*.csv") == ["_c.csv"]
    assert len(list_inputs(tmp_path / "_c.csv")) == 1


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.csv", ["x1.csv", "x2.csv"]),
        ("x?.csv", ["x1.csv", "x2.csv"]),
        ("x[2-9].csv", ["x2.csv"]),
        ("*/*.csv", ["a/x3.csv"]),
        ("**/*.csv", ["a/b/x4.csv", "a/x3.csv", "x1.csv", "x2.csv"]),
        ("a/**", ["a/b/x4.csv", "a/x3.csv"]),
        ("**/b/*", ["a/b/x4.csv"]),
        ("*", ["x1.csv", "x2.csv"]),
        ("*/b/x4.csv", ["a/b/x4.csv"]),
    ],
)
def test_a_pattern_gives_the_files_that_match(tmp_path, pattern, expected):
    touch(tmp_path, "x1.csv", "x2.csv", "a/x3.csv", "a/b/x4.csv", "a/note.txt", "readme.md")
    assert matches(tmp_path, pattern) == expected


def test_what_exists_by_its_very_name_is_no_pattern(tmp_path):
    touch(tmp_path, "a[1].csv", "a1.csv", "d[1]/b.csv", "d1/c.csv")
    assert matches(tmp_path, "a[1].csv") == ["a[1].csv"]
    assert matches(tmp_path, "d[1]") == ["d[1]/b.csv"]


def test_links_are_followed_and_one_that_leads_back_ends(tmp_path):
    touch(tmp_path, "in/a.csv", "out/b.csv")
    (tmp_path / "in" / "loop").symlink_to(tmp_path)
    (tmp_path / "in" / "more").symlink_to(tmp_path / "out")
    assert names(tmp_path / "in") == ["a.csv", "more/b.csv"]


def test_a_missing_path_is_refused(tmp_path):
    assert "does not exist; expected a file, a folder, or a pattern" in refusal(tmp_path / "no.csv")


def test_a_pattern_that_matches_nothing_is_refused(tmp_path):
    touch(tmp_path, "a.csv")
    assert "matches no file" in refusal(tmp_path / "*.parquet")
    assert "matches no file" in refusal(tmp_path / "no" / "*.csv")


def test_a_folder_without_a_usable_file_is_refused_with_what_is_there(tmp_path):
    assert "holds no file" in refusal(tmp_path)
    touch(tmp_path, "a.txt", "b.xlsx", "c.pdf", "d.doc")
    message = refusal(tmp_path)
    assert "a.txt, b.xlsx, c.pdf and 1 more" in message
    assert ".parquet, .arrow" in message


@pytest.mark.parametrize("name", ["a.txt", "a", "a.gz", "a.csv.bz2"])
def test_an_unknown_suffix_is_refused(tmp_path, name):
    touch(tmp_path, name)
    message = refusal(tmp_path / name)
    assert "of no known suffix" in message
    assert ".parquet" in message


def test_a_compressed_parquet_is_refused_with_the_reason(tmp_path):
    touch(tmp_path, "a.parquet.gz")
    assert "Parquet compresses inside, decompress it" in refusal(tmp_path / "a.parquet.gz")


def test_what_is_neither_file_nor_folder_is_refused(tmp_path):
    os.mkfifo(tmp_path / "a.csv")
    assert "neither a file nor a folder" in refusal(tmp_path / "a.csv")


def test_the_files_left_out_of_a_folder_are_told(tmp_path):
    touch(tmp_path, "a.csv", "b.txt", "c/d.parquet.gz", "_SUCCESS")
    assert find_inputs(tmp_path).others == [str(tmp_path / "b.txt"), str(tmp_path / "c/d.parquet.gz")]
    assert find_inputs(tmp_path / "*").others == [str(tmp_path / "b.txt")]
    assert find_inputs(tmp_path / "a.csv").others == []


def test_links_and_overlaps_within_an_input_give_each_file_once_and_the_file_before_its_links(tmp_path):
    touch(tmp_path, "in/b.csv", "in/sub/c.csv", "out/d.csv")
    (tmp_path / "in" / "a.csv").symlink_to("b.csv")
    (tmp_path / "in" / "also").symlink_to(tmp_path / "in" / "sub")
    (tmp_path / "in" / "x.csv").symlink_to(tmp_path / "out" / "d.csv")
    (tmp_path / "in" / "y.csv").symlink_to(tmp_path / "out" / "d.csv")
    found = find_inputs(tmp_path / "in")
    assert [file.name for file in found.files] == ["b.csv", "sub/c.csv", "x.csv"]
    assert found.again == [str(tmp_path / "in" / name) for name in ("a.csv", "also/c.csv", "y.csv")]


def test_an_input_that_is_reached_by_a_link_has_no_links_in_it(tmp_path):
    touch(tmp_path, "real/a.csv", "real/sub/b.csv")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    found = find_inputs(tmp_path / "link")
    assert ([file.name for file in found.files], found.again) == (["a.csv", "sub/b.csv"], [])


@pytest.mark.parametrize(("where", "below"), [("in/a.csv", "a.csv"), ("in", "a.csv"), ("*/*", "in/a.csv")])
def test_a_file_is_known_by_its_path_below_the_input(tmp_path, where, below):
    touch(tmp_path, "in/a.csv")
    (file,) = list_inputs(tmp_path / where)
    assert file.name == below
    assert file.is_named is (where == "in/a.csv")


def test_a_link_that_leads_nowhere_is_refused_as_one(tmp_path):
    (tmp_path / "a.csv").symlink_to("nowhere")
    assert "is a link that leads nowhere" in refusal(tmp_path / "a.csv")


def test_the_settings_know_the_formats_by_the_names_that_the_table_gives_them():
    assert tuple(key_of(form) for form in FORMATS) == NAMES


def contents():
    """Content of each format, by the name of the format."""
    table = pa.table({"source": [[1, 2], [3]]})
    made = {name: io.BytesIO() for name in ("parquet", "arrow", "npz")}
    pq.write_table(table, made["parquet"])
    with pa.ipc.new_file(made["arrow"], table.schema) as writer:
        writer.write_table(table)
    np.savez(made["npz"], source=np.array([[1, 2], [3, 4]]))
    text = {
        "csv": b"source,x\n1 2,3\n",
        "tsv": b"source\tx\n1 2\t3\n",
        "jsonl": b'\n{"source": [1, 2]}\n{"source": [3]}\n',
    }
    return {**{name: file.getvalue() for name, file in made.items()}, **text}


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_another_name_is_refused_with_the_setting_that_reads_it(tmp_path, name):
    for path in (tmp_path / "a.data", tmp_path / "in" / "a"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(contents()[name])
    assert f'data.format = "{name}"' in refusal(tmp_path / "a.data")
    assert f'data.format = "{name}", as a looks' in refusal(tmp_path / "in")
    with pytest.raises(DataError, match=f"--input-format {name}"):
        find_inputs(tmp_path / "a.data", None, PREDICTION)
    (file,) = list_inputs(tmp_path / "a.data", name)
    check_input(file, Layout(("source",), ("integers",), sides=("source",)))
    assert len(list_inputs(tmp_path, name)) == 2


def test_a_compression_goes_by_the_suffix_whatever_the_format_is(tmp_path):
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(contents()["tsv"]))
    assert 'data.format = "tsv"' in refusal(tmp_path / "a.txt.gz")
    (file,) = list_inputs(tmp_path / "a.txt.gz", "tsv")
    check_input(file, Layout(("source",), ("integers",), sides=("source",)))
    (file,) = list_inputs(tmp_path / "a.txt.gz", "parquet")
    with pytest.raises(DataError, match="is to be read as parquet, which compresses inside"):
        check_input(file, Layout(("source",), ("integers",), sides=("source",)))


@pytest.mark.parametrize("content", [b'[{"source": [1]}]', b'{\n "source": [1]\n}\n', b'[\n{"source": [1]}\n]'])
def test_a_file_of_one_json_value_is_refused_with_how_it_becomes_lines(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    assert "is one JSON value, not an object a line" in refusal(tmp_path / "a.json")


@pytest.mark.parametrize("content", [b"", b"\0\1\2", b"\n\n", b"\x89PNG\r\n\x1a\n\0\0"])
def test_what_is_no_text_of_any_format_is_refused_without_a_setting(tmp_path, content):
    (tmp_path / "a.bin").write_bytes(content)
    assert refusal(tmp_path / "a.bin").endswith("convert or rename it")


def test_a_file_that_does_not_begin_like_the_format_that_is_set_is_refused_by_the_setting(tmp_path):
    (tmp_path / "a.txt").write_bytes(contents()["csv"])
    (file,) = list_inputs(tmp_path / "a.txt", "parquet")
    with pytest.raises(DataError, match="is not Parquet, as the setting says"):
        check_input(file, Layout(("source",), ("integers",), sides=("source",)))
