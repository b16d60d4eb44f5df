import os
from pathlib import Path

import pytest

from tasks.seq2seq.errors import DataError
from tasks.storage.readers.formats import format_of
from tasks.storage.readers.inputs import ignored_files, list_inputs


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
    assert ignored_files(tmp_path) == [str(tmp_path / "b.txt"), str(tmp_path / "c/d.parquet.gz")]
    assert ignored_files(tmp_path / "*") == [str(tmp_path / "b.txt")]
    assert ignored_files(tmp_path / "a.csv") == []
