import gzip
import hashlib
import os

import pyarrow as pa
import pytest

from tasks.seq2seq.errors import DataError
from tasks.storage.files.inputs import LOCAL, InputFile
from tasks.storage.readers.inputs import list_inputs


def opened_as(path):
    return InputFile(str(path), LOCAL)


def test_streams_are_decompressed_and_files_are_not(tmp_path):
    packed = gzip.compress(b"one\n") + gzip.compress(b"two\n")
    (tmp_path / "a.csv.gz").write_bytes(packed)
    (tmp_path / "a.csv.zst").write_bytes(pa.compress(b"three\n", codec="zstd", asbytes=True))
    zipped, zstandard = opened_as(tmp_path / "a.csv.gz"), opened_as(tmp_path / "a.csv.zst")
    with zipped.open_stream() as stream, zipped.open_file() as opened, zstandard.open_stream() as other:
        assert stream.read() == b"one\ntwo\n"
        assert opened.read() == packed
        assert other.read() == b"three\n"


def test_digest_and_size_are_those_of_the_bytes_on_disk(tmp_path):
    content = os.urandom(3 * 2**20)
    (tmp_path / "a.csv").write_bytes(content)
    file = opened_as(tmp_path / "a.csv")
    assert (file.digest(), file.size) == (hashlib.sha256(content).hexdigest(), len(content))


def test_the_stamp_changes_with_the_size_and_with_the_time(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"a,b\n1,2\n")
    file = opened_as(tmp_path / "a.csv")
    first = file.stamp()
    assert file.stamp() == first
    os.utime(tmp_path / "a.csv", ns=(1, 1))
    second = file.stamp()
    (tmp_path / "a.csv").write_bytes(b"")
    os.utime(tmp_path / "a.csv", ns=(1, 1))
    assert len({first, second, file.stamp()}) == 3


@pytest.mark.parametrize("where", ["a" * 300, "b/" * 3000, "*/" + "a" * 300, "x" * 300 + "/*.csv"])
def test_a_place_whose_name_is_too_long_to_be_looked_at_is_an_error_of_the_users(tmp_path, where):
    with pytest.raises(DataError):
        list_inputs(tmp_path / where)


def test_what_became_a_folder_is_told(tmp_path):
    with pytest.raises(DataError, match="it is a folder, expected a file"):
        opened_as(tmp_path).stamp()


def test_a_file_that_is_gone_is_told(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"a,b\n1,2\n")
    file = opened_as(tmp_path / "a.csv")
    (tmp_path / "a.csv").unlink()
    for action in (file.stamp, file.open_file, file.open_stream, file.digest):
        with pytest.raises(DataError, match=r"a\.csv does not exist"):
            action()
