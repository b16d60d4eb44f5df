"""Commands at once on one store and one PREFECT_HOME: each thing is made once, decided once, and as if made alone."""

import json
import shutil

import pytest

from tests.helpers.batch_models import batch_models, integer_pairs
from tests.helpers.batch_runs import contents
from tests.helpers.processes import finish
from tests.helpers.settled import make_old
from tests.helpers.tiny import TINY, tiny_run

MOST_SECONDS = 1200


@pytest.fixture
def at_once(start_process, tmp_path):
    """Runs commands at once on one new PREFECT_HOME; gives their summaries, or what they said without one."""

    def run(*commands):
        started = []
        for number, (name, *flags) in enumerate(commands):
            summary = tmp_path / f"summary-{number}.json"
            given = [*flags, "--summary", summary]
            started.append((start_process("-m", f"flows.{name}", *given, PREFECT_HOME=str(tmp_path / "home")), summary))
        ended = [(*finish(process, MOST_SECONDS), summary) for process, summary in started]
        assert [code for code, *_ in ended] == [0] * len(commands), [said for _, said, _ in ended]
        return [json.loads(summary.read_text()) for *_, summary in ended]

    return run


def decisions(store):
    (path,) = store.glob("promotions/*.json")
    return json.loads(path.read_text())["decisions"]


def artifacts(store, *but):
    """Kind and digest of all that is in a store."""
    found = {path.relative_to(store).as_posix() for path in store.glob("*/[!.]*") if path.is_dir()}
    return {path for path in found if not path.startswith(but)}


def half_made(folder):
    return [path for path in folder.rglob("*") if ".making-" in path.name or path.suffix in (".tmp", ".staged")]


def write_rows(path):
    sources, targets = integer_pairs(3000)
    pairs = zip(sources, targets, strict=True)
    path.write_text("".join(json.dumps({"source": one, "target": other}) + "\n" for one, other in pairs))
    make_old(path)


def predict_at_once(n, at_once, tmp_path, tmp_path_factory):
    store = batch_models(tmp_path_factory).need("integers")
    write_rows(tmp_path / "a.jsonl")
    flags = [tmp_path / "a.jsonl", "--store", store, "--model", "integers", "--chunk-rows", "50"]
    summaries = at_once(*[("batch_predict", *flags, "--output", tmp_path / "out")] * n)
    assert sorted(one["files"][0]["state"] for one in summaries) == ["keep"] * (n - 1) + ["predict"]
    at_once(("batch_predict", *flags, "--output", tmp_path / "alone"))
    assert contents(tmp_path / "out") == contents(tmp_path / "alone")
    assert half_made(tmp_path) == []


@pytest.mark.exhaustive
def test_two_predictions_into_one_folder_make_it_once_and_as_one_does(at_once, tmp_path, tmp_path_factory):
    predict_at_once(2, at_once, tmp_path, tmp_path_factory)


@pytest.mark.exhaustive
def test_four_predictions_into_one_folder_make_it_once_and_as_one_does(at_once, tmp_path, tmp_path_factory):
    predict_at_once(4, at_once, tmp_path, tmp_path_factory)


@pytest.mark.exhaustive
def test_eight_main_jobs_with_one_set_of_settings_make_each_step_once_as_one_alone(at_once, tmp_path, tmp_path_factory):
    store = tmp_path / "store"
    summaries = at_once(*[("train_and_eval", *TINY, "--store", store)] * 8)
    for steps in zip(*(one["steps"] for one in summaries), strict=True):
        assert len({step["digest"] for step in steps}) == 1
        assert [step["cached"] for step in steps].count(False) <= 1
    assert len(decisions(store)) == 1
    assert [one["promotion_decided_now"] for one in summaries].count(True) == 1
    assert {one["promoted"] for one in summaries} == {True}
    alone = tiny_run(tmp_path_factory) / "store"
    assert artifacts(store, "report") == artifacts(alone, "report")
    assert half_made(tmp_path) == []


@pytest.mark.exhaustive
def test_eight_main_jobs_with_different_settings_all_succeed_and_one_of_them_serves(at_once, tmp_path):
    store = tmp_path / "store"
    jobs = [("train_and_eval", *TINY, "--seed", str(seed), "--store", store) for seed in range(8)]
    summaries = at_once(*jobs)
    assert len({one["model"]["digest"] for one in summaries}) == 8
    made = decisions(store)
    assert sorted(one["model"] for one in made) == sorted(one["model"]["digest"] for one in summaries)
    assert [one["model"]["digest"] for one in summaries if one["promoted"]][-1:] != []
    assert half_made(tmp_path) == []


@pytest.mark.exhaustive
def test_two_nights_at_once_decide_once_and_predict_once(at_once, tmp_path, tmp_path_factory):
    store = shutil.copytree(tiny_run(tmp_path_factory) / "store", tmp_path / "store")
    (tmp_path / "in").mkdir()
    rows = "".join(json.dumps({"source": [1 + i % 5, 2, 3, 1 + i % 3]}) + "\n" for i in range(200))
    (tmp_path / "in" / "a.jsonl").write_text(rows)
    make_old(tmp_path / "in" / "a.jsonl")
    flags = [*TINY, "--seed", "5", "--predict.inputs", json.dumps([str(tmp_path / "in")])]
    flags += ["--predict.output", tmp_path / "out", "--store", store]
    summaries = at_once(*[("nightly", *flags)] * 2)
    assert [one["promotion_decided_now"] for one in summaries].count(True) == 1
    assert len(decisions(store)) == 2
    states = sorted(one["predictions"]["files"][0]["state"] for one in summaries)
    assert states in (["keep", "predict"], ["predict", "predict"])  # twice only where the model changed in between
    assert half_made(tmp_path) == []
