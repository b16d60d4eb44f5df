"""Trials as they are found and asked for, without a process."""

import json
from pathlib import Path

import pytest

from flows._pipelines import trials
from flows._pipelines.trials import Trials, find_search, make_trial
from tasks.seq2seq.cpu import available_cores
from tasks.seq2seq.settings.rules import check_experiment
from tasks.seq2seq.sweep.check import check_sweep_settings
from tasks.seq2seq.sweep.trials import Trial

SETTINGS = check_sweep_settings(
    {
        "name": "a",
        "seed": 3,
        "sweep": {"trials": 40, "generation": 2, "workers": 2, "space": {"decoding.length_penalty": [0.0, 1.0, 2.0]}},
    }
)
TRIAL = Trial(0, {"model.units": 8}, 4)


def test_a_request_says_all_that_a_worker_needs_as_json(tmp_path):
    request = Trials(SETTINGS, tmp_path).request(TRIAL)
    assert json.loads(json.dumps(request)) == request
    data, model = (check_experiment(one) for one in request["pipeline"])
    assert (data.seed, model.seed, model.model.units) == (3 + 2**30, 4, 8)
    assert request["cores"] == max(1, available_cores() // 2)


@pytest.mark.parametrize("store", ["s3://bucket/folder", Path("/somewhere/store")])
def test_a_worker_makes_a_trial_in_the_store_that_is_asked_for_wherever_it_lies(monkeypatch, store):
    asked = []

    def no_steps(_steps, _experiment_of, where, *, refresh):
        asked.append((where, refresh))
        raise InterruptedError

    monkeypatch.setattr(trials, "make_steps", no_steps)
    with pytest.raises(InterruptedError):
        make_trial(Trials(SETTINGS, store, refresh=True).request(TRIAL))
    assert asked == [(store, True)]


def test_what_is_refused_is_found_without_work_and_the_first_that_is_not_is_where_a_run_would_begin(tmp_path):
    """A penalty is for beam search, and greedy decoding is the default: only a penalty of 0 can be tried."""
    found = find_search(SETTINGS, tmp_path / "none")
    assert [one.state for one in found.results] == ["refused"] * len(found.results)
    assert {one.settings["decoding.length_penalty"] for one in found.results} <= {1.0, 2.0}
    assert {one.settings["decoding.length_penalty"] for one in found.waiting} == {0.0}
    assert not (tmp_path / "none").exists()
