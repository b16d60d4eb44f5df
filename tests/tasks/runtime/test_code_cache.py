"""What is kept of files of code is believed where the files are as they were, and nowhere else."""

import os
import subprocess
import sys
import time

import pytest

from tasks.runtime.code import ROOT
from tasks.runtime.code_cache import CodeCache

OLD = time.time() - 3600


@pytest.fixture
def module(tmp_path, monkeypatch):
    """The module that asks, in a folder where byte code may be written."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    path = tmp_path / "asks.py"
    path.write_text("A = 1\n")
    return path


@pytest.fixture
def code(tmp_path):
    """A file of code that was last changed an hour ago."""
    path = tmp_path / "code.py"
    write(path, "first")
    return path


def write(path, text, seconds=OLD):
    path.write_text(text)
    os.utime(path, (seconds, seconds))


def asked(module, path):
    """What a process is told of a file, and how often it had to read it."""
    times = []

    def read(path):
        times.append(path)
        return [path.read_text()]

    cache = CodeCache(module, read)
    found = cache.find(path)
    assert cache.find(path) == found
    cache.save()
    return found[0], len(times)


def test_a_file_that_is_as_it_was_is_not_read_by_the_next_process(module, code):
    assert asked(module, code) == ("first", 1)
    assert asked(module, code) == ("first", 0)


@pytest.mark.parametrize("change", ["size", "time"])
def test_a_file_of_another_size_or_time_is(module, code, change):
    asked(module, code)
    write(code, "other" if change == "time" else "longer than before", OLD + 1 if change == "time" else OLD)
    assert asked(module, code) == (code.read_text(), 1)


def test_a_file_that_was_just_changed_is_not_kept(module, code):
    """Its next change might leave its time and size as they are."""
    write(code, "first", time.time())
    asked(module, code)
    assert asked(module, code) == ("first", 2)


def test_what_another_version_of_the_module_kept_is_not_taken(module, code):
    asked(module, code)
    module.write_text("A = 2\n")
    assert asked(module, code) == ("first", 1)


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"{}", b"0" * 64 + b"\n{}"], ids=["none", "no text", "no digest", "wrong"]
)
def test_what_was_altered_is_not_taken(module, code, content):
    asked(module, code)
    (kept,) = module.parent.glob("__pycache__/*.json")
    kept.write_bytes(content)
    assert asked(module, code) == ("first", 1)


def test_a_flipped_bit_is_noticed(module, code):
    asked(module, code)
    (kept,) = module.parent.glob("__pycache__/*.json")
    kept.write_text(kept.read_text().replace("first", "forst"))
    assert asked(module, code) == ("first", 1)


def test_nothing_is_written_where_python_may_write_no_byte_code(module, code, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    asked(module, code)
    assert not (module.parent / "__pycache__").exists()


def test_a_folder_that_cannot_be_written_to_is_no_error(module, code):
    (module.parent / "__pycache__").write_text("a file where the folder would be")
    assert asked(module, code) == ("first", 1)


@pytest.mark.seconds
def test_a_second_process_finds_the_same_digest_without_cutting_the_modules(tmp_path):
    """In a tenth of the time, except for what starting Python takes."""
    program = (
        "import time, tasks.runtime.code as code; began = time.process_time();"
        "print(code.code_digest('tasks.train'), time.process_time() - began)"
    )
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment = {**plain, "PYTHONPYCACHEPREFIX": str(tmp_path)}
    first, second = (
        subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        ).stdout.split()
        for _ in range(2)
    )
    assert first[0] == second[0]
    assert float(second[1]) < float(first[1]) / 3
