"""Batch prediction from and to an object store: the same bytes, nothing read twice, and one of two runs that race."""

import json
import os
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.predict import load_predictor
from tasks.seq2seq.errors import DataError, SettingsError
from tasks.storage.files.cache import cache_folder
from tasks.storage.files.object_places import ObjectPlace
from tasks.storage.files.places import place_of
from tasks.storage.outputs import remote_outputs
from tasks.storage.outputs.accounts import Account
from tasks.storage.outputs.output_paths import check_output_folder, names_of_outputs
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.promotions import promote
from tests.helpers.batch_runs import HereAndNow, Killed, contents, predict, settings_of, write_report
from tests.helpers.in_object_stores import servers, url_of
from tests.helpers.small_bundles import make
from tests.helpers.stored import digest

pytestmark = pytest.mark.seconds
server = servers()
ROWS = [[1, 2, 3], [4, 5, 6], [1, 1], [6]]


@pytest.fixture
def url(request):
    return url_of(request.node.name.replace("[", "-").replace("]", ""))


@pytest.fixture
def inbox(url, tmp_path):
    """The same files on a disk and in the object store."""
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    pq.write_table(pa.table({"id": range(4), "source": ROWS}), folder / "a.parquet")
    (folder / "sub" / "b.jsonl").write_text("".join(json.dumps({"source": row}) + "\n" for row in [*ROWS, "?"]))
    (folder / "c.csv").write_text("source\n1 2 3\n7 7 7\n4 5\n")
    (folder / "_d.csv").write_text("source\n1 2 3\n")
    (folder / "e.parquet").write_bytes(b"PAR1 this is none PAR1")
    upload(folder, f"{url}/in")
    return folder


def upload(folder, url):
    place = place_of(url)
    for path in folder.rglob("*"):
        if path.is_file():
            place.put(path.relative_to(folder).as_posix(), path)


def download(url, folder):
    """All that lies below a URL."""
    place = place_of(url)
    for entry in place.entries():
        (folder / entry.name).parent.mkdir(parents=True, exist_ok=True)
        place.fetch(entry, folder / entry.name)
    return folder


@pytest.fixture(scope="module")
def store(server):
    """A store in the object store, too."""
    serve(Store(url_of("models")), 1)
    return url_of("models")


def serve(store, seed):
    made = make(store, seed=seed, made_from={"dataset": digest("dataset")})
    promote(store, "numbers", made.digest, "for the test")


def states(jobs):
    return {name: job.action for name, job in jobs.items()}


DONE = {"a.parquet": "predict", "c.csv": "predict", "e.parquet": "fail", "sub/b.jsonl": "predict"}
KEPT = {name: action.replace("predict", "keep") for name, action in DONE.items()}


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_outputs_are_the_bytes_of_those_on_a_disk(kind, store, inbox, url, tmp_path):
    jobs = predict(store, f"{url}/in", output=f"{url}/out", runner_kind=kind)
    assert states(jobs) == states(predict(store, inbox, output=tmp_path / "out")) == DONE
    assert jobs["e.parquet"].reason.startswith(f"{url}/in/e.parquet")
    accounts = [f"{name}.account.json" for name, action in DONE.items() if action == "predict"]
    ours = contents(download(f"{url}/out", tmp_path / "ours"), [name.rsplit("/")[-1] for name in accounts])
    assert ours == contents(tmp_path / "out", [name.rsplit("/")[-1] for name in accounts])
    assert len(ours) == 6
    for name in accounts:  # which say by which ETag an input is known
        here, there = (json.loads((tmp_path / folder / name).read_text()) for folder in ("ours", "out"))
        assert {key for key in here if here[key] != there.get(key)} == {"input_version", "checksum"}


def test_what_did_not_change_is_known_without_being_read(store, inbox, url, tmp_path):
    predict(store, f"{url}/in", output=f"{url}/out")
    shutil.rmtree(cache_folder("inputs"))
    jobs = predict(store, f"{url}/in", output=f"{url}/out")
    assert states(jobs) == KEPT
    read = list(cache_folder("inputs").rglob("content"))
    assert len(read) == 1  # the one that failed
    (inbox / "c.csv").write_text("source\n1 2 3\n7 7 7\n4 5\n6\n")
    upload(inbox, f"{url}/in")
    assert states(predict(store, f"{url}/in", output=f"{url}/out")) == {**KEPT, "c.csv": "predict"}


def test_an_output_that_is_gone_or_cut_is_made_again(store, inbox, url):
    predict(store, f"{url}/in/*.csv", f"{url}/in/a.parquet", output=f"{url}/out")
    place = place_of(f"{url}/out")
    place.delete(["c.csv.parquet"])
    place.swap("a.parquet.parquet", b"cut", place.look("a.parquet.parquet").stamp)
    jobs = predict(store, f"{url}/in/*.csv", f"{url}/in/a.parquet", output=f"{url}/out")
    assert {name: job.reason for name, job in jobs.items()} == {
        "a.parquet": "a.parquet.parquet was altered",
        "c.csv": "c.csv.parquet is missing",
    }
    assert states(jobs) == {"a.parquet": "predict", "c.csv": "predict"}
    assert Account.parse(place.read("a.parquet.account.json").content).predicted == 2


def during(monkeypatch, action):
    """Has an action happen once, after a file was predicted and before its output is sent."""
    send = remote_outputs.send_output

    def late(*given):
        monkeypatch.setattr("tasks.storage.outputs.assembly.send_output", send)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SEQ2SEQ_CACHE", os.environ["SEQ2SEQ_CACHE"] + "-of-another-machine")
            action()
        return send(*given)

    monkeypatch.setattr("tasks.storage.outputs.assembly.send_output", late)


@pytest.mark.parametrize("there_before", [False, True])
def test_a_run_that_finds_anothers_output_gives_way(there_before, store, inbox, url, tmp_path, monkeypatch):
    """The other one has other settings: what it wrote stays, whole."""
    where = {"output": f"{url}/out"}
    if there_before:
        predict(store, f"{url}/in/c.csv", **where, drop=("source",))
    during(monkeypatch, lambda: predict(store, f"{url}/in/c.csv", **where, token_log_probabilities=True))
    jobs = predict(store, f"{url}/in/c.csv", **where)
    assert jobs["c.csv"].action == "fail"
    assert "another run wrote to" in jobs["c.csv"].reason
    kept = predict(store, f"{url}/in/c.csv", **where, token_log_probabilities=True)
    assert states(kept) == {"c.csv": "keep"}
    found = download(f"{url}/out", tmp_path / "found")
    assert Account.read_from(found / "c.csv.account.json").fault_of_files(found) is None


def test_two_runs_that_write_the_same_are_both_right(store, inbox, url, monkeypatch):
    during(monkeypatch, lambda: predict(store, f"{url}/in/c.csv", output=f"{url}/out"))
    assert states(predict(store, f"{url}/in/c.csv", output=f"{url}/out")) == {"c.csv": "predict"}
    assert states(predict(store, f"{url}/in/c.csv", output=f"{url}/out")) == {"c.csv": "keep"}


def test_a_run_that_is_killed_between_two_files_of_an_output_leaves_none(store, inbox, url, monkeypatch):
    """Even where the former output had other settings, and its account would fit again."""
    predict(store, f"{url}/in/c.csv", output=f"{url}/out")
    swap = ObjectPlace.swap

    def die(self, name, *given):
        if name.endswith("rejects.parquet"):
            raise Killed
        return swap(self, name, *given)

    with monkeypatch.context() as patch:
        patch.setattr(ObjectPlace, "swap", die)
        with pytest.raises(Killed):
            predict(store, f"{url}/in/c.csv", output=f"{url}/out", token_log_probabilities=True)
    jobs = predict(store, f"{url}/in/c.csv", output=f"{url}/out")
    assert states(jobs) == {"c.csv": "predict"}
    assert jobs["c.csv"].reason == "its account cannot be read, or is of another version"


def test_the_files_of_a_former_output_in_another_format_go(store, inbox, url):
    predict(store, f"{url}/in/c.csv", output=f"{url}/out")
    predict(store, f"{url}/in/c.csv", output=f"{url}/out", format="jsonl")
    names = {entry.name for entry in place_of(f"{url}/out").entries()}
    assert names == {"c.csv.jsonl", "c.csv.rejects.parquet", "c.csv.account.json"}


def test_what_tells_of_the_run_lies_beside_its_outputs(store, inbox, url):
    jobs = predict(store, f"{url}/in", output=f"{url}/out")
    batch = write_report(store, jobs, f"{url}/in", output=f"{url}/out")
    run = json.loads(place_of(f"{url}/out").read("_run.json").content)
    assert run["output"] == f"{url}/out"
    assert batch["report"] == f"{url}/out/_report.html"
    assert {file["input"] for file in run["files"]} >= {f"{url}/in/c.csv", f"{url}/in/sub/b.jsonl"}
    assert names_of_outputs(settings_of(f"{url}/in", output=f"{url}/out")) == {*DONE} - {"e.parquet"}


def test_an_output_inside_its_input_is_refused(url):
    with pytest.raises(SettingsError, match="lies inside the input"):
        check_output_folder(settings_of(f"{url}/in/**", output=f"{url}/in/out"))


def test_an_input_that_is_changed_while_it_is_predicted_fails(store, inbox, url, tmp_path):
    class Changing(HereAndNow):
        def submit(self, task, parameters):
            (tmp_path / "c.csv").write_text("source\n1\n")
            place_of(f"{url}/in").put("c.csv", tmp_path / "c.csv")
            return super().submit(task, parameters)

    jobs = predict(store, f"{url}/in/c.csv", output=f"{url}/out", runner=Changing(), chunk_rows=1)
    assert jobs["c.csv"].reason.endswith("changed since this run looked at it; the next run takes it as it is then")


def test_inputs_take_no_more_room_on_this_machine_than_they_may(store, inbox, url, monkeypatch):
    monkeypatch.setenv("SEQ2SEQ_CACHE_GIB", str(100 / 2**30))
    shutil.rmtree(cache_folder("inputs"))
    assert states(predict(store, f"{url}/in", output=f"{url}/out")) == DONE
    assert sum(path.name == "content" for path in cache_folder("inputs").rglob("*")) == 1


def test_a_copy_of_an_input_that_was_damaged_here_is_fetched_again(store, inbox, url):
    predict(store, f"{url}/in/c.csv", output=f"{url}/out")
    (copy,) = (path for path in cache_folder("inputs").rglob("content") if b"7 7 7" in path.read_bytes())
    copy.write_bytes(copy.read_bytes().replace(b"4 5", b"1 1"))
    jobs = predict(store, f"{url}/in/c.csv", output=f"{url}/other")
    assert jobs["c.csv"].account.lineage.input == digest_of(inbox / "c.csv")


def digest_of(path):
    return digest(path.read_text())


def test_a_missing_input_is_said_by_its_url(store, url):
    with pytest.raises(DataError, match=rf"^{url}/nowhere.csv does not exist"):
        predict(store, f"{url}/nowhere.csv", output=f"{url}/out")


def test_a_model_serves_from_an_object_store_in_python(store):
    assert len(load_predictor("numbers", store).predict(ROWS[:2])) == 2
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in repr(load_predictor("numbers", store).__dict__)
