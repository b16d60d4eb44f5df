"""File by file: what an input is, what its rows are traced by, what is left out, and that the plan says what is done."""

import json
import os
import shutil
from datetime import datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.predict_batch import plan_batch
from tasks.prediction.batch_check import check_batch
from tasks.seq2seq.errors import DataError, SettingsError
from tasks.storage.store.artifact_store import Store
from tests.helpers.batch_models import batch_models, integer_pairs
from tests.helpers.batch_runs import account_of, contents, predict, report, settings_of

SOURCES, _ = integer_pairs(20)
TEXTS = [" ".join(map(str, source)) for source in SOURCES]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return batch_models(tmp_path_factory).need("integers")


@pytest.fixture
def run(store, tmp_path):
    """Predicts inputs below the test's folder into its `out`; gives the jobs by name."""

    def run(*inputs, **asked):
        return predict(store, *(tmp_path / one for one in inputs), output=tmp_path / "out", model="integers", **asked)

    return run


@pytest.fixture
def plan(store, tmp_path):
    def plan(*inputs, **asked):
        asked = {"output": tmp_path / "out", "model": "integers", **asked}
        return {
            job.name: job for job in plan_batch.fn(settings_of(*(tmp_path / one for one in inputs), **asked), store)
        }

    return plan


def write_json(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_rows(path, n=20, **more):
    return write_json(path, [{"source": source, **more} for source in SOURCES[:n]])


def write_arrow(path, **columns):
    table = pa.table({"source": SOURCES[:3], **columns})
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)


def write_csv(path, header, *beside):
    """Sources in a CSV, with what stands beside each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{header}\n" + "".join(f"{','.join((text, *beside))}\n" for text in TEXTS))


def actions(jobs):
    return {name: job.action for name, job in jobs.items()}


def read(path):
    return pq.read_table(path)


# Each file once


def test_inputs_that_overlap_and_links_to_one_file_are_predicted_once_under_the_first_name(run, store, tmp_path):
    write_rows(tmp_path / "inbox" / "a.jsonl")
    write_rows(tmp_path / "inbox" / "north" / "b.jsonl")
    (tmp_path / "inbox" / "A-link.jsonl").symlink_to("a.jsonl")
    inputs = ("inbox", "inbox/north", "inbox/north/b.jsonl", "inbox/A-link.jsonl")
    jobs = run(*inputs)
    assert actions(jobs) == {"a.jsonl": "predict", "north/b.jsonl": "predict"}
    batch = report(store, jobs, *(tmp_path / one for one in inputs), output=tmp_path / "out", model="integers")
    assert (batch["read"], batch["predicted_files"]) == (40, 2)
    again = [str(tmp_path / "inbox" / "A-link.jsonl")]
    assert batch["files_already_given"] == again


def test_an_input_that_comes_first_has_the_file_even_if_it_is_the_narrower_one(run, tmp_path):
    write_rows(tmp_path / "inbox" / "north" / "b.jsonl")
    assert list(run("inbox/north", "inbox")) == ["b.jsonl"]


def test_a_young_file_that_one_input_names_itself_is_taken_at_once(plan, tmp_path):
    write_rows(tmp_path / "inbox" / "a.jsonl")
    assert actions(plan("inbox", settle=100)) == {"a.jsonl": "wait"}
    assert actions(plan("inbox", "inbox/a.jsonl", settle=100)) == {"a.jsonl": "predict"}


# What is no file


def make_unlistable(folder):
    """A folder that nobody can list; for root, whom no permission keeps out, one whose path is too long."""
    folder.mkdir()
    if os.geteuid() != 0:
        folder.chmod(0)
        return folder.name
    here, part, parts = os.open(".", os.O_RDONLY), "d" * 250, [folder.name]
    os.chdir(folder)
    try:
        for _ in range(17):
            os.mkdir(part)  # noqa: PTH102 - a path that is too long is made step by step
            os.chdir(part)
            parts.append(part)
    finally:
        os.chdir(here)
        os.close(here)
    path = folder.parent
    while len(str(path / parts[0])) < os.pathconf("/", "PC_PATH_MAX"):
        path /= parts.pop(0)
    return (path / parts[0]).relative_to(folder.parent).as_posix()


def test_what_lies_in_a_folder_and_is_no_file_fails_alone_by_name(run, plan, store, tmp_path):
    """Dangling links, one to itself, a named pipe, a folder that cannot be listed; the others are predicted."""
    write_rows(tmp_path / "inbox" / "sub" / "good.jsonl")
    (tmp_path / "inbox" / "gone.jsonl").symlink_to("nowhere.jsonl")
    (tmp_path / "inbox" / "sub" / "round.csv").symlink_to("round.csv")
    os.mkfifo(tmp_path / "inbox" / "pipe")
    os.mkfifo(tmp_path / "inbox" / ".hidden")
    unlistable = make_unlistable(tmp_path / "inbox" / "lost+found")
    expected = {
        "gone.jsonl": "is a link that leads nowhere",
        "sub/round.csv": "is a link that leads to itself",
        "pipe": "is a named pipe, a socket or a device",
        unlistable: "cannot be listed" if os.geteuid() else "File name too long",
    }
    jobs = run("inbox")
    assert actions(jobs) == {"sub/good.jsonl": "predict", **dict.fromkeys(expected, "fail")}
    for name, said in expected.items():
        assert jobs[name].reason.startswith(str(tmp_path / "inbox" / name))
        assert said in jobs[name].reason
    assert {name: job.reason for name, job in plan("inbox").items() if job.action == "fail"} == {
        name: jobs[name].reason for name in expected
    }
    batch = report(store, jobs, tmp_path / "inbox", output=tmp_path / "out", model="integers")
    assert (batch["failed"], batch["predicted_files"], batch["predicted"]) == (4, 1, 20)


def test_a_pattern_finds_such_things_too_and_only_those_that_it_matches(plan, tmp_path):
    (tmp_path / "inbox").mkdir()
    for name in ("a.csv", "b.jsonl"):
        (tmp_path / "inbox" / name).symlink_to("nowhere")
    assert actions(plan("inbox/*.csv")) == {"a.csv": "fail"}


def test_an_inbox_of_dangling_links_is_not_one_of_nothing(run, tmp_path):
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "a.csv").symlink_to("nowhere")
    assert actions(run("inbox")) == {"a.csv": "fail"}


def test_a_link_is_the_file_that_it_leads_to(run, tmp_path):
    write_rows(tmp_path / "elsewhere" / "b")
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "a.jsonl").symlink_to(tmp_path / "elsewhere" / "b")
    assert run("inbox")["a.jsonl"].account.predicted == 20


# Traced by the path below the input; partition folders


def test_rejects_messages_and_accounts_name_the_path_below_the_input(run, tmp_path):
    for year in (2023, 2024):
        write_json(tmp_path / "in" / f"year={year}" / "data_0.jsonl", [{"source": [1]}, {"source": "x"}])
    run("in")
    for year in (2023, 2024):
        name = f"year={year}/data_0.jsonl"
        assert read(tmp_path / "out" / f"{name}.rejects.parquet")["file"].to_pylist() == [name]
        assert account_of(tmp_path / "out", name)["name"] == name


@pytest.mark.parametrize("kind", ["jsonl", "arrow", "csv", "npz"])
def test_every_format_names_rejects_so(run, tmp_path, kind):
    folder = tmp_path / "in" / "a=1"
    folder.mkdir(parents=True)
    if kind == "arrow":
        write_arrow(folder / "x.arrow", beside=pa.array([b"\xff", b"b", b"c"]).view(pa.string()))
    elif kind == "npz":
        far = np.full((2, 2), 2**64 - 1, np.uint64)
        far[1] = 1
        np.savez(folder / "x.npz", source=far)
    elif kind == "csv":
        (folder / "x.csv").write_text("source\n1 2\n1,2\n")
    else:
        write_json(folder / "x.jsonl", [{"source": [1]}, {"source": "x"}])
    run("in")
    assert read(tmp_path / "out" / "a=1" / f"x.{kind}.rejects.parquet")["file"].to_pylist() == [f"a=1/x.{kind}"]


def partitioned(run, tmp_path, *folders, **asked):
    """The partition columns of outputs: type and values of each, by folder."""
    for folder in folders:
        write_rows(tmp_path / "in" / folder / "x.jsonl", n=3)
    run("in", partitions=True, **asked)
    found = {}
    for folder in folders:
        table = read(tmp_path / "out" / folder / "x.jsonl.parquet")
        columns = [
            name for name in table.column_names[1:] if name not in ("prediction", "log_probability", "n_unknown")
        ]
        found[folder] = {name: (str(table[name].type), set(table[name].to_pylist())) for name in columns}
        assert table.column_names[:1] == ["source"]
    return found


def test_partition_folders_become_columns_of_integers_or_text(run, tmp_path):
    folders = (
        "year=2023/city=a%20b%2Fc/day=01",
        "year=-7/city=5/day=x",
        "year=__HIVE_DEFAULT_PARTITION__/city=6/day=2",
    )
    assert partitioned(run, tmp_path, *folders) == {
        folders[0]: {"year": ("int64", {2023}), "city": ("string", {"a b/c"}), "day": ("string", {"01"})},
        folders[1]: {"year": ("int64", {-7}), "city": ("string", {"5"}), "day": ("string", {"x"})},
        folders[2]: {"year": ("int64", {None}), "city": ("string", {"6"}), "day": ("string", {"2"})},
    }


def test_integers_that_are_too_large_and_nothing_but_nulls_are_text(run, tmp_path):
    folder = f"a={2**63}/b={2**63 - 1}/c=__HIVE_DEFAULT_PARTITION__/=x/d"
    assert partitioned(run, tmp_path, folder) == {
        folder: {"a": ("string", {str(2**63)}), "b": ("int64", {2**63 - 1}), "c": ("string", {None})}
    }


def test_without_the_setting_folders_are_folders(run, tmp_path):
    write_rows(tmp_path / "in" / "year=2024" / "x.jsonl")
    run("in")
    assert "year" not in read(tmp_path / "out" / "year=2024" / "x.jsonl.parquet").column_names


def test_a_file_with_a_column_of_its_folders_name_fails_alone(run, plan, tmp_path):
    write_rows(tmp_path / "in" / "year=1" / "x.jsonl")
    write_rows(tmp_path / "in" / "year=2" / "x.jsonl", year=3)
    assert actions(plan("in", partitions=True)) == actions(jobs := run("in", partitions=True))
    assert actions(jobs) == {"year=1/x.jsonl": "predict", "year=2/x.jsonl": "fail"}
    assert "has a column 'year'" in jobs["year=2/x.jsonl"].reason
    assert "--drop year" in jobs["year=2/x.jsonl"].reason
    run("in", partitions=True, drop=["year"])
    assert set(read(tmp_path / "out" / "year=2" / "x.jsonl.parquet")["year"].to_pylist()) == {2}


def test_a_folder_that_is_named_like_a_column_of_predictions_fails_its_files(plan, tmp_path):
    write_rows(tmp_path / "in" / "prediction=1" / "x.jsonl")
    assert actions(plan("in", partitions=True)) == {"prediction=1/x.jsonl": "fail"}


def test_outputs_are_made_again_where_another_folder_changes_their_columns_type(run, tmp_path):
    write_rows(tmp_path / "in" / "year=1" / "x.jsonl")
    write_rows(tmp_path / "in" / "year=2" / "x.jsonl")
    run("in", partitions=True)
    assert set(actions(run("in", partitions=True)).values()) == {"keep"}
    write_rows(tmp_path / "in" / "year=unknown" / "x.jsonl")
    assert set(actions(run("in", partitions=True)).values()) == {"predict"}
    assert read(tmp_path / "out" / "year=1" / "x.jsonl.parquet")["year"].type == pa.string()


# Another name than the format's


@pytest.mark.parametrize(
    ("name", "content", "value"),
    [
        ("a.txt", "source\n1 2\n", "csv"),
        ("a.txt", "id\tsource\n1\t1 2\n", "tsv"),
        ("a.json", '{"source": [1, 2]}\n{"source": [3]}\n', "jsonl"),
        ("part-0000", '{"source": [1, 2]}\n', "jsonl"),
    ],
)
def test_a_file_of_another_name_is_refused_with_the_setting_that_reads_it_and_then_read(
    run, store, tmp_path, name, content, value
):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=rf"of no known suffix .*--input-format {value}"):
        run(name)
    jobs = run(name, input_format=value)
    assert jobs[name].account.predicted == content.count("\n") - (value != "jsonl")
    assert "".join(read(tmp_path / "out" / f"{name}.rejects.parquet")["file"].to_pylist()) == ""


def test_the_format_is_set_for_all_files_of_a_folder_and_makes_other_outputs(run, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("id\tsource\n1\t1 2\n")
    (tmp_path / "in" / "b.dat").write_text("id\tsource\n1\t1 2\n")
    assert actions(run("in")) == {"a.csv": "fail"}
    jobs = run("in", input_format="tsv")
    assert [job.account.predicted for job in jobs.values()] == [1, 1]
    assert read(tmp_path / "out" / "a.csv.parquet").column_names[:2] == ["id", "source"]
    write_csv(tmp_path / "in" / "a.csv", "source")
    run("in")
    assert actions(run("in", input_format="csv"))["a.csv"] == "predict"


# Columns that are left out


def test_a_csv_with_nameless_trailing_columns_is_predicted_without_them(run, plan, tmp_path):
    write_csv(tmp_path / "in" / "a.csv", "source,id,,", "7", "", "")
    reason = plan("in")["a.csv"].reason
    assert "column '' is there 2 times" in reason
    assert "--drop 2,3 (positions, from 0)" in reason
    assert run("in", drop=["2", "3"])["a.csv"].account.columns_left_out == ["2", "3"]
    assert read(tmp_path / "out" / "a.csv.parquet").column_names[:3] == ["source", "id", "prediction"]


def test_a_name_leaves_out_all_columns_that_have_it_and_a_position_one_of_them(run, tmp_path):
    write_csv(tmp_path / "in" / "a.csv", "source,id,x,id", "7", "8", "9")
    run("in", drop=["3"])
    assert set(read(tmp_path / "out" / "a.csv.parquet")["id"].to_pylist()) == {"7"}
    assert run("in", drop=["id"])["a.csv"].account.columns_left_out == ["id", "id"]
    assert read(tmp_path / "out" / "a.csv.parquet").column_names[:3] == ["source", "x", "prediction"]


def test_a_position_never_leaves_out_a_column_that_has_a_name_of_its_own(store, tmp_path):
    write_csv(tmp_path / "in" / "a.csv", "source,id,2", "7", "8")
    with pytest.raises(SettingsError, match="no input has a column '1'"):
        check_batch(settings_of(tmp_path / "in", output=tmp_path / "out", model="integers", drop=["1"]), Store(store))


@pytest.mark.parametrize("kind", ["parquet", "arrow", "jsonl", "csv", "npz"])
def test_columns_of_every_format_are_left_out_even_the_source(run, tmp_path, kind):
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / f"a.{kind}"
    if kind == "parquet":
        pq.write_table(pa.table({"source": SOURCES[:3], "prediction": [1, 2, 3], "id": [4, 5, 6]}), path)
    elif kind == "arrow":
        write_arrow(path, prediction=pa.array([1, 2, 3]), id=pa.array([4, 5, 6]))
    elif kind == "npz":
        np.savez(path, source=np.array([[1, 2]] * 3), prediction=np.arange(3), id=np.arange(4, 7))
    elif kind == "csv":
        write_csv(path, "source,prediction,id", "1", "4")
    else:
        write_rows(path, n=3, prediction=1, id=4)
    jobs = run("in", drop=["prediction", "source"])
    assert jobs[f"a.{kind}"].account.columns_left_out == ["prediction", "source"]
    table = read(tmp_path / "out" / f"a.{kind}.parquet")
    assert table.column_names[:2] == ["id", "prediction"]
    assert int(table["id"][0].as_py()) == 4
    assert "source" not in table.column_names


def test_what_is_left_out_makes_another_output(run, tmp_path):
    write_rows(tmp_path / "in" / "a.jsonl", id=1, name=2)
    run("in", drop=["id", "name"])
    assert actions(run("in", drop=["name", "id"])) == {"a.jsonl": "keep"}
    assert actions(run("in", drop=["id"])) == {"a.jsonl": "predict"}
    assert actions(run("in")) == {"a.jsonl": "predict"}


def test_a_column_that_no_file_has_is_refused_with_the_nearest(store, tmp_path):
    write_rows(tmp_path / "in" / "a.jsonl", id=1)
    write_rows(tmp_path / "in" / "b.jsonl", other=1)
    asked = {"output": tmp_path / "out", "model": "integers"}
    check_batch(settings_of(tmp_path / "in", **asked, drop=["id", "other"]), Store(store))
    with pytest.raises(SettingsError, match="no input has a column 'othr', did you mean"):
        check_batch(settings_of(tmp_path / "in", **asked, drop=["othr", "id"]), Store(store))


def test_a_column_that_cannot_be_written_can_be_left_out(run, tmp_path):
    (tmp_path / "in").mkdir()
    shutil.copy("tests/cases/write_crash/b.arrow", tmp_path / "in")
    assert "leave it out with --drop c" in run("in")["b.arrow"].reason
    assert run("in", drop=["c"])["b.arrow"].action == "predict"


# The plan says what the run does

FAR = pa.array([2**55, 2, 3], pa.timestamp("s"))
REFUSED_BY_TYPE = {
    "prediction": (pa.array([1, 2, 3]), "leave it out with --drop prediction"),
    "log_probability": (pa.array([1, 2, 3]), "leave it out with --drop log_probability"),
    "scale": (pa.array([Decimal(100)] * 3, pa.decimal128(7, -2)), "leave it out with --drop scale"),
    "nothing": (pa.array([b""] * 3, pa.binary(0)), "leave it out with --drop nothing"),
}


@pytest.mark.parametrize("name", REFUSED_BY_TYPE)
def test_the_plan_fails_what_the_run_fails_for_its_schema(run, plan, tmp_path, name):
    values, said = REFUSED_BY_TYPE[name]
    write_rows(tmp_path / "in" / "a.jsonl")
    write_arrow(tmp_path / "in" / "b.arrow", **{name: values})
    planned = plan("in")
    assert not (tmp_path / "out").exists()
    assert actions(planned) == {"a.jsonl": "predict", "b.arrow": "fail"}
    assert planned["b.arrow"].reason == run("in")["b.arrow"].reason
    assert said in planned["b.arrow"].reason


def test_a_time_out_of_range_fails_its_file_alone_by_its_column(run, tmp_path):
    write_rows(tmp_path / "in" / "a.jsonl")
    write_arrow(tmp_path / "in" / "b.arrow", when=FAR)
    jobs = run("in")
    assert actions(jobs) == {"a.jsonl": "predict", "b.arrow": "fail"}
    assert "column 'when' of type timestamp[s] cannot be written as parquet; leave it out" in jobs["b.arrow"].reason


def test_dates_in_96_bits_stay_what_they_are(run, tmp_path):
    days = [datetime(9999, 12, 31, 23, 59, 59, 999999), datetime(1, 1, 1), datetime(2024, 2, 29, 1, 2, 3, 4)]  # noqa: DTZ001
    (tmp_path / "in").mkdir()
    table = pa.table({"source": SOURCES[:3], "day": pa.array(days, pa.timestamp("us"))})
    pq.write_table(table, tmp_path / "in" / "a.parquet", use_deprecated_int96_timestamps=True)
    assert pq.ParquetFile(tmp_path / "in" / "a.parquet").schema.column(1).physical_type == "INT96"
    run("in")
    assert read(tmp_path / "out" / "a.parquet.parquet")["day"].to_pylist() == days


# The dialect


def test_rejects_of_a_file_come_with_the_flag_that_would_read_them_and_which_does(run, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text('source\n"1 2"\n"1,234 5"\n?\n')
    account = run("in")["a.csv"].account
    assert account.reasons == {"source_type": 1, "source_unclear_comma": 1}
    assert [line.split(", as in")[0] for line in account.advice] == [
        "commas inside numbers would be read with --decimal ',' or --thousands ','",
        "'?' would be a missing value with --missing '?'",
    ]
    account = run("in", thousands=",", missing="?")["a.csv"].account
    assert (account.reasons, account.advice) == ({"source_null": 1}, [])


@pytest.mark.parametrize("flag", [{"encoding": "cp1252"}, {"escape": "\\"}, {"decimal": ","}, {"padding_value": 0}])
def test_what_is_said_of_a_dialect_makes_another_output(run, tmp_path, flag):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("source\n1 2\n")
    assert run("in")["a.csv"].action == run("in", **flag)["a.csv"].action == "predict"
    assert run("in", **flag)["a.csv"].action == "keep"


# None usable, none at all


def test_a_file_of_rows_that_are_all_rejected_has_failed_and_its_rejects_are_there(run, store, plan, tmp_path):
    write_rows(tmp_path / "in" / "good.jsonl")
    (tmp_path / "in" / "bad.csv").write_bytes(b"source\n1 \xe9\n2 \xe9\nx\n")
    for _ in ("a first run", "another one, for which nothing is new"):
        jobs = run("in")
        assert actions(jobs) == {"bad.csv": "fail", "good.jsonl": jobs["good.jsonl"].action}
        reason = "none of its 3 rows can be used (invalid_utf8 2, source_type 1); they are in bad.csv.rejects.parquet"
        assert jobs["bad.csv"].reason.startswith(f"{tmp_path / 'in' / 'bad.csv'}: {reason}; ")
        assert "would be read with --encoding cp1252" in jobs["bad.csv"].reason
        account = account_of(tmp_path / "out", "bad.csv")
        assert (account["read"], account["predicted"], account["rejected"]) == (3, 0, 3)
        assert len(read(tmp_path / "out" / "bad.csv.rejects.parquet")) == 3
        batch = report(store, jobs, tmp_path / "in", output=tmp_path / "out", model="integers")
        assert (batch["failed"], batch["read"], batch["rejected"]) == (1, 23, 3)
    assert plan("in")["bad.csv"].action == "fail"
    assert [path.name for path in (tmp_path / "out" / ".work").iterdir()] == ["lock"]


def test_such_a_file_is_predicted_once_it_is_mended(run, tmp_path):
    write_json(tmp_path / "in" / "a.jsonl", [{"source": "x"}])
    assert run("in")["a.jsonl"].action == "fail"
    write_rows(tmp_path / "in" / "a.jsonl")
    assert run("in")["a.jsonl"].action == "predict"
    assert account_of(tmp_path / "out", "a.jsonl")["predicted"] == 20


def write_empty(folder):
    folder.mkdir()
    schema = pa.schema([("source", pa.list_(pa.int64())), ("id", pa.int64())])
    pq.write_table(schema.empty_table(), folder / "a.parquet")
    with pa.ipc.new_file(folder / "b.arrow", schema):
        pass
    with pa.ipc.new_stream(folder / "c.arrow", schema):
        pass
    (folder / "d.csv").write_text("source,id\n")
    (folder / "e.csv").write_text("source,id")
    (folder / "f.tsv").write_bytes(b"source\tid\r\n")
    np.savez(folder / "g.npz", source=np.zeros((0, 3), np.int64), id=np.zeros(0, np.int64))
    return sorted(path.name for path in folder.iterdir())


def test_a_file_without_rows_is_predicted_to_an_empty_output_where_that_is_allowed(run, plan, tmp_path):
    names = write_empty(tmp_path / "in")
    assert actions(plan("in")) == actions(run("in")) == dict.fromkeys(names, "fail")
    for action in ("predict", "keep"):
        assert actions(run("in", allow_empty_files=True)) == dict.fromkeys(names, action)
    for name in names:
        table = read(tmp_path / "out" / f"{name}.parquet")
        assert (len(table), table.column_names[:3]) == (0, ["source", "id", "prediction"])
        account = account_of(tmp_path / "out", name)
        assert (account["read"], account["predicted"], account["rejected"]) == (0, 0, 0)
    assert actions(run("in")) == dict.fromkeys(names, "fail")


def test_a_file_without_a_byte_is_none_without_rows(run, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a.csv", "b.jsonl", "c.parquet"):
        (tmp_path / "in" / name).touch()
    jobs = run("in", allow_empty_files=True)
    assert set(actions(jobs).values()) == {"fail"}
    assert all("is empty (0 bytes)" in job.reason for job in jobs.values())


def test_runs_with_and_without_failing_neighbours_give_the_same_outputs(run, tmp_path):
    write_rows(tmp_path / "in" / "a.jsonl")
    run("in")
    before = contents(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    (tmp_path / "in" / "b.csv").symlink_to("nowhere")
    run("in")
    assert contents(tmp_path / "out") == before
