"""The trials of a sweep: found in the store, or made side by side by worker processes."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from prefect.task_runners import ThreadPoolTaskRunner

from flows._cli.settings import FILE_RULES
from flows._pipelines.model import MODEL_STEPS
from flows._pipelines.steps import Results, Step, find_steps, make_steps
from tasks.runtime.runners import Processes, kept_for_run
from tasks.seq2seq.cpu import available_cores
from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.sweep import SweepSettings
from tasks.seq2seq.settings.where import Where, as_where
from tasks.seq2seq.sweep.check import metric_of
from tasks.seq2seq.sweep.draws import Draws
from tasks.seq2seq.sweep.search import Found, Try, search
from tasks.seq2seq.sweep.space import read_space
from tasks.seq2seq.sweep.trials import Pipeline, Result, Trial, interval_of, pipeline_of, with_settings
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.manifest import Manifest
from tasks.trial import run_trial
from tasks.validate import validate_model, validation_inputs

WORKER = "flows._pipelines.trial_worker:answer"
TRIAL_STEPS = (
    *(step for step in MODEL_STEPS if step.name in ("dataset", "training", "bundle")),
    Step("validation", validate_model, ("dataset", "bundle"), key=validation_inputs),
)


def run_search(settings: SweepSettings, store: Where, *, refresh: bool) -> Found:
    """Tries what is to be tried; call it inside a flow."""
    limit = settings.sweep.time_limit
    with open_workers(settings) as runner:
        trials = Trials(settings, store, refresh=refresh, before=None if limit is None else time.time() + limit)
        return _search(settings, lambda these: trials.run(these, runner))


def find_search(settings: SweepSettings, store: Where) -> Found:
    """The trials that a run would find made, and the first that it would make; it makes nothing."""
    return _search(settings, Trials(settings, store).find)


def _search(settings: SweepSettings, try_them: Try) -> Found:
    sweep = settings.sweep
    _, direction = metric_of(settings.experiment, sweep)
    space, _ = read_space(sweep.space)
    draws = Draws(space, direction, sweep.seed)
    return search(draws, try_them, sweep.trials, sweep.generation, settings.seed, direction)


def n_workers(settings: SweepSettings) -> int:
    """How many trials are made at once."""
    return settings.sweep.workers or available_cores()


@contextlib.contextmanager
def open_workers(settings: SweepSettings) -> Iterator[ThreadPoolTaskRunner[Any]]:
    """What runs trials: the one place that knows; processes start as they are needed."""
    n = n_workers(settings)
    runner: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner(max_workers=n)
    with Processes(n) as workers, kept_for_run(workers), runner:
        yield runner


class Trials:
    """The trials of one sweep."""

    def __init__(
        self, settings: SweepSettings, store: Where, *, refresh: bool = False, before: float | None = None
    ) -> None:
        """Takes the sweep.

        Args:
            settings: what is tried.
            store: folder of the artifact store.
            refresh: whether all is made again.
            before: no trial is begun after this time, in seconds since the epoch.
        """
        self._settings, self._base, self._store = settings, settings.experiment, store
        self._refresh, self._before = refresh, before
        self._metric, _ = metric_of(self._base, settings.sweep)
        self._dataset: Results = {}  # the same for all trials, and checked once

    def run(self, trials: Sequence[Trial], runner: ThreadPoolTaskRunner[Any]) -> list[Result | None]:
        """What comes of some trials; None of those that are not begun."""
        settled = self.find(trials)
        futures = {
            i: runner.submit(run_trial, parameters=self._asked(trial))
            for i, trial in enumerate(trials)
            if settled[i] is None
        }
        return [futures[i].result() if i in futures else one for i, one in enumerate(settled)]

    def find(self, trials: Sequence[Trial]) -> list[Result | None]:
        """What is there of some trials, or why they are refused; None of those that have to be made."""
        return [self._find(trial) for trial in trials]

    def _find(self, trial: Trial) -> Result | None:
        try:
            pipeline = self._pipeline(trial)
        except SettingsError as error:
            return Result.without_score(trial, "refused", str(error))
        if self._refresh:
            return None
        found = find_steps(TRIAL_STEPS, partial(_experiment_of, pipeline), Store(self._store), self._dataset)
        if found is None:
            return None
        self._dataset = {"dataset": found["dataset"]}
        return describe_trial(found, trial, self._metric, cached=True)

    def _pipeline(self, trial: Trial) -> Pipeline:
        experiment = with_settings(self._settings.stated, trial.settings, FILE_RULES)
        return pipeline_of(experiment, self._base, trial.seed)

    def _asked(self, trial: Trial) -> dict[str, Any]:
        return {"trial": trial, "request": self.request(trial), "before": self._before}

    def request(self, trial: Trial) -> dict[str, Any]:
        """What a worker takes to make a trial, as JSON.

        Raises:
            SettingsError: its settings do not go together.
        """
        return {
            "trial": trial._asdict(),
            "pipeline": [experiment.model_dump(mode="json") for experiment in self._pipeline(trial)],
            "store": str(self._store),
            "metric": self._metric,
            "refresh": self._refresh,
            "call": WORKER,
            "starter": os.getpid(),
            "cores": max(1, available_cores() // n_workers(self._settings)),
        }


def make_trial(request: dict[str, Any]) -> Result:
    """Makes what is not made yet of a trial; what a worker does with a request.

    Raises:
        Seq2SeqError: it cannot be made of these settings.
    """
    pipeline = Pipeline(*(Experiment.model_validate(one) for one in request["pipeline"]))
    made = make_steps(
        TRIAL_STEPS, partial(_experiment_of, pipeline), as_where(request["store"], "store"), refresh=request["refresh"]
    )
    return describe_trial(made, Trial(**request["trial"]), request["metric"], cached=False)


def _experiment_of(pipeline: Pipeline, step: Step) -> Experiment:
    return pipeline.data if step.name == "dataset" else pipeline.model


def describe_trial(results: Results, trial: Trial, metric: str, *, cached: bool) -> Result:
    """What came of a trial, from what its steps gave."""
    scores = results["validation"].fact("scores", dict[str, Any])
    score, bundle = scores.get(metric), results["bundle"]
    if score is None:
        return Result.without_score(trial, "refused", f"{metric} is not defined of what it predicts")
    return Result(
        **trial._asdict(),
        state="scored",
        score=score,
        interval=interval_of(metric, scores),
        seconds=round(results["training"].made_in_seconds, 3),
        parameters=bundle.fact("parameters", int),
        bytes=sum(entry.bytes for entry in Manifest.read(bundle.path).files.values()),
        bundle=bundle.digest,
        cached=cached,
    )
