"""An exception of one file's work fails that file, at whatever stage; the files beside it are predicted all the same."""

import errno
import json
import os
import shutil
import zipfile
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prefect.exceptions import CrashedRun

from tasks.check import check_rows
from tasks.predict_batch import plan_batch
from tasks.prediction.batch_check import check_batch
from tasks.prediction.loaded_model import ServingModel
from tasks.seq2seq.errors import ArtifactError
from tasks.storage.outputs.accounts import Account
from tasks.storage.outputs.assembly import Assembly
from tasks.storage.outputs.chunks import FileToRead
from tasks.storage.outputs.writers import OutputWriter
from tasks.storage.store.artifact_store import Store
from tests.helpers.batch_models import batch_models, integer_pairs
from tests.helpers.batch_runs import HereAndNow, account_of, carry_out, column, contents, predict, report, settings_of

GOOD = ("a.jsonl", "z.jsonl")
SOURCES = pa.array([[1, 2], [3], [4, 5]])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return batch_models(tmp_path_factory).need("integers")


@pytest.fixture(scope="module")
def expected(store, tmp_path_factory):
    """What the good files come to where there is no other, by what is asked for."""
    made = {}

    def expected(**asked):
        key = json.dumps(asked, sort_keys=True)
        if key not in made:
            folder = tmp_path_factory.mktemp("good")
            write_good(folder / "in")
            predict(store, folder / "in", output=folder / "out", model="integers", **asked)
            made[key] = contents(folder / "out")
        return made[key]

    return expected


def write_good(folder):
    folder.mkdir()
    for seed, name in enumerate(GOOD):
        write_json(folder / name, integer_pairs(30, seed)[0])


def write_json(path, sources):
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps({"source": source, "id": i}) + "\n" for i, source in enumerate(sources)))


@pytest.fixture
def folder(tmp_path):
    """A folder of two good files."""
    write_good(tmp_path / "in")
    return tmp_path / "in"


@pytest.fixture
def check(store, folder, expected):
    """Holds a run against the one that every failure is to leave: the file has failed, of it nothing is there."""

    def check(jobs, name, reason, **asked):
        assert {job.name: job.action for job in jobs.values()} == {**dict.fromkeys(GOOD, "predict"), name: "fail"}
        assert jobs[name].reason.startswith(f"{folder / name} cannot be {reason}")
        assert contents(folder.parent / "out") == expected(**asked)
        assert [path.name for path in (folder.parent / "out" / ".work").iterdir()] == ["lock"]
        batch = report(store, jobs, folder, output=folder.parent / "out", model="integers", **asked)
        assert (batch["failed"], batch["predicted_files"]) == (1, 2)

    return check


def write_arrow(path, **columns):
    table = pa.table({"source": SOURCES, **columns})
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)


def write_name_that_is_no_text(path):
    schema = pa.schema([pa.field("source", SOURCES.type), pa.field(b"caf\xe9", pa.int64())])
    pq.write_table(pa.Table.from_arrays([SOURCES, pa.array([1, 2, 3])], schema=schema), path)


def write_header_cut_short(path):
    """An array of whose header the last bracket is missing."""
    np.savez(path, source=np.array([[1, 2], [3, 4]]))
    header = b"{'descr': '<i8', 'fortran_order': False, 'shape': (2, ".ljust(117) + b"\n"
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("t.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"\0" * 16)


# Inspected


def test_a_column_whose_name_is_no_text_fails_its_file_alone(store, folder, check):
    write_name_that_is_no_text(folder / "b.parquet")
    jobs = predict(store, folder, output=folder.parent / "out", model="integers")
    assert jobs["b.parquet"].action == "fail"
    assert jobs["b.parquet"].reason.endswith(
        "the name of a column is not UTF-8 ('caf\\xe9'); rename it where the file is made"
    )


def test_before_the_run_such_a_file_does_not_refuse_the_others(store, folder):
    write_name_that_is_no_text(folder / "b.parquet")
    asked = {"output": folder.parent / "out", "model": "integers", "states_picture": "id", "encoder_states": True}
    check_batch(settings_of(folder, **asked), Store(store))


def test_what_the_reader_did_not_think_of_fails_the_file_alone_and_the_plan_says_so(store, folder, check):
    write_header_cut_short(folder / "b.npz")
    jobs = predict(store, folder, output=folder.parent / "out", model="integers")
    check(jobs, "b.npz", "inspected: TokenError: ")
    planned = plan_batch.fn(settings_of(folder, output=folder.parent / "out", model="integers"), store)
    assert [job.reason for job in planned if job.action == "fail"] == [jobs["b.npz"].reason]


# Checked


def test_rows_that_cannot_be_checked_fail_their_file_alone_and_those_of_others_are_counted(
    store, folder, check, monkeypatch
):
    """No file is known that can be inspected, and raises what nobody catches as its rows are read."""
    write_json(folder / "b.jsonl", [[1, 2]])
    as_it_is = FileToRead.chunks

    def chunks(self, rows, rejects):
        if self.file.name == "b.jsonl":
            raise RecursionError
        return as_it_is(self, rows, rejects)

    monkeypatch.setattr(FileToRead, "chunks", chunks)
    settings = settings_of(folder, output=folder.parent / "out", model="integers")
    checked = check_rows.fn(plan_batch.fn(settings, store), settings, store)
    assert {finding["rule"]: finding["message"] for finding in checked.findings}["rows"].startswith("60 usable rows")
    jobs = carry_out(checked.jobs, settings, store, HereAndNow())
    check(jobs, "b.jsonl", "checked: RecursionError; the place is in the log")


# Read


def test_a_file_in_whose_place_there_is_a_folder_when_its_turn_comes_fails_alone(store, folder, check):
    write_json(folder / "b.jsonl", [[1, 2]])
    settings = settings_of(folder, output=folder.parent / "out", model="integers")
    jobs = plan_batch.fn(settings, store)
    (folder / "b.jsonl").unlink()
    for name in GOOD:
        write_json(folder / "b.jsonl" / name, [[1, 2]])
    jobs = carry_out(jobs, settings, store, HereAndNow())
    check(jobs, "b.jsonl", "read: it is a folder, expected a file of sequences")


def test_an_exception_in_the_middle_of_a_file_leaves_nothing_of_its_beginning(store, folder, check, monkeypatch):
    """No file is known that raises what nobody catches only after some chunks."""
    write_json(folder / "b.jsonl", [[1, 2]] * 50)
    as_it_is = Assembly.read

    def read(self, chunk_rows):
        for number, piece in enumerate(as_it_is(self, chunk_rows)):
            if number == 3 and self.place.name == "b.jsonl":
                raise RecursionError
            yield piece

    monkeypatch.setattr(Assembly, "read", read)
    runner = HereAndNow()
    jobs = predict(store, folder, output=folder.parent / "out", model="integers", chunk_rows=10, runner=runner)
    assert "b.jsonl" in {chunk.file.rsplit("/", 1)[-1] for seen in runner.seen for chunk in seen["chunks"]}
    check(jobs, "b.jsonl", "read: RecursionError; the place is in the log", chunk_rows=10)


# Predicted


@pytest.fixture
def refuse(monkeypatch):
    """The model raises for rows with a column `marked`: no file is known whose usable rows a model raises for."""

    def refuse(error):
        as_it_is = ServingModel.predict_chunk

        def predict_chunk(self, table):
            if "marked" in table.column_names:
                raise error
            return as_it_is(self, table)

        monkeypatch.setattr(ServingModel, "predict_chunk", predict_chunk)

    return refuse


@pytest.mark.parametrize("error", [MemoryError("a row of 20 GB"), ValueError("Graph\n\nexecution\n error")])
def test_a_chunk_that_the_model_raises_for_fails_its_file_and_not_those_in_the_same_task(
    error, store, folder, check, refuse
):
    write_arrow(folder / "b.arrow", marked=pa.array([1, 2, 3]))
    refuse(error)
    runner = HereAndNow()
    jobs = predict(store, folder, output=folder.parent / "out", model="integers", runner=runner)
    assert len(runner.seen[0]["chunks"]) == 3
    said = " ".join(str(error).split())
    check(jobs, "b.arrow", f"predicted: {type(error).__name__}: {said}; the place is in the log")


def test_a_file_that_has_failed_is_not_read_to_its_end(store, folder, check, refuse, monkeypatch):
    pq.write_table(pa.table({"source": [[1, 2]] * 2000, "marked": range(2000)}), folder / "b.parquet")
    refuse(ValueError("no"))
    read, as_it_is = [], Assembly._piece

    def noted(*given):
        read.append(given)
        return as_it_is(*given)

    monkeypatch.setattr(Assembly, "_piece", noted)
    jobs = predict(store, folder, output=folder.parent / "out", model="integers", chunk_rows=10)
    assert 6 < len(read) < 20
    check(jobs, "b.parquet", "predicted: ValueError: no", chunk_rows=10)


def test_trouble_of_the_system_in_a_task_is_no_files_so_that_prefect_tries_again(store, folder, refuse):
    write_arrow(folder / "b.arrow", marked=pa.array([1, 2, 3]))
    refuse(OSError(errno.ESTALE, "stale handle"))
    with pytest.raises(OSError, match="stale handle"):
        predict(store, folder, output=folder.parent / "out", model="integers")


# Written


def test_a_dictionary_that_holds_a_null_fails_its_file_alone_and_the_column_is_named(store, folder, check):
    shutil.copy("tests/cases/write_crash/b.arrow", folder)
    jobs = predict(store, folder, output=folder.parent / "out", model="integers")
    check(jobs, "b.arrow", "written: ArrowNotImplementedError: ")
    column = "column 'c' of type dictionary<values=string, indices=int32, ordered=0> cannot be written as parquet"
    assert f"({column}; leave it out with --drop c); the place is in the log" in jobs["b.arrow"].reason


FAR = pa.array([2**55, 2, 3], pa.timestamp("s"))
UNWRITABLE = {
    "parquet": [FAR, pa.array([Decimal(100)] * 3, pa.decimal128(7, -2)), pa.array([b""] * 3, pa.binary(0))],
    "csv": [pa.StructArray.from_arrays([FAR], ["t"]), pa.array([1, 2, 3], pa.timestamp("us", "Mars/Olympus"))],
    "jsonl": [pa.StructArray.from_arrays([FAR], ["t"]), pa.array([[1]] * 3, pa.list_(pa.duration("ns")))],
}


@pytest.mark.parametrize(
    ("kind", "values"), [(kind, values) for kind, columns in UNWRITABLE.items() for values in columns], ids=str
)
def test_values_that_a_format_cannot_hold_fail_their_file_alone_and_the_column_is_named(
    kind, values, store, folder, check
):
    write_arrow(folder / "b.arrow", fine=pa.array([1, 2, 3]), odd=values)
    jobs = predict(store, folder, output=folder.parent / "out", model="integers", format=kind)
    check(jobs, "b.arrow", "written: ", format=kind)
    assert f"column 'odd' of type {values.type} cannot be written as {kind}" in jobs["b.arrow"].reason


def test_a_picture_that_cannot_be_drawn_fails_its_file_alone_and_the_column_is_named(store, folder, check):
    asked = {"encoder_states": True, "states_picture": "id"}
    write_arrow(folder / "b.arrow", id=FAR.cast(pa.int64()).cast(pa.timestamp("ms")))
    jobs = predict(store, folder, output=folder.parent / "out", model="integers", **asked)
    check(jobs, "b.arrow", "written: OverflowError: ", **asked)
    assert "column 'id'" in jobs["b.arrow"].reason


def test_an_output_folder_with_a_file_in_its_place_fails_the_files_below_it_alone(store, folder, check):
    write_json(folder / "sub" / "b.jsonl", [[1, 2]])
    (folder.parent / "out").mkdir()
    (folder.parent / "out" / "sub").write_text("mine")
    jobs = predict(store, folder, output=folder.parent / "out", model="integers")
    assert (folder.parent / "out" / "sub").read_text() == "mine"
    (folder.parent / "out" / "sub").unlink()
    check(jobs, "sub/b.jsonl", f"written: {folder.parent / 'out' / 'sub'} cannot be written: ")


@pytest.fixture
def changed(store, folder):
    """A third file, predicted as CSV and then changed; gives what there is of it, and of all."""
    write_json(folder / "b.jsonl", [[1, 2]])
    predict(store, folder, output=folder.parent / "out", model="integers", format="csv")
    write_json(folder / "b.jsonl", [[3], [4]])
    return contents(folder.parent / "out")


def test_a_folder_that_comes_into_the_way_meanwhile_fails_its_file_alone_and_stays(store, folder, changed):
    out = folder.parent / "out"

    class Comes(HereAndNow):
        def submit(self, task, parameters):
            (out / "b.jsonl.states.png" / "mine").mkdir(parents=True, exist_ok=True)
            return super().submit(task, parameters)

    jobs = predict(store, folder, output=out, model="integers", format="csv", runner=Comes())
    assert [(job.name, job.action) for job in jobs.values()] == [
        ("a.jsonl", "keep"), ("b.jsonl", "fail"), ("z.jsonl", "keep"),
    ]  # fmt: skip
    assert "b.jsonl.states.png is a folder; move it out of the way" in jobs["b.jsonl"].reason
    assert (out / "b.jsonl.states.png" / "mine").is_dir()
    assert contents(out) == changed


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_an_output_that_cannot_be_put_in_place_leaves_the_former_one_as_it_was(
    kind, store, folder, changed, monkeypatch
):
    """No input makes the last step fail, before which all that can be looked at has been."""
    write = Account.write

    def refuse(account, target):
        if target.name == "b.jsonl":
            assert (folder.parent / "out" / f"b.jsonl.{kind}").exists()
            raise OSError(errno.EIO, "Input/output error")
        write(account, target)

    out = folder.parent / "out"
    monkeypatch.setattr(Account, "write", refuse)
    jobs = predict(store, folder, output=out, model="integers", format=kind)
    assert jobs["b.jsonl"].action == "fail"
    assert "cannot be written: OSError: [Errno 5] Input/output error" in jobs["b.jsonl"].reason
    of_b = {name: digest for name, digest in changed.items() if name.startswith("b.")}
    assert {name: digest for name, digest in contents(out).items() if name.startswith("b.")} == of_b
    assert [path.name for path in (out / ".work").iterdir()] == ["lock"]
    monkeypatch.undo()
    jobs = predict(store, folder, output=out, model="integers", format=kind)
    assert jobs["b.jsonl"].action == "predict"
    assert column(out / f"b.jsonl.{kind}", "id") == ([0, 1] if kind == "parquet" else ["0", "1"])
    assert sorted(account_of(out, "b.jsonl")["files"]) == [f"b.jsonl.{kind}", "b.jsonl.rejects.parquet"]
    assert len(list(out.glob("b.jsonl.*"))) == 3


def test_an_output_that_cannot_even_be_closed_is_removed_and_its_first_reason_stands(store, folder, check, monkeypatch):
    """Arrow closes what it could not write; that it does is nothing to rely on."""
    shutil.copy("tests/cases/write_crash/b.arrow", folder)
    close, write, left = OutputWriter.close, Account.write, []

    def close_late(self):
        close(self)
        if self.rows == 0:
            left.append(self._path.parent)
            raise ValueError("not open")

    def write_after(account, target):
        assert not any(path.exists() for path in left)
        write(account, target)

    monkeypatch.setattr(OutputWriter, "close", close_late)
    monkeypatch.setattr(Account, "write", write_after)
    jobs = predict(store, folder, output=folder.parent / "out", model="integers")
    assert left
    check(jobs, "b.arrow", "written: ArrowNotImplementedError: ")


# What ends the run


def test_a_full_disk_ends_the_run(store, folder, monkeypatch):
    """Too little room for one test alone is not to be had here; the tests of processes bound the size of files."""

    def write(self, table):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(OutputWriter, "write", write)
    with pytest.raises(ArtifactError, match="make room"):
        predict(store, folder, output=folder.parent / "out", model="integers")


def test_a_model_that_cannot_be_loaded_ends_the_run(store, folder, tmp_path):
    shutil.copytree(store, tmp_path / "store")

    class Loses(HereAndNow):
        def submit(self, task, parameters):
            for path in (tmp_path / "store").glob("bundle/*/*.keras"):
                path.unlink()
            return super().submit(task, parameters)

    with pytest.raises(ArtifactError):
        predict(tmp_path / "store", folder, output=folder.parent / "out", model="integers", runner=Loses())


def test_a_model_that_cannot_be_loaded_for_a_file_without_a_usable_row_ends_the_run_too(store, tmp_path, monkeypatch):
    """Keras' own errors are of any type: nothing tells them from a file's but where they are raised."""
    write_json(tmp_path / "a.jsonl", [[]])

    def load(serving):
        raise TypeError("Could not locate class")

    monkeypatch.setattr("tasks.prediction.queue.load_serving", load)
    with pytest.raises(TypeError, match="Could not locate class"):
        predict(store, tmp_path / "a.jsonl", output=tmp_path / "out", model="integers")


def test_a_task_that_prefect_could_not_run_ends_the_run(store, folder):
    class Crashed:
        def result(self):
            raise CrashedRun("the server is gone")

    class Crashes(HereAndNow):
        def submit(self, *_, **__):
            return Crashed()

    with pytest.raises(CrashedRun):
        predict(store, folder, output=folder.parent / "out", model="integers", runner=Crashes())


def test_what_is_raised_where_a_chunk_is_submitted_is_not_the_files_that_is_read_just_then(store, folder):
    class Gone(HereAndNow):
        def submit(self, *_, **__):
            raise RuntimeError("cannot schedule new futures after shutdown")

    with pytest.raises(RuntimeError, match="cannot schedule"):
        predict(store, folder, output=folder.parent / "out", model="integers", runner=Gone(), chunk_rows=10)


def test_an_interrupt_ends_the_run(store, folder, refuse):
    write_arrow(folder / "b.arrow", marked=pa.array([1, 2, 3]))
    refuse(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        predict(store, folder, output=folder.parent / "out", model="integers")
