"""No flipped bit of an Arrow file ends the process that looks at it and reads it, as those of training do.

What a flip does to a Parquet file is in `test_parquet_footer`.
"""

import subprocess
import sys

import pyarrow as pa
import pytest

from tasks.storage.readers.arrow_bodies import check_bodies, count_rows
from tests.conftest import ROOT

pytestmark = pytest.mark.seconds

TABLE = pa.table(
    {
        "source": pa.array([[1, 2, 3]] * 8, pa.list_(pa.int32())),
        "text": pa.array(["a", None, "b", "c"] * 2),
        "kind": pa.array(["x", "y"] * 4).dictionary_encode(),
        "nested": pa.array([{"a": [1], "b": {"c": True}}] * 8),
    }
)
FLIPS = """
import pathlib, sys
from tasks.seq2seq.errors import DataError
from tasks.storage.files.inputs import LOCAL, InputFile
from tasks.storage.readers.user_files import Layout, read_blocks, read_columns

path, layout = pathlib.Path(sys.argv[1]), Layout(("source",), ("integers",), sides=("source",))
whole, n_refused = path.read_bytes(), 0
for at in range(len(whole)):
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
    file = InputFile(str(path), LOCAL)
    try:
        for _ in read_blocks(file, layout, read_columns(file, layout)):
            pass
    except DataError:
        n_refused += 1
print(n_refused)
"""


def write(path, codec):
    opened = pa.ipc.new_stream if path.stem == "stream" else pa.ipc.new_file
    with opened(path, TABLE.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_table(TABLE, max_chunksize=4)


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["zstd", None])
@pytest.mark.parametrize("name", ["file", "stream"])
def test_each_flip_is_refused_or_read(tmp_path, name, codec):
    write(tmp_path / f"{name}.arrow", codec)
    words = [sys.executable, "-c", FLIPS, str(tmp_path / f"{name}.arrow")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 100


def test_metadata_that_leads_nowhere_is_damage(tmp_path):
    path = tmp_path / "stream.arrow"
    write(path, "zstd")
    whole = path.read_bytes()
    for n in range(0, len(whole), 7):
        path.write_bytes(whole[: len(whole) - n - 1])
        with pa.OSFile(str(path)) as opened, pytest.raises(pa.ArrowInvalid, match="its metadata is damaged"):
            check_bodies(opened, is_stream=True)


def test_rows_are_counted_without_reading_any(tmp_path):
    write(tmp_path / "file.arrow", None)
    with pa.OSFile(str(tmp_path / "file.arrow")) as opened:
        assert count_rows(opened) == 8
