"""Which files a dataset is made of: settled ones, each once, all of them or none."""

import os
import time

import pyarrow.parquet as pq
import pytest

from tasks.generate import dataset_inputs, generate_dataset
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.experiment import Experiment
from tasks.storage.artifacts.dataset import read_evaluation
from tasks.storage.files.json_files import load_json
from tasks.storage.ingest.found_files import find_files
from tasks.storage.store.artifact_store import Store
from tests.helpers.settled import SETTLED, make_old


def write(path, n=60, first=0, *, is_old=True):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("source,target\n" + "".join(f"{i},{i + 1}\n" for i in range(first, first + n)))
    if is_old:
        make_old(path)
    return path


def experiment(train, **data):
    return Experiment.model_validate({"data": {"train": train, **data}})


def names(found, key="train"):
    return [file.name for file in found.by_setting[key]]


@pytest.fixture
def folder(tmp_path):
    """A training folder of one file that has settled, and one that was written just now and is cut in its last field."""
    write(tmp_path / "in" / "a.csv")
    path = write(tmp_path / "in" / "north" / "b.csv", first=1000, is_old=False)
    path.write_text(path.read_text().removesuffix("059,1060\n"))
    return tmp_path / "in"


@pytest.mark.parametrize("where", [".", "**/*.csv"])
def test_a_file_of_a_folder_or_a_pattern_that_changed_just_now_is_left_for_the_next_time(folder, where):
    found = find_files(experiment(folder / where).data)
    assert names(found) == ["a.csv"]
    assert found.waiting == [str(folder / "north" / "b.csv")]


def test_a_file_that_is_named_itself_is_taken_at_once(folder):
    found = find_files(experiment(folder / "north" / "b.csv").data)
    assert (names(found), found.waiting) == (["b.csv"], [])


@pytest.mark.parametrize(("seconds", "is_read"), [(0, True), (0.001, True), (30, False)])
def test_how_long_a_file_settles_is_a_setting(folder, seconds, is_read):
    make_old(folder / "north" / "b.csv", seconds=20)
    assert ("north/b.csv" in names(find_files(experiment(folder, settle=seconds).data))) is is_read


def test_a_file_from_a_clock_that_goes_wrong_waits_as_long_and_no_longer(folder):
    for ahead, is_read in ((5, False), (500, True)):
        os.utime(folder / "north" / "b.csv", (time.time() + ahead,) * 2)
        assert ("north/b.csv" in names(find_files(experiment(folder).data))) is is_read


@pytest.mark.parametrize("key", ["train", "validation", "test"])
def test_files_that_are_all_too_young_are_refused_with_what_to_do(tmp_path, key):
    places = {name: write(tmp_path / f"{name}.csv") for name in ("train", "validation", "test")}
    write(tmp_path / "young" / "a.csv", is_old=False)
    with pytest.raises(DataError, match=rf"data\.{key}: all 1 file\(s\) of .*wait until .*--data\.settle 0"):
        find_files(experiment(**{**places, key: tmp_path / "young"}).data)


def test_what_waits_is_in_no_split_and_no_key_and_is_told_beside_the_dataset(folder, tmp_path, caplog):
    """The holdout of a model is taken from its dataset."""
    young = str(folder / "north" / "b.csv")
    alone = dataset_inputs(experiment(write(tmp_path / "alone.csv")), {}, Store(tmp_path / "store"))
    assert dataset_inputs(experiment(folder), {}, Store(tmp_path / "store")).key == alone.key
    dataset = generate_dataset.fn(experiment(folder), tmp_path / "store")
    assert dataset.this_run == {"files_waiting": [young]}
    account = load_json(dataset.path / "account.json")
    assert (account["files"], account["files_waiting"]) == ([str(folder / "a.csv")], [young])
    assert sum(account["splits"].values()) == 60
    assert "north/b.csv changed just now" in caplog.text


def test_a_file_that_settles_while_the_others_are_read_is_the_next_runs(folder, tmp_path, monkeypatch):
    """What is digested, read and counted is the same, whatever the time is when each is done."""
    as_it_is = time.time
    monkeypatch.setattr(time, "time", lambda: as_it_is() + 3600 * bool(list(tmp_path.glob("store/dataset/.*"))))
    dataset = generate_dataset.fn(experiment(folder), tmp_path / "store")
    assert load_json(dataset.path / "account.json")["read"] == {"train": 60}


def test_the_time_that_files_settle_is_in_no_key(folder, tmp_path):
    make_old(folder / "north" / "b.csv")
    keys = {dataset_inputs(experiment(folder, settle=seconds), {}, Store(tmp_path)).key for seconds in (0, 5, 600)}
    assert len(keys) == 1


def test_what_a_file_is_read_as_is_in_the_key_and_not_who_says_it(tmp_path):
    def key(name, **data):
        return dataset_inputs(experiment(write(tmp_path / name), **data), {}, Store(tmp_path)).key

    assert key("a.csv") == key("a.txt", format="csv") == key("b.csv", format="csv")
    assert key("a.csv") != key("a.tsv")


def test_a_file_that_is_there_by_several_names_is_read_once_and_by_its_own(tmp_path):
    write(tmp_path / "in" / "m.csv")
    (tmp_path / "in" / "latest.csv").symlink_to("m.csv")
    (tmp_path / "in" / "a").symlink_to(tmp_path / "in", target_is_directory=True)
    (tmp_path / "in" / "b").mkdir()
    (tmp_path / "in" / "b" / "again").symlink_to(tmp_path / "in" / "b")
    found = find_files(experiment(tmp_path / "in").data)
    assert names(found) == ["m.csv"]
    assert found.again == [str(tmp_path / "in" / "latest.csv")]


def test_a_file_may_be_given_by_two_settings(tmp_path):
    """It is training data that is tested on; the overlap is counted."""
    found = find_files(experiment(write(tmp_path / "a.csv"), test=tmp_path / "a.csv").data)
    assert names(found) == names(found, "test") == ["a.csv"]


def test_something_in_a_training_folder_that_cannot_be_read_ends_the_run(tmp_path):
    write(tmp_path / "in" / "a.csv")
    (tmp_path / "in" / "b.csv").symlink_to(tmp_path / "nowhere.csv")
    os.mkfifo(tmp_path / "in" / "c.csv")
    with pytest.raises(DataError, match=r"b\.csv cannot be read: it is a link that leads nowhere.*\(1 more cannot be"):
        find_files(experiment(tmp_path / "in").data)


@pytest.mark.parametrize("series", [{}, {"history": 4, "horizon": 1}])
def test_rows_and_rejects_are_traced_by_their_path_below_the_input_and_the_setting(tmp_path, series):
    """Two folders hold a file of one name, and so do two settings."""
    for split, year in (("train", 2023), ("train", 2024), ("test", 2023)):
        path = write(tmp_path / split / f"year={year}" / "data_0.csv", first=year)
        path.write_text(path.read_text().replace(f"\n{year + 3},", "\nx,"))
        make_old(path)
    chosen = experiment(tmp_path / "train", test=tmp_path / "test", max_reject_rate=0.5, **series)
    dataset = generate_dataset.fn(chosen, tmp_path / "store")
    rejects = pq.read_table(dataset.path / "rejects.parquet").to_pylist()
    expected = [("train", "year=2023"), ("train", "year=2024"), ("test", "year=2023")]
    assert [(row["setting"], row["file"]) for row in rejects] == [(s, f"{year}/data_0.csv") for s, year in expected]
    files = {name for block in read_evaluation(dataset.path) for name in block.beside["file"].to_pylist()}
    assert files == {"year=2023/data_0.csv"}


def test_the_message_about_too_many_rejects_names_the_path_below_the_input(tmp_path):
    write(tmp_path / "in" / "a" / "x.csv")
    path = write(tmp_path / "in" / "b" / "x.csv")
    path.write_text("source,target\nx,1\n" + path.read_text().removeprefix("source,target\n"))
    with pytest.raises(DataError, match=r"\n  b/x\.csv +1  source_type  "):
        generate_dataset.fn(experiment(tmp_path / "in", **SETTLED), tmp_path / "store")


def test_a_row_that_only_the_second_pass_rejects_names_file_and_setting_too(tmp_path):
    write(tmp_path / "train" / "a.csv", n=200)
    make_old(write(tmp_path / "test" / "deep" / "a.csv", n=200, first=199))
    chosen = experiment(tmp_path / "train", test=tmp_path / "test", unknown="reject", validation_fraction=0)
    dataset = generate_dataset.fn(chosen, tmp_path / "store")
    rejects = pq.read_table(dataset.path / "rejects.parquet").to_pylist()
    assert {(row["setting"], row["file"], row["reason"]) for row in rejects} == {
        ("test", "deep/a.csv", "source_unknown")
    }


def test_files_of_another_name_are_trained_on_as_what_the_setting_says(tmp_path):
    write(tmp_path / "in" / "a.txt")
    make_old(write(tmp_path / "in" / "b.parquet", first=500))
    with pytest.raises(DataError, match=r"b\.parquet"):
        generate_dataset.fn(experiment(tmp_path / "in"), tmp_path / "store")
    dataset = generate_dataset.fn(experiment(tmp_path / "in", format="csv"), tmp_path / "store")
    account = load_json(dataset.path / "account.json")
    assert (account["read"], account["files_of_other_formats"]) == ({"train": 120}, [])
