import json

import pytest

from tasks.seq2seq.errors import DataError
from tasks.seq2seq.metrics.accumulators import TokenCounts
from tasks.seq2seq.monitoring.drift import DayProfile
from tasks.seq2seq.monitoring.tally import Tally
from tasks.storage.files.digests import file_digest
from tasks.storage.files.inputs import InputFile
from tasks.storage.outputs.accounts import Account, Lineage, OutputPlace, find_account, list_accounts
from tasks.storage.outputs.assembly import work_name
from tasks.storage.store.manifest import FileEntry, canonical_digest
from tests.helpers.stored import digest

LINEAGE = Lineage(
    input=digest("i1"), model=digest("m1"), dataset=digest("d1"), decoding={"method": "greedy"}, writing={"format": "parquet"},
    reading={"source": ["text"]}, code="c1",
)  # fmt: skip
TALLY = Tally(
    rows=8, scored=TokenCounts(n=8, n_correct=7), reached_limit=0, rows_with_unknown=1, rows_outside_range=None,
    day=DayProfile(lengths={3: 8}, steps=24),
)  # fmt: skip


@pytest.fixture
def target(tmp_path):
    (tmp_path / "north").mkdir()
    (tmp_path / "north" / "a.csv.parquet").write_bytes(b"predictions")
    (tmp_path / "north" / "a.csv.rejects.parquet").write_bytes(b"rejects")
    return OutputPlace(InputFile("/in/north/a.csv", None), "north/a.csv", tmp_path)


def account(target, **others):
    files = {
        path.relative_to(target.folder).as_posix(): FileEntry(sha256=file_digest(path), bytes=path.stat().st_size)
        for path in (target.output("parquet"), target.rejects)
    }
    values = {
        "name": target.name, "input_bytes": 99, "lineage": LINEAGE, "format": "parquet", "read": 10, "predicted": 8,
        "rejected": 2, "reasons": {"source_null": 2}, "columns_left_out": [], "tally": TALLY, "files": files,
    }  # fmt: skip
    return Account(**{**values, **others})


def test_an_account_that_was_written_is_found_with_all_that_it_says(target):
    account(target).write(target)
    found = find_account(target, LINEAGE)
    assert isinstance(found, Account)
    assert found.model_copy(update={"checksum": ""}) == account(target)
    assert isinstance(found.tally.scored, TokenCounts)


@pytest.mark.parametrize("others", [{"engine": "onnxruntime 9"}, {"code": "c2"}, {"engine": None}])
def test_an_output_of_another_engine_or_other_code_counts_as_it_is(target, others):
    account(target, lineage=LINEAGE.model_copy(update={"engine": "onnxruntime 1", **others})).write(target)
    found = find_account(target, LINEAGE.model_copy(update={"engine": "onnxruntime 2"}))
    assert isinstance(found, Account)
    assert found.lineage.engine == others.get("engine", "onnxruntime 1")


def test_an_account_of_a_version_that_told_no_engine_counts_as_it_is(target):
    """Its checksum was taken without that field."""
    account(target).write(target)
    content = json.loads(target.account.read_text())
    assert "engine" not in content["lineage"]
    assert content["checksum"] == canonical_digest(
        {name: value for name, value in content.items() if name != "checksum"}
    )
    assert isinstance(find_account(target, LINEAGE), Account)


@pytest.mark.parametrize(
    "wrong", [{"read": 11}, {"predicted": 7}, {"rejected": 3}, {"history_only": 1}, {"reasons": {"source_null": 1}}]
)
def test_an_account_that_does_not_add_up_is_refused(target, wrong):
    account(target).check()
    with pytest.raises(DataError, match=r"the account of north/a\.csv does not add up"):
        account(target, **wrong).check()


def test_without_an_account_an_output_does_not_exist(target):
    assert find_account(target, LINEAGE) == "not predicted yet"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"input": digest("i2")}, "its content changed"),
        ({"model": digest("m2")}, "another model"),
        ({"decoding": {"method": "beam"}}, "other decoding settings"),
        ({"writing": {"format": "csv"}}, "another output was asked for"),
        ({"reading": {"source": ["words"]}}, "read with other settings"),
        ({"format_version": 2}, "the outputs' format has a new version"),
        ({"input": digest("i2"), "model": digest("m2")}, "its content changed, another model"),
    ],
)
def test_an_output_that_was_made_otherwise_is_none_and_it_is_said_what_differs(target, changed, said):
    account(target).write(target)
    assert find_account(target, LINEAGE.model_copy(update=changed)) == said


def test_another_version_of_the_code_is_recorded_and_predicts_nothing_again(target):
    account(target).write(target)
    assert isinstance(find_account(target, LINEAGE.model_copy(update={"code": "c2", "dataset": digest("d2")})), Account)


@pytest.mark.parametrize("name", ["output", "rejects"])
def test_an_output_that_was_altered_or_lost_is_none(target, name):
    account(target).write(target)
    path = target.output("parquet") if name == "output" else target.rejects
    path.write_bytes(b"x" * path.stat().st_size)
    assert find_account(target, LINEAGE) == f"{path.name} was altered"
    path.unlink()
    assert find_account(target, LINEAGE) == f"{path.name} is missing"


def test_an_altered_account_is_none(target):
    account(target).write(target)
    target.account.write_text(
        target.account.read_text().replace('"predicted":8', '"predicted":9').replace('"read": 10', '"read": 11')
    )
    assert find_account(target, LINEAGE) == "its account was altered"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": "a"}'])
def test_what_is_no_account_is_said_to_be_none(target, content):
    target.account.write_text(content)
    assert find_account(target, LINEAGE) == "its account cannot be read, or is of another version"


@pytest.mark.parametrize(
    "hostile",
    [
        *({"files": {file: {"sha256": digest("f"), "bytes": 1}}} for file in (
            "/precious", "../letters.txt", "north/a.csv/../../letters.txt", "south/a.csv.parquet", "north/a.csv",
            "north/a.csv./b", "north/a.csv.a/../../b", "north/a.csv.a\\b", "north/a.csv.\0", "north/a.csv.\n", "",
        )),
        *({"name": name, "files": {}} for name in ("../a.csv", "/a.csv", "north/../a.csv", "", ".", "north//a.csv", "a\0")),
        *({"lineage": LINEAGE.model_dump() | {name: value}} for name in ("input", "model", "dataset")
          for value in ("../..", "m1", digest("m1").upper(), 3)),
        {"files": {"north/a.csv.parquet": {"sha256": "../..", "bytes": 1}}},
    ],
)  # fmt: skip
def test_an_account_that_leads_elsewhere_is_none(target, hostile):
    """What an account names is removed where the next output has no such file."""
    write_sealed(target, {})
    assert isinstance(find_account(target, LINEAGE), Account)
    write_sealed(target, hostile)
    assert find_account(target, LINEAGE) == "its account cannot be read, or is of another version"


def write_sealed(target, change):
    """Writes an account that says something else, with a checksum of its own."""
    content = {**account(target).model_dump(mode="json", exclude={"checksum"}), **change}
    target.account.write_text(json.dumps({**content, "checksum": canonical_digest(content)}))


@pytest.mark.parametrize("name", ["a\\b.csv", "a\nb.csv", "..a.csv", "north/...csv", "~/a.csv", "a.csv.parquet.csv"])
def test_an_input_may_have_any_name_that_a_file_system_takes(tmp_path, name):
    target = OutputPlace(InputFile(f"/in/{name}", None), name, tmp_path)
    target.account.parent.mkdir(exist_ok=True)
    for path in (target.output("parquet"), target.rejects):
        path.write_text("")
    account(target).write(target)
    assert isinstance(find_account(target, LINEAGE), Account)


def test_accounts_of_a_folder_are_listed_by_the_name_of_their_input(target):
    account(target).write(target)
    (target.folder / ".work").mkdir()
    (target.folder / ".work" / "b.csv.account.json").write_text(target.account.read_text())
    (target.folder / "c.csv.account.json").write_text("{")
    assert list(list_accounts(target.folder)) == ["north/a.csv"]


@pytest.mark.parametrize("others", [{"engine": "onnxruntime 9"}, {"code": "c2"}, {"input": digest("i2")}])
def test_parts_that_something_else_predicted_are_not_taken_for_a_files_own(others):
    """A run that was killed is gone on with by the same engine and code only."""
    assert work_name(LINEAGE, "a", 10) != work_name(LINEAGE.model_copy(update=others), "a", 10)
