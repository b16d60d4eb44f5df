"""A night as a command: new data, a model, its decision, and predictions with whatever model then serves."""

import json
import shutil
from operator import attrgetter

import pyarrow as pa
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from flows import promotions
from flows.nightly import main
from tests.helpers.batch_models import spelled
from tests.helpers.processes import finish

TINY = (
    "--name", "sounds", "--data.header", "false", "--data.source_encoding", "characters",
    "--data.target_encoding", "words", "--model.units", "24", "--model.embedding", "8", "--training.epochs", "5",
    "--training.batch_size", "32", "--training.learning_rate", "0.02", "--evaluation.min_sequence_accuracy", "0.05",
    "--predict.settle", "0", "--data.settle", "0",
)  # fmt: skip


def write(path, n, seed=0):
    path.parent.mkdir(exist_ok=True)
    lines = ["\t".join((word, " ".join(sounds))) for word, sounds in zip(*spelled(n, seed), strict=True)]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def first_night(tmp_path_factory):
    """A folder after its first night: data, an inbox, the store and the predictions; tests copy it."""
    folder = tmp_path_factory.mktemp("first-night")
    write(folder / "data" / "a.tsv", 900)
    write(folder / "inbox" / "one.tsv", 40, seed=5)
    assert main([*flags(folder), "--store", str(folder / "store")]) == 0
    return folder


def flags(folder):
    return (*TINY, "--data.train", str(folder / "data"), "--predict.inputs", str(folder / "inbox"),
            "--predict.output", str(folder / "out"))  # fmt: skip


@pytest.fixture
def night(run, first_night, tmp_path):
    """Runs another night in a copy of the folder; gives exit code, summary, and what was said."""
    return Night(run, first_night / "data", shutil.copytree(first_night, tmp_path / "night"))


class Night:
    """What is run in a folder."""

    def __init__(self, run, data, folder):
        self._run, self._data, self.folder = run, data, folder

    def __call__(self, *more):
        # The data stays where it was: its place is on the report.
        words = (*flags(self.folder), "--data.train", str(self._data), *more)
        return self._run(main, *words, store=self.folder / "store")


def files(summary):
    return {file["name"]: file["state"] for file in summary["predictions"]["files"]}


def test_a_night_without_news_makes_nothing_and_one_with_a_new_file_predicts_just_that(night):
    code, summary, said = night()
    assert code == 0
    assert all(step["cached"] for step in summary["steps"])
    assert summary["promoted"] is True
    assert "this run made no new model" in said
    # A copy lies elsewhere: outputs go by content, not by place.
    assert files(summary) == {"one.tsv": "keep"}
    write(night.folder / "inbox" / "two.tsv", 30, seed=6)
    _, summary, _ = night()
    assert files(summary) == {"one.tsv": "keep", "two.tsv": "predict"}
    assert (night.folder / "out" / "two.tsv.parquet").exists()


def test_a_night_predicts_the_files_beside_one_that_cannot_be_written_and_exits_with_1(night):
    write(night.folder / "inbox" / "two.tsv", 30, seed=6)
    table = pa.table({"0": ["bo"], "when": pa.array([2**55], pa.timestamp("s"))})
    with pa.ipc.new_file(night.folder / "inbox" / "a.arrow", table.schema) as writer:
        writer.write_table(table)
    code, summary, said = night("--predict.source", "0")
    assert code == 1
    assert files(summary) == {"a.arrow": "fail", "one.tsv": "keep", "two.tsv": "predict"}
    assert "a.arrow cannot be written: ArrowInvalid: " in said
    assert "column 'when' of type timestamp[s] cannot be written as parquet" in said
    assert (night.folder / "out" / "two.tsv.parquet").exists()
    assert not list((night.folder / "out").glob("a.arrow.*"))


def test_a_night_that_cannot_make_a_model_predicts_with_the_promoted_one_and_fails(night):
    write(night.folder / "inbox" / "two.tsv", 30, seed=6)
    (night.folder / "data" / "b.tsv").write_text("one column alone\n" * 9)
    code, _, said = night("--data.train", str(night.folder / "data"))
    assert code == 1
    assert "b.tsv has 1 columns" in said
    (night.folder / "data" / "b.tsv").unlink()
    (night.folder / "out" / "two.tsv.account.json").unlink()
    code, _, said = night("--checks.min_rows", "5000", "--checks.fail", "rows")
    assert code == 1
    assert "check 'rows' of the training data failed" in said
    account = json.loads((night.folder / "out" / "two.tsv.account.json").read_text())
    assert account["predicted"] == 30
    assert "FAILED" in last_artifact("nightly-sounds")


def test_a_night_whose_training_files_are_all_being_written_predicts_with_the_promoted_model_and_fails(night):
    write(night.folder / "data" / "b.tsv", 900)
    (night.folder / "data" / "a.tsv").touch()
    write(night.folder / "inbox" / "two.tsv", 30, seed=6)
    young = ("--data.train", str(night.folder / "data"), "--data.settle", "3600")
    code, _, said = night(*young)
    assert code == 1
    assert "may be half written" in said
    assert (night.folder / "out" / "two.tsv.parquet").exists()


def test_a_night_that_cannot_make_a_model_says_why_once(first_night, start_process, server, tmp_path):
    """At its end, below the predictions' lines; its page has the table of rows as a block."""
    folder = shutil.copytree(first_night, tmp_path / "night")
    (folder / "data" / "b.tsv").write_text("".join(f"w{i}\t\n" for i in range(30)))
    words = (*flags(folder), "--store", folder / "store", "--quiet")
    code, said = finish(start_process("-m", "flows.nightly", *words, PREFECT_API_URL=server))
    assert code == 1
    assert said.count("30 of 930 rows cannot be used") == 1, said
    assert "No new model: DataError, see the end. The promoted one predicts." in said
    page = last_artifact("nightly-sounds")
    assert "rows cannot be used, data.max_reject_rate is 0 |" in page
    assert "\nreasons: target_empty 30\n" in page


def test_a_night_that_can_neither_make_a_model_nor_predict_says_why_of_both(night):
    write(night.folder / "inbox" / "two.tsv", 30, seed=6)
    data = shutil.copytree(night.folder / "data", night.folder / "bad")
    (data / "b.tsv").write_text("".join(f"w{i}\t\n" for i in range(30)))
    (graph,) = night.folder.glob("store/bundle/*/encoder.onnx")
    graph.write_bytes(graph.read_bytes()[:-1])
    code, _, said = night("--data.train", str(data))
    assert code == 1
    closing = said.split("failed: ")[1]
    assert "encoder.onnx" in closing.splitlines()[0]
    assert closing.count("before that, no new model could be made") == 1
    assert closing.count("30 of 930 rows cannot be used") == 1


def test_a_first_night_whose_model_is_refused_predicts_nothing_and_says_so(night):
    """Under another name, for which the model that is there already is not good enough."""
    other = night.folder / "other"
    code, _, said = night("--name", "other", "--evaluation.min_sequence_accuracy", "1", "--predict.output", str(other))
    assert code == 1
    assert "no model is promoted as 'other', so nothing was predicted: sequence accuracy" in said
    assert not other.exists()


def test_the_night_is_one_page_in_prefect(night):
    night()
    text = last_artifact("nightly-sounds")
    assert "| made now | nothing: no new data, no changed setting |" in text
    assert "| promoted | sequence accuracy" in text
    assert "40 of 40 rows" in text
    assert "file://" in text


def last_artifact(key):
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])))
    return max(found, key=attrgetter("created")).data


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--predict.model", "other"), "predict.model is 'other'"),
        (("--predict.decoding.beam_width", "3"), "predict.decoding.beam_width is 3, but decoding.method"),
        (("--predict.chunk_rows", "0", "--model.units", "0"), "predict.chunk_rows"),
        (("--predict.output", "{inbox}/out"), "lies inside the input"),
    ],
)
def test_what_cannot_be_predicted_is_refused_before_any_work(run, tmp_path, more, said):
    write(tmp_path / "data" / "a.tsv", 30)
    write(tmp_path / "inbox" / "one.tsv", 5)
    more = [word.replace("{inbox}", str(tmp_path / "inbox")) for word in more]
    code, _, heard = run(main, *flags(tmp_path), *more)
    assert code == 2
    assert said in heard
    if "--model.units" in more:
        assert "model.units" in heard  # all faults together


def test_files_to_predict_are_required(run, tmp_path):
    write(tmp_path / "data" / "a.tsv", 30)
    code, _, said = run(main, *TINY, "--data.train", str(tmp_path / "data"))
    assert code == 2
    assert "predict.inputs is required" in said
    assert "predict.output is required" in said


def decide(capsys, store, *words):
    code = promotions.main([*words, "--store", str(store)])
    said = capsys.readouterr()
    return code, said.out + said.err


def test_the_history_of_promotions_says_who_decided_what_and_why(night, capsys):
    store = night.folder / "store"
    code, said = decide(capsys, store)
    assert code == 0
    assert "sounds: " in said
    assert "serves" in said
    assert "gate" in said
    assert "is at least 0.05" in said
    assert decide(capsys, store, "sounds")[1] == said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("g3p",), "no model was ever decided upon as 'g3p'"),
        (("sounds", "--rollback"), "--rollback needs --reason TEXT"),
        (("--rollback", "--reason", "x"), "--rollback needs the NAME"),
        (("sounds", "--reason", "x"), "--reason is for --promote or --rollback"),
        (("sounds", "--rollback", "--reason", "x"), "no other model served as 'sounds' before"),
        (("sounds", "--promote", "abcdef12", "--reason", "x"), "abcdef12 is not a promoted name, the digest of"),
        (("no/name", "--promote", "{bundle}", "--reason", "x"), "'no/name' is not a name"),
        (("sounds", "--promote", "{bundle}", "--reason", "x"), "serves as 'sounds' already"),
    ],
)
def test_a_decision_that_cannot_be_made_is_refused_with_what_is_expected(first_night, capsys, words, said):
    bundle = next((first_night / "store" / "bundle").iterdir()).name
    code, heard = decide(capsys, first_night / "store", *(word.replace("{bundle}", bundle) for word in words))
    assert code == 2
    assert said in heard


def test_a_person_may_promote_a_bundle_under_a_new_name_and_its_own_held_out_pairs_become_the_holdout(night, capsys):
    store = night.folder / "store"
    bundle = next((store / "bundle").iterdir()).name
    code, said = decide(capsys, store, "mine", "--promote", bundle, "--reason", "to compare")
    assert code == 0
    assert "person" in said
    assert "to compare" in said
    records = [json.loads((store / "promotions" / f"{name}.json").read_text()) for name in ("mine", "sounds")]
    assert records[0]["promoted"] == records[1]["promoted"]
    assert records[0]["holdout"] == records[1]["holdout"] is not None
