"""Chunks on disk: whole and in their place, or not believed."""

import os

import numpy as np
import pyarrow as pa
import pytest

from tasks.seq2seq.errors import ArtifactError
from tasks.seq2seq.monitoring.drift import DayProfile
from tasks.seq2seq.monitoring.tally import Tally
from tasks.storage.files import atomic
from tasks.storage.outputs.chunk_files import read_chunk, write_chunk
from tasks.storage.outputs.chunks import tally_of, with_tally

TABLE = pa.table({"source": [[1], [5, 0], None], "text": ["x", None, "z"]})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "000001.part"


def test_a_chunk_comes_back_as_it_was_written_and_nothing_is_beside_it(path):
    for table in (TABLE, TABLE.slice(1), TABLE.slice(0, 0)):
        write_chunk(path, table)
        assert read_chunk(path).equals(table)
        assert [*path.parent.iterdir()] == [path]


def test_a_predicted_chunk_comes_back_with_its_tally(path):
    tally = Tally(
        rows=3, scored=None, reached_limit=1, rows_with_unknown=0, rows_outside_range=None,
        day=DayProfile.of(np.array([1, 2, 3])),
    )  # fmt: skip
    write_chunk(path, with_tally(TABLE, tally))
    assert tally_of(read_chunk(path)) == tally


def test_different_dictionaries_of_one_column_are_one_in_a_chunk(path):
    parts = [pa.array(values).dictionary_encode() for values in (["a", "b"], ["c", "a"])]
    write_chunk(path, pa.table({"kind": pa.chunked_array(parts)}))
    assert read_chunk(path)["kind"].to_pylist() == ["a", "b", "c", "a"]


def test_a_chunk_that_cannot_be_written_does_not_take_the_place_of_the_former(path, monkeypatch):
    write_chunk(path, TABLE)

    def fails(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pa.ipc, "new_file", fails)
    with pytest.raises(OSError, match="No space"):
        write_chunk(path, TABLE.slice(1))
    assert read_chunk(path).equals(TABLE)
    assert [*path.parent.iterdir()] == [path]


def test_a_disk_that_is_full_in_the_middle_of_a_chunk_is_an_error_of_the_system(tmp_path, run_python):
    """A limit on the file's size stands in for it."""
    said = run_python(
        """
        import pathlib, resource, signal, sys
        import pyarrow as pa
        from tasks.storage.outputs.chunk_files import write_chunk
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        for n in (510, 100_000):  # too much when the file is closed, and before
            try:
                write_chunk(pathlib.Path(sys.argv[1]), pa.table({"a": list(range(n))}))
            except OSError as error:
                print(type(error).__name__, error.strerror)
        """,
        tmp_path / "a.part",
    )
    assert said.splitlines() == ["OSError File too large"] * 2
    assert [*tmp_path.iterdir()] == []


@pytest.mark.seconds
def test_a_chunk_with_a_flipped_bit_in_any_byte_is_refused_before_arrow_sees_it(path, monkeypatch):
    write_chunk(path, pa.table({"a": [1, 2]}))
    whole = path.read_bytes()
    monkeypatch.setattr(pa.ipc, "open_file", pytest.fail)
    for i in range(len(whole)):
        path.write_bytes(whole[:i] + bytes([whole[i] ^ 1 << i % 8]) + whole[i + 1 :])
        with pytest.raises(ArtifactError, match=r"000001\.part was cut or altered after it was written"):
            read_chunk(path)


@pytest.mark.seconds
def test_a_chunk_that_was_cut_or_is_longer_is_refused(path):
    write_chunk(path, TABLE)
    whole = path.read_bytes()
    for content in (*(whole[:n] for n in range(len(whole))), whole + b"0", whole * 2):
        path.write_bytes(content)
        with pytest.raises(ArtifactError, match="was cut or altered"):
            read_chunk(path)


def test_a_chunk_that_is_missing_is_said_to_be(path):
    with pytest.raises(ArtifactError, match=r"000001\.part is missing"):
        read_chunk(path)


@pytest.mark.parametrize("other", ["a/000002.part", "a/000001.staged", "b/000001.part"])
def test_a_chunk_is_not_believed_in_the_place_of_another(tmp_path, other):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    write_chunk(tmp_path / "a" / "000001.part", TABLE)
    (tmp_path / "a" / "000001.part").rename(tmp_path / other)
    with pytest.raises(ArtifactError, match="was cut or altered"):
        read_chunk(tmp_path / other)


def test_a_chunk_is_found_again_in_a_folder_that_was_moved_as_a_whole(tmp_path):
    (tmp_path / "out" / "work").mkdir(parents=True)
    write_chunk(tmp_path / "out" / "work" / "a.part", TABLE)
    (tmp_path / "out").rename(tmp_path / "moved")
    assert read_chunk(tmp_path / "moved" / "work" / "a.part").equals(TABLE)


def test_only_a_chunk_that_a_later_run_may_believe_waits_for_the_disk(path, monkeypatch):
    flushed = []
    monkeypatch.setattr(atomic, "flush", flushed.append)
    write_chunk(path, TABLE, is_kept=False)
    assert flushed == []
    write_chunk(path, TABLE)
    assert len(flushed) == 2


def test_a_chunk_that_is_read_needs_its_file_no_longer(path):
    """A mapped file that is cut takes the process with it."""
    write_chunk(path, TABLE)
    chunk = read_chunk(path)
    os.truncate(path, 0)
    assert chunk.equals(TABLE)


@pytest.mark.seconds
def test_two_processes_that_write_one_chunk_at_once_never_tear_it(path, start_python):
    """The one who reads meanwhile finds it whole every time."""
    code = """
        import pathlib, sys
        import pyarrow as pa
        from tasks.storage.outputs.chunk_files import write_chunk
        table = pa.table({"a": [int(sys.argv[2])] * 20_000})
        print("ready", flush=True)
        sys.stdin.readline()
        for _ in range(100):
            write_chunk(pathlib.Path(sys.argv[1]), table, is_kept=False)
        print("done", flush=True)
        """
    write_chunk(path, pa.table({"a": [3] * 20_000}))
    writers = [start_python(code, path, n) for n in (1, 2)]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    read = set()
    while any(writer.poll() is None for writer in writers):
        (value,) = set(read_chunk(path)["a"].to_pylist())
        read.add(value)
    assert {1, 2} <= read <= {1, 2, 3}
    assert [writer.stdout.read() for writer in writers] == ["done\n"] * 2
    assert [*path.parent.iterdir()] == [path]
