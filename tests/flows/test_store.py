"""`python -m flows.store`: what there is, where it came from, whether it is sound, and a clean-up beside others."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows._cli.checkout import ROOT
from flows.clean_up import clean_up
from flows.promotions import main as promotions
from flows.store import main
from tasks.prediction.jobs import describe_jobs
from tasks.seq2seq.settings.pruning import PruneSettings
from tasks.storage.files.json_files import write_json
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.making import Made, StepInputs
from tasks.storage.store.promotions import promote
from tests.helpers import small_bundles
from tests.helpers.batch_runs import predict
from tests.helpers.chains import Chain, chain, index_of, put, serve, there
from tests.helpers.stored import digest, listing

pytestmark = pytest.mark.seconds


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A store of two models, of which the second serves; for copying, since this process holds what it made."""
    store = Store(tmp_path_factory.mktemp("first") / "store")
    made = [chain(store, n, days=10 - n) for n in range(2)]
    serve(store, made[1], holdout=put(store, "holdout", "pairs", {"dataset": made[1].dataset.digest}))
    return store, made


@pytest.fixture
def made(first, root):
    """The two models, in a store that nobody holds."""
    store, chains = first
    shutil.copytree(store.root, root)
    return [
        Chain(*(one.model_copy(update={"path": root / one.path.relative_to(store.root)}) for one in made))
        for made in chains
    ]


def test_a_list_says_kind_name_digest_size_time_origins_users_and_what_serves(run, made, root):
    code, summary, said = run(main, "list", store=root)
    assert code == 0
    assert len(summary["artifacts"]) == 13
    bundle = next(one for one in summary["artifacts"] if one["digest"] == made[1].bundle.digest)
    assert bundle["promoted_as"] == ["g2p"]
    assert bundle["made_from"] == {"dataset": made[1].dataset.digest, "training": made[1].training.digest}
    assert {one["digest"] for one in bundle["used_by"]} == {made[1].evaluation.digest, made[1].report.digest}
    assert sum(one["bytes"] for one in summary["artifacts"]) == summary["bytes"] > 13_000
    (line,) = [line for line in said.splitlines() if "serves as 'g2p'" in line]
    assert re.match(
        rf"bundle +g2p +{made[1].bundle.digest[:16]} +[\d.]+ KiB +\d{{4}}-\d\d-\d\d \d\d:\d\d +dataset ", line
    )
    assert "held out for 'g2p'" in said
    assert "13 artifacts" in said


def test_a_list_is_of_a_kind_or_a_name_where_that_is_asked_for(run, made, root):
    put(Store(root), "bundle", "another", {}, name="dates")
    kinds = run(main, "list", "--kind", "bundle", store=root)[1]["artifacts"]
    names = run(main, "list", "--name", "dates", store=root)[1]["artifacts"]
    assert ([one["kind"] for one in kinds], [one["name"] for one in names]) == (["bundle"] * 3, ["dates"])


def test_a_store_that_is_not_there_holds_nothing_and_is_not_made(run, root):
    for words in (["list"], ["verify"], ["prune"], ["prune", "--dry-run"], ["leaderboard"]):
        assert run(main, *words, store=root)[0] == 0
    assert not root.exists() or not [path for path in root.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "no command is given; expected list, why, verify, prune, leaderboard or pages"),
        (["lst"], "lst is not a command, did you mean 'list'?"),
        (["why"], "why takes one word"),
        (["list", "bundle"], "list takes no more words, but got bundle"),
        (["list", "--older-than", "3"], "--older-than is not for list, but for prune"),
        (["prune", "--kind", "bundle"], "--kind is not for prune, but for list"),
        (["prune", "--csv", "a.csv"], "--csv is not for prune, but for leaderboard"),
        (["leaderboard", "g2p", "dates"], "leaderboard takes one problem, but got g2p dates"),
        (["leaderboard", "--kind", "bundle"], "--kind is not for leaderboard, but for list"),
        (["leaderboard", "--csv", "/dev/null/a.csv"], "--csv"),
        (["leaderboard", "g2p"], "no experiment of the store is called 'g2p'; there are: none"),
        (["prune", "--keep-models", "-1"], "keep_models"),
        (["verify", "abcdef"], "no artifact in"),
        (["why", "abcdef"], "no artifact in"),
        (["why", "none.parquet"], "none.parquet does not exist"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_what_can(run, root, words, text):
    code, summary, said = run(main, *words, store=root)
    assert (code, summary) == (2, None)
    assert text in said


def test_a_store_is_verified_whole_or_in_part_and_what_is_altered_is_named(run, made, root):
    code, summary, said = run(main, "verify", store=root)
    assert (code, summary["faults"]) == (0, [])
    assert f"{summary['checked']} artifacts and records checked" in said
    (made[0].report.path / "content.txt").write_text("x" * 1000)
    (made[0].checks.path / "content.txt").unlink()
    index_of(Store(root), made[0].bundle).write_text("{}")
    code, summary, said = run(main, "verify", store=root)
    assert code == 1
    assert len(summary["faults"]) == 3
    for handle in (made[0].report, made[0].checks):
        assert f"FAULT: {handle.path}/content.txt" in said
    assert "is made again when it is asked for" in said
    assert run(main, "verify", made[1].bundle.digest[:10], store=root)[0] == 0
    assert run(main, "verify", made[0].report.digest[:10], made[1].bundle.digest, "--quiet", store=root)[0] == 1


def test_a_promoted_model_that_is_gone_is_a_fault(run, made, root):
    made[1].bundle.path.rename(root / "away")
    code, summary, _ = run(main, "verify", store=root)
    assert code == 1
    assert summary["faults"] == [
        f"promotions of 'g2p': {made[1].bundle.path} is not an artifact: it has no manifest.json"
    ]


def test_a_dry_run_of_a_clean_up_shows_what_goes_and_removes_nothing(run, made, root):
    before = listing(root)
    code, summary, said = run(main, "prune", "--older-than", "9.5", "--dry-run", store=root)
    assert (code, summary["removed"]) == (0, [])
    assert listing(root) == before
    assert {one["digest"] for one in summary["going"]} == {one.digest for one in made[0]}
    assert summary["going_bytes"] == sum(one["bytes"] for one in summary["going"])
    assert "would go: 6 of" in said
    code, done, said = run(main, "prune", "--older-than", "9.5", store=root)
    assert sorted(done["removed"]) == sorted(one["path"] for one in summary["going"])
    assert "removed: 6 of" in said
    assert there(*made[0], *made[1]) == [False] * 6 + [True] * 6


def test_settings_of_a_clean_up_come_from_a_file_and_the_environment_too(run, made, root, tmp_path, monkeypatch):
    (tmp_path / "clean.toml").write_text('words = ["prune"]\nolder_than = 9.5\noutputs = ["out"]\n')
    work = tmp_path / "out" / ".work" / "0123456789abcdef"
    work.mkdir(parents=True)
    monkeypatch.setenv("SEQ2SEQ_UNFINISHED_DAYS", "0")
    code, summary, _ = run(main, "--config", str(tmp_path / "clean.toml"), store=root)
    assert code == 0
    assert not work.exists()
    assert {one["what"] for one in summary["going"]} == {"artifact", "chunks"}
    assert there(*made[0]) == [False] * 6


@pytest.fixture
def predicted(tmp_path, root):
    """A store with a small model that serves, and a folder of a file that it has predicted."""
    store = Store(root)
    dataset = put(store, "dataset", "pairs", {"train": "f" * 64}, name="g2p")
    origin = {"dataset": dataset.digest, "training": "e" * 64}
    bundle = small_bundles.make(store, made_from=origin)
    evaluation = put(store, "evaluation", "scores", {"dataset": dataset.digest, "bundle": bundle.digest})
    promote(store, "g2p", bundle.digest, "for the test")
    (tmp_path / "in").mkdir()
    pq.write_table(pa.table({"source": [[1, 2, 3], [4, 5, 6], [9, 9, 9]]}), tmp_path / "in" / "a.parquet")
    jobs = predict(root, tmp_path / "in", output=tmp_path / "out")
    assert jobs["a.parquet"].account.predicted == 2
    write_json(tmp_path / "out" / "_run.json", {"files": describe_jobs([*jobs.values()])})
    return store, dataset, bundle, evaluation


def test_the_way_back_from_a_prediction_file_names_inputs_model_evaluation_dataset_and_settings(
    run, predicted, tmp_path
):
    _, dataset, bundle, evaluation = predicted
    for name in ("a.parquet.parquet", "a.parquet.rejects.parquet", "a.parquet.account.json"):
        code, summary, said = run(main, "why", str(tmp_path / "out" / name), store=tmp_path / "store")
        origins = {one["what"]: one for one in summary["origins"]}
        assert [*origins] == ["file", "input", "bundle", "dataset", "train", "training", "evaluation"]
        assert origins["input"]["place"] == str(tmp_path / "in" / "a.parquet")
        assert origins["input"]["facts"]["decoding"]["method"] == "greedy"
        digests = {what: origins[what]["digest"] for what in ("bundle", "dataset", "evaluation")}
        assert digests == {"bundle": bundle.digest, "dataset": dataset.digest, "evaluation": evaluation.digest}
        assert origins["bundle"]["facts"]["promoted_as"] == ["g2p"]
        assert {what for what, one in origins.items() if one["state"] == "sound"} == {*origins} - {"train", "training"}
        assert origins["training"]["state"] == "missing"
        assert (code, summary["faults"]) == (1, [f"training {'e' * 16}: missing"])
        assert "decoding of input: " in said


def test_the_way_back_says_what_is_missing_or_altered(run, predicted, tmp_path):
    _, dataset, bundle, _ = predicted
    out = tmp_path / "out" / "a.parquet.parquet"
    (tmp_path / "in" / "a.parquet").unlink()
    (bundle.path / "codecs.json").write_text("{}")
    (dataset.path / "manifest.json").unlink()
    out.write_bytes(out.read_bytes() + b"x")
    code, summary, _ = run(main, "why", str(out), store=tmp_path / "store")
    states = {one["what"]: one["state"] for one in summary["origins"]}
    assert code == 1
    assert states["file"] == "altered: its account names another digest"
    assert states["input"] == "missing"
    assert "codecs.json has 2 bytes" in states["bundle"]
    assert "is not an artifact" in states["dataset"]


def test_a_prediction_file_without_its_account_tells_by_itself_and_a_strange_one_is_refused(run, predicted, tmp_path):
    out = tmp_path / "out" / "a.parquet.parquet"
    (tmp_path / "out" / "a.parquet.account.json").unlink()
    _, summary, _ = run(main, "why", str(out), store=tmp_path / "store")
    assert [one["what"] for one in summary["origins"]][:3] == ["file", "input", "bundle"]
    assert summary["origins"][0]["state"] == "not predicted yet"
    code, _, said = run(main, "why", str(tmp_path / "in" / "a.parquet"), store=tmp_path / "store")
    assert code == 2
    assert "does not say what it came from" in said


def test_the_way_back_from_a_digest(run, made, root):
    code, summary, _ = run(main, "why", made[1].report.digest[:12], store=root)
    assert code == 0
    assert [one["what"] for one in summary["origins"]] == [
        "report", "dataset", "train", "bundle", "training", "evaluation",
    ]  # fmt: skip
    assert summary["origins"][2]["state"] == "a file, which is not in the store"


def test_the_flow_of_the_deployment_removes_what_the_command_would(made, root, server):
    summary = clean_up(PruneSettings(older_than=9.5), root)
    assert len(summary["removed"]) == 6
    assert there(*made[0], *made[1]) == [False] * 6 + [True] * 6


MAKES = """
import itertools, pathlib, sys
from tasks.storage.files.json_files import write_json
from tasks.storage.store.artifact_store import Store
from tests.helpers.chains import Chain, chain, index_of, put, serve, there
store = Store(pathlib.Path(sys.argv[1]))
print("begun", flush=True)
for n in range(int(sys.argv[2])):
    for handle in chain(store, n, name=sys.argv[3]):
        store.open(handle.kind, handle.digest)
print("done", flush=True)
"""


def test_clean_ups_beside_processes_that_make_and_open_artifacts_take_nothing_from_them(root, start_python):
    """Two that make the same artifacts, one that makes others, and one after the other that removes all it may."""
    workers = [start_python(MAKES, root, 10, name) for name in ("same", "same", "other")]
    for worker in workers:
        assert worker.stdout.readline() == "begun\n"
    removed = 0
    while any(worker.poll() is None for worker in workers):
        done = subprocess.run(
            [sys.executable, "-m", "flows.store", "prune", "--older-than", "0", "--no-keep-origins", "--store", root],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        removed += done.stdout.count("older than")
    for worker in workers:
        out, err = worker.communicate()
        assert (worker.returncode, out) == (0, "done\n"), err
    subprocess.run(
        [sys.executable, "-m", "flows.store", "prune", "--older-than", "0", "--store", root], cwd=ROOT, check=True
    )
    assert [path for path in Path(root).rglob("*") if path.is_file() and path.parent.name != "locks"] == []


def test_nobody_rolls_back_to_a_model_that_is_gone(run, made, root):
    serve(Store(root), made[0])
    made[1].bundle.path.rename(root / "away")
    code, _, said = run(promotions, "g2p", "--rollback", "--reason", "why", store=root)
    assert code == 2
    assert f"{made[1].bundle.path} is not an artifact" in said
    assert run(promotions, "g2p", store=root)[1]["names"][0]["promoted"] == made[0].bundle.digest


def test_all_experiments_stand_side_by_side_on_the_terminal_as_csv_and_on_a_page(run, root, tmp_path):
    """Two models on one dataset, one of them served and with a score on validation too; a third on other data."""
    store = Store(root)
    dataset, other = (put(store, "dataset", name, {"train": digest("file")}) for name in ("pairs", "more"))
    for n, (data, units, share) in enumerate([(dataset, 8, 0.5), (dataset, 16, 0.75), (other, 8, 0.25)]):
        experiment = {"name": "g2p", "model": {"units": units}}
        training = put_scored(store, "training", n, {"dataset": data.digest}, experiment, {})
        origins = {"dataset": data.digest, "training": training.digest}
        bundle = put_scored(store, "bundle", n, origins, experiment, {"parameters": 100 * units})
        scored = {"dataset": data.digest, "bundle": bundle.digest}
        facts = {"scores": {"sequence_accuracy": share, "sequence_accuracy_interval": [share - 0.1, share + 0.1]}}
        put_scored(store, "evaluation", n, scored, experiment, facts)
        if n == 1:
            put_scored(store, "validation", n, scored, experiment, facts)
            promote(store, "g2p", bundle.digest, "for the test")
    files = {"--csv": tmp_path / "a.csv", "--page": tmp_path / "a.html"}
    words = [word for flag, path in files.items() for word in (flag, str(path))]
    code, summary, said = run(main, "leaderboard", "g2p", *words, store=root)
    assert code == 0
    both, alone = summary["problems"]
    assert [(one["score"], one["settings"]) for one in both["experiments"]] == [
        (0.75, {"model.units": 16}), (0.5, {"model.units": 8}),
    ]  # fmt: skip
    assert (both["experiments"][0]["promoted_as"], both["experiments"][0]["validation"]) == (["g2p"], 0.75)
    assert (alone["differs"], alone["experiments"][0]["parameters"]) == ([], 800)
    assert re.search(r"1 +g2p +0\.75 \(0\.65 to 0\.85\) +0\.75 \(0\.65 to 0\.85\) +16 .* g2p", said)
    assert "3 experiments on 2 datasets" in said
    assert len(files["--csv"].read_text().splitlines()) == 4
    assert files["--page"].read_text().count("<table>") == 2
    # What is damaged is left out, and the others are told.
    next(root.glob("evaluation/*/manifest.json")).write_text("{}")
    assert "2 experiments on" in run(main, "leaderboard", store=root)[2]


def test_pages_are_written_beside_the_artifacts_which_stay_sound(run, made, root):
    code, summary, said = run(main, "pages", store=root)
    assert code == 0
    assert f"open in a browser: {summary['page']}" in said
    assert "g2p" in Path(summary["page"]).read_text()
    assert run(main, "verify", store=root)[0] == 0
    assert len(run(main, "list", store=root)[1]["artifacts"]) == 13
    code, _, said = run(main, "pages", store="s3://bucket/store")
    assert code == 2
    assert "copy it here" in said


def put_scored(store, kind, n, made_from, experiment, facts):
    """An artifact with facts, of an experiment."""

    def write(folder):
        (folder / "content.txt").write_text(f"{kind} {n}")
        return Made(facts)

    step = StepInputs(kind, {"n": n}, made_from, experiment, {})
    with store.lock(step):
        return store.make(step, write)
