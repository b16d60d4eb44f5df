"""A damaged footer fails its file, and never the process: pyarrow would end it."""

import datetime as dt
import subprocess
import sys
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.storage.readers.parquet_footer import check_footer
from tests.conftest import ROOT

TABLE = pa.table(
    {
        "source": pa.array([[1, 2, 3, 4, 5, 6]] * 30, pa.list_(pa.int32())),
        "text": pa.array(["a", None, "b"] * 10),
        "nested": pa.array([{"a": [1], "b": {"c": True}}] * 30),
        "kind": pa.array(["x", "y", "x"] * 10).dictionary_encode(),
        "when": pa.array([dt.date(2026, 11, 30)] * 30),
        "price": pa.array([Decimal("1.50")] * 30),
        "pairs": pa.array([[("k", 1)]] * 30, pa.map_(pa.string(), pa.int64())),
    }
)


def check(path):
    with pa.OSFile(str(path)) as opened:
        check_footer(opened, pq.ParquetFile(path).schema)


@pytest.mark.parametrize("rows", [5, 30])
@pytest.mark.parametrize("statistics", [True, False])
@pytest.mark.parametrize("version", ["1.0", "2.6"])
def test_sound_footers_pass(tmp_path, rows, statistics, version):
    pq.write_table(
        TABLE, tmp_path / "a.parquet", row_group_size=rows, write_statistics=statistics, version=version,
        write_page_index=True,
    )  # fmt: skip
    check(tmp_path / "a.parquet")
    pq.write_table(pa.table({f"c{i}": [i] for i in range(40)}), tmp_path / "wide.parquet")
    check(tmp_path / "wide.parquet")


def test_a_footer_that_counts_levels_which_its_schema_has_not_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(TABLE.select(["source"]), path)
    whole, refused = path.read_bytes(), []
    length = int.from_bytes(whole[-8:-4], "little")
    for at in range(len(whole) - 8 - length, len(whole) - 8):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            check(path)
        except pa.ArrowInvalid as error:
            refused.append(str(error))
        except (pa.ArrowException, OSError, UnicodeDecodeError):
            continue
    assert any("its schema has" in said for said in refused)


def test_numbers_without_an_end_are_refused_at_once(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(TABLE, path)
    schema = pq.ParquetFile(path).schema
    endless = b"\x80" * 2_000_000
    path.write_bytes(b"PAR1\x15" + endless + len(endless).to_bytes(4, "little") + b"PAR1")
    with pa.OSFile(str(path)) as opened, pytest.raises(pa.ArrowInvalid, match="its footer is damaged"):
        check_footer(opened, schema)


FLIPS = """
import pathlib, sys
from tasks.seq2seq.errors import DataError
from tasks.storage.files.inputs import LOCAL, InputFile
from tasks.storage.readers.user_files import Layout, read_blocks, read_columns

path, layout = pathlib.Path(sys.argv[1]), Layout(("source",), ("integers",), sides=("source",))
whole, n_refused = path.read_bytes(), 0
for at in range(len(whole) // 6, len(whole) - 8):
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
    file = InputFile(str(path), LOCAL)
    try:
        for _ in read_blocks(file, layout, read_columns(file, layout)):
            pass
    except DataError:
        n_refused += 1
print(n_refused)
"""


@pytest.mark.seconds
def test_no_flipped_bit_of_a_footer_ends_the_process(tmp_path):
    """Each is refused as the file's fault, or read: the bits of data that no checksum covers."""
    table = TABLE.select(["source"])
    pq.write_table(table, tmp_path / "a.parquet")
    words = [sys.executable, "-c", FLIPS, str(tmp_path / "a.parquet")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100
