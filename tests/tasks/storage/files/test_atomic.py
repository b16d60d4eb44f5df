import errno
import fcntl
import os
import re
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.seq2seq.errors import ArtifactError, SettingsError
from tasks.storage.files import atomic
from tasks.storage.files.atomic import (
    aside,
    check_room,
    check_writable,
    copy_atomically,
    explain_os_errors,
    flush_tree,
    folder_aside,
    left_over,
    locked,
    remove_at_once,
    remove_left_over,
    remove_lock,
    remove_tree,
    temporary_folder,
    write_atomically,
    written_aside,
)
from tasks.storage.files.json_files import load_json, write_json
from tests.helpers.full_disk import files_of_at_most


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_json_survives_the_way_there_and_back(tmp_path):
    content = {"é": [1, 2.5, None, True], "nested": {"a": "b"}}
    write_json(tmp_path / "a.json", content)
    assert load_json(tmp_path / "a.json") == content


def test_an_atomic_write_makes_folders_replaces_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "new" / "folder" / "a.txt"
    write_atomically(path, "first")
    write_atomically(path, "second")
    assert path.read_text() == "second"
    assert names(path.parent) == ["a.txt"]


def test_a_write_that_the_disk_refuses_keeps_the_old_content(tmp_path, run_python):
    """A limit on the file's size stands in for a full disk."""
    path = tmp_path / "a.txt"
    write_atomically(path, "old")
    message = run_python(
        """
        import pathlib, resource, sys
        from tasks.seq2seq.errors import ArtifactError
        from tasks.storage.files.atomic import write_atomically
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            write_atomically(pathlib.Path(sys.argv[1]), "x" * 100_000)
        except ArtifactError as error:
            print(error)
        """,
        path,
    )
    assert f"{path} cannot be written: File too large" in message
    assert "--store" in message
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_content_is_flushed_before_it_has_its_name_and_the_name_afterwards(tmp_path, monkeypatch):
    path, seen = tmp_path / "a", []
    monkeypatch.setattr(atomic, "flush", lambda flushed: seen.append((flushed == tmp_path, path.exists())))
    for write in (lambda: write_atomically(path, "x"), lambda: copy_atomically(tmp_path / "source", path)):
        (tmp_path / "source").write_text("x")
        write()
        path.unlink()
    assert seen == [(False, False), (True, True)] * 2


def test_no_two_writers_have_the_same_name_for_what_they_write_aside(tmp_path, run_python):
    """Not even those that a fork made alike."""
    code = """
        import os, pathlib, sys
        from tasks.storage.files.atomic import aside
        os.fork()
        sys.stdout.write(f"{aside(pathlib.Path(sys.argv[1]))}\\n")
        """
    made = run_python(code, tmp_path / "a").splitlines()
    with ThreadPoolExecutor(4) as pool:
        made += map(str, pool.map(aside, [tmp_path / "a"] * 100))
    assert len({*made}) == 102
    assert all(name.startswith(f"{tmp_path}/.a.") for name in made)


def test_threads_that_write_one_file_at_once_leave_one_whole_content(tmp_path):
    letters = "abcdefgh"
    with ThreadPoolExecutor(len(letters)) as pool:
        list(pool.map(lambda letter: write_atomically(tmp_path / "a", letter * 300_000), letters * 5))
    content = (tmp_path / "a").read_text()
    assert content in {letter * 300_000 for letter in letters}
    assert names(tmp_path) == ["a"]


def test_what_is_written_aside_is_removed_if_writing_fails(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(UnicodeEncodeError), written_aside(tmp_path / "a") as made:
        made.write_text("half \ud800", encoding="utf-8")
    assert (tmp_path / "a").read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_a_copy_replaces_what_was_there_and_leaves_nothing_beside(tmp_path):
    (tmp_path / "a").write_bytes(b"new")
    (tmp_path / "b").write_bytes(b"old")
    copy_atomically(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"new"
    assert names(tmp_path) == ["a", "b"]


def test_a_copy_that_cannot_be_made_leaves_what_was_there(tmp_path):
    (tmp_path / "b").write_bytes(b"old")
    with pytest.raises(FileNotFoundError):
        copy_atomically(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"old"
    assert names(tmp_path) == ["b"]


def test_an_output_must_be_a_file_in_a_folder_that_exists(tmp_path):
    check_writable(tmp_path / "a.json", "--summary")
    check_writable(None, "--summary")
    for wrong in (tmp_path, tmp_path / "none" / "a.json"):
        with pytest.raises(SettingsError, match=f"--summary {wrong} cannot be written"):
            check_writable(wrong, "--summary")
    assert names(tmp_path) == []


def test_a_writer_that_is_killed_leaves_one_whole_content(tmp_path, start_python):
    path = tmp_path / "a.txt"
    writer = start_python(
        """
        import itertools, pathlib, sys
        from tasks.storage.files.atomic import write_atomically
        for letter in itertools.cycle("ab"):
            write_atomically(pathlib.Path(sys.argv[1]), letter * 3_000_000)
            print(letter, flush=True)
        """,
        path,
    )
    for _ in range(5):
        writer.stdout.readline()
    writer.kill()
    writer.wait()
    content = path.read_text()
    assert content in ("a" * 3_000_000, "b" * 3_000_000)


def test_a_lock_keeps_other_processes_out_until_its_holder_is_killed(tmp_path, start_python):
    """SIGKILL leaves the file behind, and the lock free."""
    path = tmp_path / "locks" / "step"
    holder = start_python(
        """
        import pathlib, sys, time
        from tasks.storage.files.atomic import locked
        with locked(pathlib.Path(sys.argv[1])):
            print("held", flush=True)
            time.sleep(600)
        """,
        path,
    )
    assert holder.stdout.readline() == "held\n"
    with path.open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    holder.kill()
    holder.wait()
    with locked(path):
        assert path.exists()


def test_a_lock_is_let_go_when_its_work_fails(tmp_path):
    with pytest.raises(ValueError, match="work"), locked(tmp_path / "a"):
        raise ValueError("work")
    with locked(tmp_path / "a"):
        pass


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS])
def test_what_the_user_can_mend_says_where_and_what_to_do(tmp_path, number):
    with (
        pytest.raises(ArtifactError, match=rf"{tmp_path} cannot be written: .*--store"),
        explain_os_errors(tmp_path),
    ):
        raise OSError(number, os.strerror(number))


def test_other_errors_of_the_system_stay_as_they_are(tmp_path):
    """A retry may help them."""
    with pytest.raises(OSError, match="Input/output") as error, explain_os_errors(tmp_path):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    assert not isinstance(error.value, ArtifactError)


def test_a_folder_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="cannot be written"), locked(tmp_path / "file" / "lock"):
        pass


def test_trees_are_flushed_and_removed_whole(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_text("")
    flush_tree(tmp_path / "a")
    remove_tree(tmp_path / "a")
    remove_tree(tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_of_a_link_the_link_is_removed_and_what_it_leads_to_stays(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    remove_tree(tmp_path / "link")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a" / "b").read_text() == "mine"


def test_a_name_aside_says_which_host_and_process_wrote_it_and_fits_where_the_name_itself_does(tmp_path):
    made = aside(tmp_path / "a")
    assert re.fullmatch(rf"\.a\.[0-9a-f]{{8}}-{os.getpid():x}-[0-9a-f]{{16}}\.tmp", made.name)
    for name in ("x" * 255, "é" * 127):
        write_atomically(tmp_path / name, "long")
        assert (tmp_path / name).read_text() == "long"


BEGINS = """
import pathlib, sys, time
from tasks.storage.files.atomic import folder_aside, written_aside
folder = pathlib.Path(sys.argv[1])
with written_aside(folder / "a") as file, folder_aside(folder / "b") as below:
    file.write_text("half")
    (below / "half").write_text("half")
    print("begun", flush=True)
    time.sleep(600)
"""


def test_what_a_killed_process_was_writing_is_left_over_and_what_a_living_one_writes_is_not(tmp_path, start_python):
    killed, living = (start_python(BEGINS, tmp_path) for _ in range(2))
    for process in (killed, living):
        assert process.stdout.readline() == "begun\n"
    (tmp_path / ".b.mine.tmp").write_text("a user's")
    assert left_over(tmp_path) == []
    killed.kill()
    killed.wait()
    found = left_over(tmp_path)
    assert [path.name.split(".")[1] for path in found] == ["a", "b"]
    assert {path.name.split("-")[1] for path in found} == {f"{killed.pid:x}"}
    assert left_over(tmp_path, ".b.") == found[1:]
    assert all(map(remove_left_over, found))
    assert not any(map(remove_left_over, found))
    (tmp_path / ".b.mine.tmp").unlink()
    assert {name.split("-")[1] for name in names(tmp_path)} == {f"{living.pid:x}"}


@pytest.mark.seconds
def test_whoever_writes_aside_is_not_disturbed_by_those_who_remove_what_is_left_over(tmp_path):
    """Between the making of a file and its lock it looks like one that was left."""
    ended = threading.Event()

    def sweep():
        while not ended.is_set():
            list(map(remove_left_over, left_over(tmp_path)))

    with ThreadPoolExecutor(2) as pool:
        sweeping = pool.submit(sweep)
        try:
            for i in range(100):
                write_atomically(tmp_path / "a", str(i))
                with folder_aside(tmp_path / "b") as made:
                    (made / "c").write_text(str(i))
                assert (tmp_path / "a").read_text() == str(i)
        finally:
            ended.set()
        sweeping.result()
    assert names(tmp_path) == ["a"]


def test_a_link_with_such_a_name_is_not_followed(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a").write_text("mine")
    aside(tmp_path / "a").symlink_to(tmp_path / "mine")
    assert left_over(tmp_path) == []
    assert left_over(tmp_path / "none") == []


def test_a_temporary_folder_is_its_users_alone_and_what_a_killed_process_left_of_it_goes(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left = aside(tmp_path / "seq2seq-look")
    left.mkdir()
    with temporary_folder("look") as folder:
        assert folder.parent == tmp_path
        assert folder.stat().st_mode & 0o777 == 0o700
        assert names(tmp_path) == [folder.name]
    assert names(tmp_path) == []


def test_a_folder_that_is_removed_at_once_is_not_there_half(tmp_path, monkeypatch):
    (tmp_path / "a" / "b").mkdir(parents=True)
    seen = []

    def look_and_remove(path):
        seen.append((tmp_path / "a").exists())
        remove_tree(path)

    monkeypatch.setattr(atomic, "remove_tree", look_and_remove)
    remove_at_once(tmp_path / "a")
    assert seen == [False]
    assert names(tmp_path) == []


def test_a_lock_whose_file_was_removed_while_others_waited_is_still_held_by_one_at_a_time(tmp_path):
    inside, most = [], []

    def work(i):
        for _ in range(50):
            with locked(tmp_path / "lock"):
                inside.append(i)
                most.append(len(inside))
                assert not remove_lock(tmp_path / "lock")
                inside.remove(i)
            remove_lock(tmp_path / "lock")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert max(most) == 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_told_whatever_kind_of_error_a_library_makes_of_it(tmp_path, number):
    for kind in (OSError, RuntimeError, ValueError):
        error = kind(number, os.strerror(number)) if kind is OSError else kind(f"x.pb; {os.strerror(number)}")
        with pytest.raises(ArtifactError, match="what was begun is removed; make room"), explain_os_errors(tmp_path):
            raise error
    with pytest.raises(ValueError, match="of another kind"), explain_os_errors(tmp_path):
        raise ValueError("of another kind")


def test_room_is_there_or_not_and_nothing_is_left(tmp_path):
    check_room(tmp_path, 3_000_000)
    with files_of_at_most(1_500_000), pytest.raises(OSError, match="File too large"):
        check_room(tmp_path, 3_000_000)
    assert list(tmp_path.iterdir()) == []
