"""Digests of files: right whatever happens to a file, and each file is read once where nothing does."""

import hashlib
import os
import time

import pytest

from tasks.storage.files import digests
from tasks.storage.files.digests import file_digest


@pytest.fixture
def read(monkeypatch):
    """The files that were read, as often as they were."""
    names, plain = [], hashlib.file_digest

    def noted(file, *arguments):
        names.append(file.name)
        return plain(file, *arguments)

    monkeypatch.setattr(digests, "_known", {})
    monkeypatch.setattr(hashlib, "file_digest", noted)
    return names


def settled(path, content=b"abc"):
    """A file that nobody has changed for a moment."""
    path.write_bytes(content)
    time.sleep(0.15)
    return path


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def test_a_files_digest_is_the_published_sha256(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert file_digest(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_file_is_read_once_by_whatever_name(read, tmp_path):
    path = settled(tmp_path / "a")
    assert file_digest(path) == file_digest(path) == sha256(b"abc")
    (tmp_path / "folder").mkdir()
    moved = tmp_path / "folder" / "b"
    (tmp_path / "link").symlink_to(path)
    assert file_digest(tmp_path / "link") == sha256(b"abc")
    assert len(read) == 1
    path.rename(moved)
    assert file_digest(moved) == sha256(b"abc")


def test_a_file_that_changed_is_read_again_though_its_size_and_its_time_are_as_they_were(read, tmp_path):
    path = settled(tmp_path / "a")
    before = path.stat()
    assert file_digest(path) == sha256(b"abc")
    path.write_bytes(b"xyz")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file_digest(path) == sha256(b"xyz")
    assert len(read) == 2


def test_another_file_in_its_place_is_another(read, tmp_path):
    path = settled(tmp_path / "a")
    file_digest(path)
    settled(tmp_path / "b", b"xyz").replace(path)
    assert file_digest(path) == sha256(b"xyz")
    assert len(read) == 2


def test_a_file_that_was_changed_a_moment_ago_is_read_again(read, tmp_path):
    """Another change within a step of the file system's clock would not show."""
    path = tmp_path / "a"
    for content in (b"abc", b"xyz", b"123") * 20:
        path.write_bytes(content)
        assert file_digest(path) == sha256(content)
    assert len(read) == 60


def test_no_more_digests_are_kept_than_there_is_room_for(read, tmp_path, monkeypatch):
    monkeypatch.setattr(digests, "_MOST_KNOWN", 3)
    for name in "abcde":
        (tmp_path / name).write_text(name)
    time.sleep(0.15)
    for name in "abcdeabcde":
        assert file_digest(tmp_path / name) == sha256(name.encode())
    assert len(digests._known) <= 3
    assert len(read) == 10
