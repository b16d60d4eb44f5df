"""A sweep as a command: refusals, trials, the winner, and one that is run again."""

import json
import re
import shutil
import signal
from pathlib import Path

import psutil
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from flows.sweep import main
from tests.helpers.processes import finish, wait_for
from tests.helpers.sweeps import REFUSED, SETTINGS, swept

pytestmark = [pytest.mark.seconds, pytest.mark.timeout(900)]  # four trainings, by processes that load TensorFlow


@pytest.fixture(scope="module")
def first(tmp_path_factory, server):
    """The folder of a first sweep."""
    return swept(tmp_path_factory)


@pytest.fixture
def again(run, first, tmp_path):
    """Runs the sweep in a copy of the first one's store; gives exit code, summary, and what was said."""
    store = shutil.copytree(first / "store", tmp_path / "store")
    return lambda *more: run(main, "--config", str(first / "sweep.toml"), *more, store=store)


def test_a_sweep_ranks_its_trials_and_the_best_by_three_seeds_goes_to_the_gate(first):
    summary = json.loads((first / "summary.json").read_text())
    sweep = summary["sweep"]
    assert [trial["state"] for trial in sweep["trials"]] == ["scored", "scored", "refused"]
    assert sweep["trials"][2]["settings"] == REFUSED
    assert "decoding.length_penalty is 1.0, but decoding.method is" in sweep["trials"][2]["reason"]
    assert sweep["trials"][0]["interval"][0] <= sweep["trials"][0]["score"] <= sweep["trials"][0]["interval"][1]
    assert [sorted(one["scores"]) for one in sweep["finalists"]] == [["0", "1", "2"]] * 2
    assert sweep["winner"] == sweep["finalists"][0]["settings"]
    assert (sweep["metric"], sweep["is_complete"], sweep["cached"]) == ("sequence_accuracy", True, 0)
    assert summary["promoted"] is True
    assert summary["name"] == "tiny"


def test_the_winner_is_the_experiment_that_train_and_eval_would_make(first):
    summary = json.loads((first / "summary.json").read_text())
    experiment = json.loads((first / "store" / "bundle" / summary["model"]["digest"] / "bundle.json").read_text())[
        "experiment"
    ]
    assert (experiment["name"], experiment["seed"]) == ("tiny", 0)
    assert experiment["decoding"]["method"] == summary["sweep"]["winner"]["decoding.method"]


def test_no_trial_was_ranked_on_the_pairs_that_prove_the_winner(first):
    """Those of a generated problem are drawn by another seed, for trials of all seeds the same."""
    summary = json.loads((first / "summary.json").read_text())
    ranked = [json.loads(path.read_text()) for path in first.glob("store/validation/*/validation.json")]
    (dataset,) = {one["dataset"] for one in ranked}
    assert dataset != summary["dataset"]["digest"]
    assert len(ranked) == 2 * 3


def test_a_sweep_that_is_run_again_finds_every_trial_and_trains_nothing(again, first):
    code, summary, said = again()
    before = json.loads((first / "summary.json").read_text())
    assert code == 0
    assert summary["sweep"]["trials"] == before["sweep"]["trials"]
    assert summary["sweep"]["finalists"] == before["sweep"]["finalists"]
    assert summary["sweep"]["cached"] == 2
    assert all(step["cached"] for step in summary["steps"])
    assert "run trial" not in said
    assert "2 of 3 trials have a score. 2 were there before." in said
    assert summary["model"] == {**before["model"], "path": summary["model"]["path"]}


def test_the_page_has_the_ranked_trials_the_history_and_what_was_refused(again, first):
    _, summary, _ = again()
    page = (first / "store" / "sweep").glob("*/sweep.html")
    (text,) = [path.read_text() for path in page]
    for part in ("Sweep of tiny", "by several seeds", "History", "<svg", "decoding.length_penalty is 1.0"):
        assert part in text
    with get_client(sync_client=True) as client:
        keys = ArtifactFilter(key=ArtifactFilterKey(any_=["sweep-tiny", "sweep-page-tiny"]))
        found = {artifact.key: str(artifact.data) for artifact in client.read_artifacts(artifact_filter=keys)}
    assert "| trial |" in found["sweep-tiny"]
    assert "sweep.html" in found["sweep-page-tiny"]
    assert summary["sweep"]["report"].endswith("sweep.html")


def test_a_dry_run_says_which_trials_are_there_and_which_would_come_first(again, run, first, tmp_path):
    code, summary, said = again("--dry-run", "--sweep.trials", "6")
    assert code == 0
    assert [trial["number"] for trial in summary["trials"]] == [0, 1, 2, *range(3, len(summary["trials"]))]
    assert "dry run: nothing was made" in said
    code, summary, said = run(main, "--config", str(first / "sweep.toml"), "--dry-run", store=tmp_path / "none")
    assert (code, summary["trials"], [one["number"] for one in summary["next"]]) == (0, [], [0, 1])
    assert "would be tried: trial 1, decoding.method beam" in said
    assert not (tmp_path / "none").exists()


def test_a_time_limit_that_is_reached_is_said_and_the_sweep_ends_well_with_what_there_is(again):
    """For settings that were not tried there is no time; the winner was, and is there."""
    code, summary, said = again("--sweep.time_limit", "0.000001", "--sweep.trials", "40")
    sweep = summary["sweep"]
    assert (code, sweep["is_complete"], sweep["asked_for"]) == (0, False, 40)
    assert 3 <= len(sweep["trials"]) < 40
    assert f"sweep.time_limit ended the sweep after {len(sweep['trials'])} of 40 trials" in said
    assert all(step["cached"] for step in summary["steps"])


def test_a_time_limit_within_which_no_trial_is_begun_fails(again):
    """The flag adds to the space of the file: all trials are new."""
    code, summary, said = again("--sweep.time_limit", "0.000001", "--sweep.space", '{"model.units": [4, 5]}')
    assert (code, summary) == (1, None)
    assert re.search("the time was over before a trial was begun|none of . trials has a score", said)


def test_a_gate_that_refuses_the_winner_serves_nothing_and_exits_1_where_that_is_asked_for(again):
    code, summary, _ = again("--name", "strict", "--evaluation.min_sequence_accuracy", "1", "--require-promotion")
    assert (code, summary["promoted"]) == (1, False)


def test_a_space_that_always_refuses_fails_and_says_why(run, tmp_path):
    config = tmp_path / "sweep.toml"
    config.write_text(SETTINGS.replace('["greedy", "beam"]', '["greedy"]').replace("[0.0, 1.0]", "[1.0, 2.0]"))
    code, _, said = run(main, "--config", str(config))
    assert code == 1
    assert "failed: none of 3 trials has a score" in said
    assert "was refused: decoding.length_penalty is" in said


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (("trials = 3", "trials = 0"), "sweep.trials: Input should be greater than or equal to 1"),
        (('decoding.method = ["greedy", "beam"]', "model.unit = [1]"), "did you mean 'model.units'?"),
        (('["greedy", "beam"]', "[]"), "sweep.space.decoding.method has no choices"),
        (("[0.0, 1.0]", "{ low = 2, high = 1 }"), "goes from 2 to 1; low must be below high"),
        (("[0.0, 1.0]", "{ low = 0, high = 1, log = true }"), "which has no logarithm"),
        (("trials = 3", 'trials = 3\nmetric = "mae"'), "sweep.metric is 'mae', which is not a score of this data"),
    ],
)
def test_what_cannot_be_swept_is_refused_before_any_work(changed, said, tmp_path, capsys):
    config = tmp_path / "sweep.toml"
    config.write_text(SETTINGS.replace(*changed))
    assert main(["--config", str(config), "--store", str(tmp_path / "store")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "store").exists()


@pytest.mark.exhaustive
def test_a_sweep_that_is_killed_comes_back_to_the_same_trials(first, start_process, tmp_path):
    """SIGKILL once the first trials are there: their workers end too, and a second run finds what was finished."""
    config, store, summary = first / "sweep.toml", tmp_path / "store", tmp_path / "summary.json"
    command = ("-m", "flows.sweep", "--config", config, "--store", store, "--summary", summary)
    killed = start_process(*command)
    wait_for(lambda: len([*store.glob("validation/[!.]*")]) >= 2, seconds=280)
    workers = [child.pid for child in psutil.Process(killed.pid).children()]
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), seconds=60)
    finished = {path: path.stat().st_mtime_ns for path in store.glob("training/*/manifest.json")}
    code, said = finish(start_process(*command))
    assert code == 0, said
    found, whole = json.loads(summary.read_text()), json.loads((first / "summary.json").read_text())
    assert found["sweep"]["cached"] >= 2
    assert [_without_times(one) for one in found["sweep"]["trials"]] == [
        _without_times(one) for one in whole["sweep"]["trials"]
    ]
    assert found["sweep"]["finalists"] == whole["sweep"]["finalists"]
    assert {path: path.stat().st_mtime_ns for path in finished} == finished


def _without_times(trial):
    return {name: value for name, value in trial.items() if name not in ("seconds", "bytes")}
