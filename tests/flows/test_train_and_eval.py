"""The main job, on a real server, with tiny experiments."""

import json
import re
import shutil
import time
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterId,
)
from prefect.client.schemas.sorting import FlowRunSort

from flows._cli.checkout import ROOT
from flows.train_and_eval import main
from tests.helpers.tiny import TINY, tiny_run


@pytest.fixture(scope="module")
def first_run(tmp_path_factory):
    """What the tiny experiment left when it was run first."""
    return tiny_run(tmp_path_factory)


@pytest.fixture(scope="module")
def finished_store(first_run):
    """A store in which the tiny experiment was made once; tests copy it."""
    return first_run / "store"


@pytest.fixture
def store(finished_store, tmp_path):
    """A copy of the finished store, to change."""
    return shutil.copytree(finished_store, tmp_path / "store")


def made(summary):
    return {step["name"] for step in summary["steps"] if not step["cached"]}


def planned(said):
    """What `--dry-run` says of each step."""
    kinds = "dataset|checks|training|bundle|evaluation|promotion|report"
    return {name: " ".join(rest.split()) for name, rest in re.findall(rf"^({kinds})  +(.*)$", said, re.MULTILINE)}


def last_flow_run():
    """The last flow run, its task runs and its artifacts, when the server has recorded them."""
    with get_client(sync_client=True) as client:
        flow_run = client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=1)[0]
        mine = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run.id]))
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:  # the server records task runs a little later
            task_runs = client.read_task_runs(flow_run_filter=mine)
            if len(task_runs) == 9 and all(task_run.state and task_run.state.is_final() for task_run in task_runs):
                break
            time.sleep(0.2)
        of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run.id]))
        return flow_run, task_runs, client.read_artifacts(artifact_filter=of_run)


def test_python_gets_scores_a_report_and_a_predictor_as_the_page_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "python.md").read_text()
    (code,) = re.findall(r"<!-- run: python -->\n```python\n(.*?)```", page, re.DOTALL)
    known = {}
    exec(code, known)  # noqa: S102 - our own page
    result, said = known["result"], capsys.readouterr()
    for name in re.findall(r"^\| `result\[\"(\w+)\"\]", page, re.MULTILINE):
        assert name in result
    assert result["sequence_accuracy"] >= 0.9
    assert Path(result["report"]).read_text().startswith("<!doctype html>")
    assert json.loads(said.out.splitlines()[-1]) == [[4, 3, 2, 1], [3, 4, 5, 6]]
    for notice in ("temporary server", "cuda", "absl", "tensorflow", "Traceback"):
        assert notice not in said.out + said.err


def test_a_new_store_gets_a_proven_and_promoted_model(first_run):
    summary, said = json.loads((first_run / "summary.json").read_text()), (first_run / "said").read_text()
    assert made(summary) == {"dataset", "training", "bundle", "evaluation", "report"}
    assert summary["n_evaluated"] == 50
    assert summary["sequence_accuracy"] == summary["n_correct"] / 50 >= 0.95
    assert summary["promoted"] is True
    assert summary["dataset"]["rows"] == 6000
    assert summary["dataset"]["shapes"]["source"] == [6000, 4]
    assert summary["train_sequences_per_s"] > 0
    assert summary["peak_rss_mib"] >= summary["peak_rss_without_server_mib"] > 100
    assert len(summary["examples"]) == 3
    for example in summary["examples"]:
        assert example["expected"] == example["source"][:2][::-1]
        assert example["correct"] == (example["expected"] == example["predicted"])
    assert "source (6000, 4)" in said
    assert "95 % interval" in said


def test_an_unchanged_rerun_makes_nothing_and_prefect_shows_it_as_cached(run, store):
    code, summary, said = run(main, *TINY, store=store)
    assert code == 0
    assert made(summary) == set()
    assert summary["promoted"] is True
    assert "this run made no new model" in said
    _, task_runs, _ = last_flow_run()
    states = {task_run.name: task_run.state.name for task_run in task_runs}
    cached = {name.split()[0] for name, state in states.items() if state == "Cached"}
    assert cached == {"generate", "check", "train", "export", "evaluate", "report"}


def test_runs_have_readable_names_and_the_report_is_an_artifact(run, store):
    _, summary, _ = run(main, *TINY, "--name", "letters", store=store)
    flow_run, task_runs, artifacts = last_flow_run()
    assert flow_run.name == "train and eval letters"
    assert flow_run.parameters["experiment"]["name"] == "letters"
    assert flow_run.state.name == "Completed"
    assert {"generate letters", "train letters", "evaluate letters"} <= {task.name for task in task_runs}
    shown = {artifact.key: artifact for artifact in artifacts}
    report = shown["report-letters"]
    assert report.type == "markdown"
    assert report.data.count("](data:image/svg+xml;base64,") == 4  # loss, accuracy, positions, confusions
    assert len(report.data) < 300_000
    assert "| source | expected | predicted |" in report.data
    assert Path(summary["report"]).as_uri() in shown["page-letters"].data


@pytest.mark.parametrize(
    ("change", "remade"),
    [
        (("--evaluation.n_examples", "5"), {"evaluation", "report"}),
        (("--evaluation.min_sequence_accuracy", "0.5"), {"report"}),
        pytest.param(
            ("--training.epochs", "1"), {"training", "bundle", "evaluation", "report"}, marks=pytest.mark.slow
        ),
        pytest.param(
            ("--data.n_samples", "5000"),
            {"dataset", "training", "bundle", "evaluation", "report"},
            marks=pytest.mark.exhaustive,
        ),
    ],
)
def test_a_changed_setting_remakes_exactly_what_depends_on_it(run, store, change, remade):
    code, summary, said = run(main, *TINY, *change, "--dry-run", store=store)
    assert (code, summary["data"]) == (0, None)
    would_be_made = {name for name, state in planned(said).items() if state.startswith("would be made")}
    assert would_be_made - {"checks", "promotion"} == remade
    code, summary, _ = run(main, *TINY, *change, store=store)
    assert code == 0
    assert made(summary) == remade


@pytest.mark.slow
def test_refresh_makes_everything_again(run, store):
    _, summary, _ = run(main, *TINY, "--refresh", store=store)
    assert made(summary) == {"dataset", "training", "bundle", "evaluation", "report"}


def test_a_dry_run_says_what_is_cached_and_what_would_be_made_and_why(run, store, monkeypatch):
    monkeypatch.setattr("flows._cli.flow_work.FlowWork._run", pytest.fail)
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    (dataset,) = store.glob("dataset/*")
    code, _, said = run(main, *TINY, "--dry-run", store=store)
    assert (code, planned(said)["dataset"]) == (0, f"cached {dataset}")
    assert "0 of 7 steps would be" in said
    assert planned(said)["promotion"].startswith("cached sequence accuracy")
    _, _, said = run(main, *TINY, "--training.epochs", "1", "--dry-run", store=store)
    assert planned(said)["training"] == "would be made not made yet"
    assert planned(said)["bundle"] == "would be made its training would be made"
    _, _, said = run(main, *TINY, "--refresh", "--dry-run", store=store)
    assert set(planned(said).values()) == {"would be made a refresh was asked for"}
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*")} == before
    (encoder,) = store.glob("bundle/*/encoder.keras")
    encoder.write_bytes(encoder.read_bytes()[:-1])
    _, _, said = run(main, *TINY, "--dry-run", store=store)
    assert planned(said)["bundle"].endswith("it was cut or altered")


def test_a_dry_run_of_refused_settings_exits_with_2_and_one_without_a_store_makes_none(run, tmp_path):
    assert run(main, *TINY, "--dry-run", "--model.units", "0")[0] == 2
    code, _, said = run(main, *TINY, "--dry-run", store=tmp_path / "none")
    assert (code, len(planned(said))) == (0, 7)
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_a_quiet_run_prints_nothing_unless_it_exits_with_1(run, store):
    assert run(main, *TINY, "--quiet", store=store)[::2] == (0, "")
    worse = ("--training.epochs", "1", "--training.learning_rate", "0.0001")
    assert run(main, *TINY, *worse, "--quiet", store=store)[::2] == (0, "")
    code, summary, said = run(main, *TINY, *worse, "--quiet", "--require-promotion", store=store)
    assert (code, summary["promoted"]) == (1, False)
    assert "below 0.95" in said


def test_an_altered_artifact_is_made_again_and_the_log_says_why(run, store, caplog):
    (encoder,) = store.glob("bundle/*/encoder.keras")
    whole = encoder.read_bytes()
    encoder.write_bytes(whole[:-1])
    code, summary, _ = run(main, *TINY, store=store)
    assert code == 0
    assert made(summary) == {"bundle"}
    assert "cut or altered" in caplog.text
    assert len(encoder.read_bytes()) == len(whole)


def test_a_model_that_the_gate_refuses_is_kept_and_the_old_one_goes_on_serving(run, store):
    worse = ("--training.epochs", "1", "--training.learning_rate", "0.0001")
    code, summary, said = run(main, *TINY, *worse, store=store)
    assert code == 0
    assert summary["promoted"] is False
    assert "below 0.95" in summary["promotion_reason"]
    assert "not promoted" in said
    code, again, _ = run(main, *TINY, *worse, "--require-promotion", store=store)
    assert code == 1
    assert again["model"] == summary["model"]
    code, first, _ = run(main, *TINY, "--require-promotion", store=store)
    assert code == 0
    assert first["promoted"] is True


@pytest.mark.exhaustive
def test_a_refused_model_is_judged_again_when_it_is_made_again(run, store):
    worse = ("--training.epochs", "1", "--training.learning_rate", "0.0001")
    assert run(main, *TINY, *worse, store=store)[1]["promoted"] is False
    lenient = (*worse, "--evaluation.min_sequence_accuracy", "0")
    assert run(main, *TINY, *lenient, store=store)[1]["promoted"] is False
    _, summary, _ = run(main, *TINY, *lenient, "--refresh", store=store)
    assert summary["promotion_decided_now"] is True


@pytest.mark.exhaustive
def test_the_same_seed_gives_the_same_weights_and_another_seed_does_not(run, finished_store, tmp_path):
    digest = next(finished_store.glob("bundle/*")).name
    _, same, _ = run(main, *TINY, store=tmp_path / "again")
    assert same["model"]["digest"].startswith(digest)
    _, other, _ = run(main, *TINY, "--seed", "1", store=tmp_path / "again")
    assert not other["model"]["digest"].startswith(digest)


def test_the_report_stands_alone(run, store):
    _, summary, _ = run(main, *TINY, store=store)
    page = open(summary["report"], encoding="utf-8").read()  # noqa: PTH123, SIM115
    assert not re.search(r"(src|href)=[\"'](?!data:)", page)
    assert page.count("<svg ") == 4
    for text in (
        "95 % interval",
        "training.batch_size",
        summary["model"]["digest"],
        summary["dataset"]["digest"],
        "code that makes models",
        "onnxruntime",
        summary["examples"][0]["text"]["source"],
    ):
        assert text in page


@pytest.mark.parametrize(
    "problem",
    [
        pytest.param("sort", marks=pytest.mark.slow),
        *(pytest.param(name, marks=pytest.mark.exhaustive) for name in ("copy", "reverse")),
    ],
)
def test_every_problem_runs(run, problem):
    code, summary, _ = run(
        main,
        *(
            "--data.problem",
            problem,
            "--data.n_in",
            "3",
            "--data.cardinality",
            "8",
            "--data.n_samples",
            "3000",
        ),
        *("--model.units", "32", "--training.epochs", "3", "--training.batch_size", "64"),
        *("--evaluation.n_samples", "40"),
    )
    assert code == 0
    assert len(summary["examples"][0]["expected"]) == 3


@pytest.mark.slow
def test_addition_is_written_digit_by_digit(run):
    code, summary, said = run(
        main,
        *("--data.problem", "addition", "--data.n_in", "5", "--data.n_samples", "2000"),
        *("--model.units", "16", "--evaluation.n_samples", "20"),
    )
    assert code == 0
    text = summary["examples"][0]["text"]
    left, right = text["source"].split("+")
    assert int(text["expected"]) == int(left) + int(right)
    assert re.search(r"source \d\d\+\d\d  expected \d{3}", said)
