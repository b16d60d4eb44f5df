"""Whatever a file says of itself, reading it ends and takes at most 1 GiB beside the libraries.

Each file is read in a process of its own, whose largest resident size the kernel tells.
"""

import gzip
import io
import json
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.seconds
MOST_MIB = 1024
MIB = 2**20
READ = """
import json, resource, sys
from pathlib import Path
from tasks.seq2seq.errors import DataError
from tasks.storage.readers.blocks import Layout
from tasks.storage.readers.inputs import list_inputs
from tasks.storage.readers.user_files import count_rows, read_blocks, read_columns

def largest():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

before, said, reasons, n = largest(), "", [], 0
try:
    (file,) = list_inputs(Path(sys.argv[1]))
    layout = Layout(("source",), ("characters",), sides=("source",)) if sys.argv[2] == "text" else Layout(
        ("source",), (sys.argv[2],), sides=("source",), prefix="--")
    count_rows(file)
    kept = read_columns(file, layout)
    for block in read_blocks(file, layout, kept):
        n += len(block.rows)
        reasons += [(reject.row, reject.reason) for reject in block.rejects]
        assert all(len(reject.content) < 1_000_000 for reject in block.rejects)
except DataError as error:
    said = str(error)
print(json.dumps({"mib": largest() - before, "said": said, "reasons": reasons[:9], "n": n, "rejected": len(reasons)}))
"""


def read(path, kind="text"):
    """What came of reading a file: how many rows, which rejects, or why it is refused."""
    given = [sys.executable, "-c", READ, str(path), kind]
    done = subprocess.run(given, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["mib"] < MOST_MIB, found
    return found


# CSV


def test_a_csv_of_300_000_columns_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(",".join(["source", *(f"c{i}" for i in range(300_000))]) + "\n" + ",".join("1" * 300_001) + "\n")
    assert "more than 10,000 columns" in read(path)["said"]


@pytest.mark.slow
def test_a_csv_of_as_many_columns_as_may_be_is_read(tmp_path):
    path = tmp_path / "a.csv"
    names = ",".join(["source", *(f"c{i}" for i in range(9_999))])
    path.write_text(names + "\n" + (",".join("1" * 10_000) + "\n") * 300)
    assert read(path)["n"] == 300


@pytest.mark.parametrize("name", ["a.csv.gz", "a.jsonl.gz", "one.csv.gz"])
def test_many_blank_lines_in_a_gzip_are_refused(tmp_path, name):
    start = {"a.csv.gz": b"source,target\n1,2\n", "one.csv.gz": b"source\n1\n", "a.jsonl.gz": b'{"source": "1"}\n'}
    with gzip.open(tmp_path / name, "wb", compresslevel=1) as file:
        file.write(start[name])
        for _ in range(64):
            file.write(b"\n" * MIB)
    assert "16 MiB of blank lines" in read(tmp_path / name)["said"]


def test_blank_lines_with_something_between_them_are_no_rows_and_cost_little(tmp_path):
    with gzip.open(tmp_path / "a.jsonl.gz", "wb", compresslevel=1) as file:
        for _ in range(64):
            file.write(b'{"source": "1"}' + b"\n \n" * (MIB // 3))
    assert read(tmp_path / "a.jsonl.gz")["n"] == 64


@pytest.mark.slow
def test_quotes_and_nothing_else_cost_little(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"source,target\n" + (b'a"b' * 1000 + b",2\n") * 5_000)
    assert read(tmp_path / "a.csv")["n"] == 5_000


# Rows are made where they are written: as parameters they would be made whenever tests are collected.
@pytest.mark.parametrize(
    "row", [lambda: b"x" * 100 * MIB, lambda: b'"' + b"x\n" * 50 * MIB + b'"'], ids=["plain", "quoted"]
)
def test_a_csv_with_a_field_of_100_mb_is_refused(tmp_path, row):
    (tmp_path / "a.csv").write_bytes(b"source,target\n1,2\n" + row() + b",2\n3,4\n")
    assert "longer than 16 MiB" in read(tmp_path / "a.csv")["said"]


# JSON lines


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (lambda: b'{"source": "' + b"x" * 100 * MIB + b'"}', "too_large"),
        (lambda: b'{"source": "a", "x": [' + b"[]," * 5 * MIB + b"1]}", "too_large"),
        (lambda: b'{"source": "a", "x": {' + b",".join(b'"k%d":1' % i for i in range(1_000_001)) + b"}}", "too_large"),
        (lambda: b'{"source": "a", "x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", "json"),
    ],
    ids=["a long text", "many lists", "a million keys", "nested deep"],
)
def test_a_row_of_json_that_is_too_large_is_rejected(tmp_path, row, reason):
    (tmp_path / "a.jsonl").write_bytes(b'{"source": "a"}\n' + row() + b'\n{"source": "b"}\n')
    found = read(tmp_path / "a.jsonl")
    assert (found["n"], found["reasons"]) == (2, [[2, reason]])


@pytest.mark.slow
def test_a_row_of_json_nearly_too_large_is_read(tmp_path):
    row = b'{"source": "a", "x": [' + b'{"a":1},' * 450_000 + b"1]}\n"
    (tmp_path / "a.jsonl").write_bytes(row * 3)
    assert read(tmp_path / "a.jsonl")["n"] == 3


@pytest.mark.slow
def test_objects_of_a_million_different_keys_are_refused(tmp_path):
    rows = (json.dumps({"source": "a", **{f"k{i}{j}": 1 for j in range(1000)}}) for i in range(1000))
    (tmp_path / "a.jsonl").write_text("\n".join(rows))
    assert "more than 10,000 different keys" in read(tmp_path / "a.jsonl")["said"]


# npz


def member(shape, kind, n_bytes):
    """A member of an npz that says it is of a shape, with as many zeros as it has bytes."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"shape": shape, "fortran_order": False, "descr": kind})
    return header.getvalue(), n_bytes


def write_npz(path, header, n_bytes):
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("source.npy", "w", force_zip64=True) as file,
    ):
        file.write(header)
        for _ in range(n_bytes // MIB):
            file.write(bytes(MIB))
        file.write(bytes(n_bytes % MIB))


@pytest.mark.parametrize(
    ("shape", "kind", "n_bytes", "said"),
    [
        ((1, 100 * MIB), "<f8", 800 * MIB, "rows of 838,860,800 bytes"),
        ((1,), f"<U{100 * MIB}", 400 * MIB, "rows of 419,430,400 bytes"),
        ((2**40, 0), "<f8", 0, "announces 1,099,511,627,776 rows"),
        ((0, 2**62), "<f8", 0, "rows of "),
        ((2**60, 2**60, 2**60), "<f8", 0, "rows of "),
    ],
)
def test_an_npz_of_rows_that_are_too_large_or_too_many_is_refused(tmp_path, shape, kind, n_bytes, said):
    write_npz(tmp_path / "a.npz", *member(shape, kind, n_bytes))
    found = read(tmp_path / "a.npz", "vectors" if "f" in kind else "text")
    assert said in found["said"]


@pytest.mark.slow
def test_an_npz_that_expands_a_thousand_times_is_streamed(tmp_path):
    write_npz(tmp_path / "a.npz", *member((1000, 100_000), "<f8", 800_000_000))
    assert (tmp_path / "a.npz").stat().st_size < 10 * MIB
    assert read(tmp_path / "a.npz", "vectors")["n"] == 1000


@pytest.mark.slow
def test_a_header_of_an_array_that_expands_is_refused(tmp_path):
    header = np.lib.format.magic(2, 0) + struct.pack("<I", 500 * MIB)
    write_npz(tmp_path / "a.npz", header, 500 * MIB)
    assert "its header is of 524,288,000 bytes" in read(tmp_path / "a.npz")["said"]


# Parquet


@pytest.mark.slow
def test_a_value_that_many_rows_share_is_not_multiplied_in_memory(tmp_path):
    # The first thousand rows say nothing of it.
    at = pa.array([0] * 1000 + [1] * 2000, pa.int32())
    table = pa.table({"source": pa.DictionaryArray.from_arrays(at, pa.array(["x", "x" * MIB]))})
    pq.write_table(table, tmp_path / "a.parquet", store_schema=False, dictionary_pagesize_limit=8 * MIB)
    del table
    assert (tmp_path / "a.parquet").stat().st_size < MIB
    assert read(tmp_path / "a.parquet")["n"] == 3000


def test_a_value_of_a_dictionary_that_is_too_large_is_refused(tmp_path):
    at = pa.array([0] * 40 + [1] * 1000, pa.int32())
    table = pa.table({"source": pa.DictionaryArray.from_arrays(at, pa.array(["x" * 20 * MIB, "x"]))})
    pq.write_table(table, tmp_path / "a.parquet", store_schema=False, dictionary_pagesize_limit=64 * MIB)
    assert "a value of 20,971,520 bytes" in read(tmp_path / "a.parquet")["said"]


def test_a_row_that_is_too_large_is_rejected(tmp_path):
    table = pa.table({"source": ["c"] * 9 + ["a", "x" * 100 * MIB, "b"], "id": range(12)})
    pq.write_table(table, tmp_path / "a.parquet", use_dictionary=False)
    found = read(tmp_path / "a.parquet")
    assert (found["n"], found["reasons"]) == (11, [[11, "too_large"]])


@pytest.mark.slow
def test_a_list_of_one_row_that_is_too_large_is_rejected_or_refused(tmp_path):
    for n in (40 * MIB, 80 * MIB):
        lists = pa.ListArray.from_arrays(pa.array([0, 1, n + 1, n + 2]), pa.array(np.zeros(n + 2, np.int8)))
        pq.write_table(pa.table({"source": lists}), tmp_path / "a.parquet")
        del lists
        found = read(tmp_path / "a.parquet", "integers")
        if n < 64 * MIB:
            assert (found["n"], found["reasons"]) == (2, [[2, "too_large"]])
        else:
            assert "announces 83,886,082 values" in found["said"]


def test_rows_that_no_file_of_its_size_can_have_are_refused(tmp_path):
    with pq.ParquetWriter(tmp_path / "a.parquet", pa.schema([("source", pa.null())])) as writer:
        for _ in range(10):
            writer.write_table(pa.table({"source": pa.nulls(10**6)}))
    assert "announces 10,000,000 rows" in read(tmp_path / "a.parquet")["said"]


def test_a_schema_of_many_columns_is_refused(tmp_path):
    pq.write_table(pa.table({"source": ["a"], **{f"c{i}": [1] for i in range(10_000)}}), tmp_path / "a.parquet")
    assert "more than 10,000 columns" in read(tmp_path / "a.parquet")["said"]


@pytest.mark.slow
def test_a_schema_of_as_many_columns_as_may_be_is_read(tmp_path):
    pq.write_table(pa.table({"source": ["a"], **{f"c{i}": [1] for i in range(9_999)}}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet")["n"] == 1


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_a_schema_that_is_deep_is_refused(tmp_path, name):
    deep = pa.int8()
    for _ in range(55):
        deep = pa.struct([("a", deep)])
    table = pa.table({"source": ["a"], "x": pa.nulls(1, deep)})
    if name == "a.parquet":
        pq.write_table(table, tmp_path / name)
    else:
        write_arrow(tmp_path / name, table)
    assert "more than 50 levels" in read(tmp_path / name)["said"]


# Arrow


def write_arrow(path, table):
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def test_an_arrow_batch_of_an_absurd_length_is_refused(tmp_path):
    write_arrow(tmp_path / "a.arrow", pa.table({"source": pa.nulls(2**30)}))
    assert "announces 1,073,741,824 rows" in read(tmp_path / "a.arrow")["said"]


def test_an_arrow_stream_of_an_absurd_length_is_refused(tmp_path):
    table = pa.table({"source": pa.nulls(2**30)})
    with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    assert "announces 1,073,741,824 rows" in read(tmp_path / "a.arrow")["said"]


def test_a_row_of_arrow_that_is_too_large_is_rejected(tmp_path):
    write_arrow(tmp_path / "a.arrow", pa.table({"source": ["a", "x" * 100 * MIB, "b"]}))
    found = read(tmp_path / "a.arrow")
    assert (found["n"], found["reasons"]) == (2, [[2, "too_large"]])


def large_texts(n):
    """Texts of nearly as many bytes as a row may have."""
    return pa.table({"source": pa.array(["x" * (14 * MIB)] * n, pa.large_string())})


def write_compressed(path, table, codec=None):
    opened = pa.ipc.new_stream if path.stem == "stream" else pa.ipc.new_file
    with opened(path, table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_table(table)


@pytest.mark.parametrize("name", ["a.parquet", "file.arrow", "stream.arrow"])
def test_kilobytes_that_expand_to_gigabytes_at_once_are_refused_by_name(tmp_path, name):
    path = tmp_path / name
    if name == "a.parquet":
        pq.write_table(
            large_texts(40), path, compression="zstd", use_dictionary=False, data_page_size=2**30, write_batch_size=100
        )
    else:
        write_compressed(path, large_texts(40), "zstd")
    assert path.stat().st_size < MIB
    said = read(path)["said"]
    assert f"{name}" in said
    assert "expand to 587," in said


@pytest.mark.parametrize("name", ["a.parquet", "file.arrow", "stream.arrow"])
@pytest.mark.parametrize("codec", ["zstd", "lz4", None])
def test_what_expands_to_less_is_read(tmp_path, name, codec):
    path, table = tmp_path / name, large_texts(3)
    if name == "a.parquet":
        pq.write_table(table, path, compression=codec or "none", data_page_version="2.0" if codec == "lz4" else "1.0")
    else:
        write_compressed(path, table, codec)
    assert read(path)["n"] == 3
