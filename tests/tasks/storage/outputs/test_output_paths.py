import os
import threading
import time

import pytest

from tasks.seq2seq.errors import DataError, SettingsError
from tasks.seq2seq.settings.batch import BatchSettings
from tasks.storage.outputs.output_paths import (
    check_output_folder,
    clear_work,
    find_batch_files,
    list_places,
    only_run,
    work_folder,
)


@pytest.fixture
def inbox(tmp_path):
    folder = tmp_path / "inbox"
    for name in ("a.csv", "north/a.csv", "north/b.jsonl", "notes.txt", ".half.csv", "_done.csv"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("source\n1 2\n")
    return folder


def settings(*inputs, output, **others):
    return BatchSettings(inputs=inputs, output=output, **others)


def names(found):
    return [target.name for target in found]


def test_files_of_a_folder_are_named_by_their_path_below_it(inbox, tmp_path):
    found = list_places(settings(inbox, output=tmp_path / "out"))
    assert names(found) == ["a.csv", "north/a.csv", "north/b.jsonl"]
    assert found[1].output("parquet") == tmp_path / "out" / "north" / "a.csv.parquet"
    assert found[1].rejects == tmp_path / "out" / "north" / "a.csv.rejects.parquet"
    assert found[1].account == tmp_path / "out" / "north" / "a.csv.account.json"


def test_a_pattern_names_files_by_their_path_below_its_fixed_part(inbox, tmp_path):
    assert names(list_places(settings(inbox / "*" / "*.csv", output=tmp_path / "out"))) == ["north/a.csv"]


def test_a_file_is_named_by_its_own_name(inbox, tmp_path):
    (target,) = list_places(settings(inbox / "north" / "b.jsonl", output=tmp_path / "out"))
    assert target.name == "b.jsonl"
    assert target.file.is_named


def test_a_file_that_two_inputs_name_alike_is_there_once(inbox, tmp_path):
    assert names(list_places(settings(inbox, inbox / "a.csv", output=tmp_path / "out"))).count("a.csv") == 1


def test_two_files_for_one_output_are_refused_with_both_names(inbox, tmp_path):
    with pytest.raises(SettingsError, match=r"a\.csv and .*north/a\.csv would both be written to .*a\.csv\.parquet"):
        list_places(settings(inbox / "a.csv", inbox / "north" / "a.csv", output=tmp_path / "out"))


def test_an_output_that_would_overwrite_an_input_is_refused(tmp_path):
    for name in ("a.csv", "a.csv.parquet"):
        (tmp_path / name).write_text("source\n1\n")
    with pytest.raises(SettingsError, match="is an input itself"):
        list_places(settings(tmp_path / "a.csv", tmp_path / "a.csv.parquet", output=tmp_path))


def test_an_empty_folder_and_a_pattern_without_a_match_are_nothing_to_do(tmp_path):
    (tmp_path / "inbox").mkdir()
    assert list_places(settings(tmp_path / "inbox", tmp_path / "inbox" / "*.csv", output=tmp_path / "out")) == []


def test_an_input_that_does_not_exist_is_refused(tmp_path):
    for missing in ("inbox", "inbox/*.csv", "a.csv"):
        with pytest.raises(DataError, match=r"does not exist|matches no file"):
            list_places(settings(tmp_path / missing, output=tmp_path / "out"))


def test_files_of_unknown_formats_are_named(inbox, tmp_path):
    assert find_batch_files(settings(inbox, output=tmp_path / "out")).others == [str(inbox / "notes.txt")]


@pytest.mark.parametrize("inside", [".", "out", "north/out/deep"])
def test_an_output_inside_an_input_folder_is_refused(inbox, inside):
    with pytest.raises(SettingsError, match="lies inside the input"):
        check_output_folder(settings(inbox, output=inbox / inside))


def test_an_input_whose_name_is_too_long_is_refused_where_the_output_is_checked_too(tmp_path):
    asked = settings(tmp_path / ("a" * 300), output=tmp_path / "out")
    check_output_folder(asked)
    with pytest.raises(DataError, match="File name too long"):
        list_places(asked)


def test_an_output_beside_a_single_input_file_is_allowed(inbox):
    check_output_folder(settings(inbox / "a.csv", output=inbox))


def test_an_output_inside_an_input_by_a_link_is_refused(inbox, tmp_path):
    (tmp_path / "link").symlink_to(inbox)
    with pytest.raises(SettingsError, match="lies inside the input"):
        check_output_folder(settings(inbox, output=tmp_path / "link" / "out"))


def test_an_output_that_is_a_file_or_below_one_is_refused(inbox, tmp_path):
    for output in (inbox / "a.csv", inbox / "a.csv" / "out"):
        with pytest.raises(SettingsError, match=r"a\.csv is a file"):
            check_output_folder(settings(tmp_path / "else.csv", output=output))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_that_cannot_be_written_is_refused(inbox, tmp_path):
    tmp_path.joinpath("closed").mkdir(mode=0o500)
    with pytest.raises(SettingsError, match="no permission"):
        check_output_folder(settings(inbox, output=tmp_path / "closed" / "out"))


def test_a_second_run_into_one_folder_waits_for_the_first(tmp_path, capsys):
    asked = settings(tmp_path / "inbox", output=tmp_path / "out")
    order = []

    def second():
        with only_run(asked):
            order.append("second")

    with only_run(asked):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert "another run writes to" in capsys.readouterr().err


def test_work_that_nobody_goes_on_with_is_removed_and_the_lock_stays(tmp_path):
    asked = settings(tmp_path / "inbox", output=tmp_path / "out")
    with only_run(asked):
        (work_folder(asked) / "abc" / "deep").mkdir(parents=True)
        clear_work(asked)
        assert [path.name for path in work_folder(asked).iterdir()] == ["lock"]
