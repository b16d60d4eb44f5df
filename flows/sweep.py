"""A sweep: trials over some settings of an experiment, the best again with more seeds, and the winner to the gate."""

from __future__ import annotations

import sys

if __name__ == "__main__" and not __package__:  # a script cannot import what is ours
    print("refused: in the folder of the checkout, type: python -m flows.sweep", file=sys.stderr)
    sys.exit(2)

from flows._cli.start import start

if __name__ == "__main__":
    sys.exit(start("sweep", needs_server=True))  # what follows is imported once the settings are accepted

from typing import Any

from prefect import flow

from flows._cli.checkout import ROOT, from_root
from flows._cli.command import EXIT_FAILED, EXIT_SUCCESS, Summary, put, run_command, write_summary
from flows._cli.commands.sweep import COMMAND, check_sweep
from flows._cli.commands.train_and_eval import TrainAndEvalOptions
from flows._cli.flow_work import FlowWork
from flows._cli.notify import tell_of_failure
from flows._cli.settings import FILE_RULES, from_checkout
from flows._cli.summary import show_cost, show_evaluation, show_promotion
from flows._cli.table import Justify, print_table
from flows._pipelines.model import describe_model, make_model
from flows._pipelines.trials import find_search, run_search
from tasks.reporting.sweep_page import trial_row, write_settings
from tasks.runtime.caching import run_step
from tasks.seq2seq.errors import TrainingError
from tasks.seq2seq.settings.data import SyntheticData
from tasks.seq2seq.settings.sweep import SweepSettings
from tasks.seq2seq.settings.where import Where
from tasks.seq2seq.sweep.check import metric_of
from tasks.seq2seq.sweep.ranking import rank
from tasks.seq2seq.sweep.search import Found
from tasks.seq2seq.sweep.trials import Result, with_settings
from tasks.sweep_report import publish_sweep, write_sweep

SHOWN = 10


@flow(
    name="sweep",
    flow_run_name="sweep of {settings.promotion_name}",
    persist_result=False,
    on_failure=[tell_of_failure],
    on_crashed=[tell_of_failure],
)
def sweep(
    settings: SweepSettings,
    store: Where = ROOT / "data" / "artifacts",
    refresh: bool = False,
    notify: str | None = None,  # noqa: ARG001 - the hooks read it
) -> Summary:
    """Tries settings, makes a model of the best, and asks the gate about it.

    Args:
        settings: an experiment, and what is tried of its settings
        store: folder of the artifact store
        refresh: make every trial again, whatever is cached
        notify: notification block that hears of a failed run, such as slack-webhook/team
    """
    settings, store = check_sweep(from_checkout(settings)), from_root(store)
    found = run_search(settings, store, refresh=refresh)
    if not found.finalists:
        raise TrainingError(_why_none(found.results))
    winner = with_settings(settings.stated, found.finalists[0].settings, FILE_RULES)
    model = describe_model(make_model(winner, store, refresh=False))
    described = describe_sweep(settings, found)
    verdict = {name: model[name] for name in ("promoted", "promotion_reason")}
    report = run_step(write_sweep, winner, {**described, **verdict}, model["model"]["digest"], store)
    run_step(publish_sweep, winner.promotion_name, report)
    cached = sum(result.cached for result in found.results)
    page = str(report.path / report.fact("page", str))
    return {**model, "sweep": {**described, "cached": cached, "report": page}}


def _why_none(results: list[Result]) -> str:
    """Why no trial has a score."""
    n, first = len(results), next(iter(results), None)
    if first is None:
        return "the time was over before a trial was begun; raise sweep.time_limit"
    return (
        f"none of {n} trials has a score, so that there is nothing to choose from; trial {first.number}, "
        f"{write_settings(first.settings)}, was {first.state}: {first.reason}"
    )


def describe_sweep(settings: SweepSettings, found: Found) -> dict[str, Any]:
    """What was tried, and what came of it."""
    metric, direction = metric_of(settings.experiment, settings.sweep)
    described = {
        "metric": metric,
        "direction": direction,
        "ranked_on": "pairs of another seed" if isinstance(settings.data, SyntheticData) else "the validation split",
        "asked_for": settings.sweep.trials,
        "is_complete": found.is_complete,
        "winner": dict(found.finalists[0].settings),
        "trials": [result.model_dump(mode="json", exclude={"cached"}) for result in found.results],
        "finalists": [one.model_dump(mode="json") for one in found.finalists],
    }
    return {**described, "message": _in_words(settings, found)}


def _in_words(settings: SweepSettings, found: Found) -> str:
    n = len(found.results)
    scored = sum(result.score is not None for result in found.results)
    message = f"{scored} of {n} trials have a score"
    if found.is_complete:
        return f"{message}."
    return (
        f"{message}; sweep.time_limit ended the sweep after {n} of {settings.sweep.trials} trials, and the same "
        f"command with a higher one goes on from there."
    )


def show_what_would_be_tried(settings: SweepSettings, options: TrainAndEvalOptions) -> int:
    """`--dry-run`: the trials that are there, and the first that would be made."""
    found = find_search(settings, options.store)
    waiting = [trial._asdict() for trial in found.waiting]
    write_summary(options.summary, {"trials": [one.model_dump(mode="json") for one in found.results], "next": waiting})
    _show_trials(found.results, settings)
    for trial in found.waiting:
        put(f"would be tried: trial {trial.number}, {write_settings(trial.settings)}, seed {trial.seed}")
    cached = sum(result.cached for result in found.results)
    put(f"dry run: nothing was made; {cached} of {settings.sweep.trials} trials are there")
    return EXIT_SUCCESS


def _show_trials(results: list[Result], settings: SweepSettings) -> None:
    metric, direction = metric_of(settings.experiment, settings.sweep)
    _show_table([trial_row(result) for result in rank(results, direction)], metric)


def show(summary: Summary) -> None:
    """Prints the result for a person."""
    described = summary["sweep"]
    results = [Result(**trial) for trial in described["trials"]]
    rows = [trial_row(result) for result in rank(results, described["direction"])]
    _show_table(rows[:SHOWN], described["metric"])
    if len(rows) > SHOWN:
        put(f"... and {len(rows) - SHOWN} more trials")
    put(f"{described['message']} {described['cached']} were there before.")
    for one in described["finalists"]:
        scores = ", ".join(f"{score:.4g}" if score is not None else "none" for score in one["scores"].values())
        put(f"trial {one['number']} by {len(one['scores'])} seeds: {one['mean']:.4g} ({scores})")
    put(f"the best: {write_settings(described['winner'])}")
    show_evaluation({**summary, "examples": []})
    show_promotion(summary)
    put(f"report of the sweep: {described['report']}")
    put(f"report of the model: {summary['report']}")
    show_cost(summary)


def _show_table(rows: list[dict[str, Any]], metric: str) -> None:
    columns: dict[str, Justify] = {"trial": "right", "settings": "left", metric: "left"}
    print_table(
        {**columns, "trained in": "right", "parameters": "right", "": "left"},
        [
            (
                str(row["number"]),
                write_settings(row["settings"]),
                row["score"],
                row["seconds"],
                row["parameters"],
                row["why"].partition("\n")[0],
            )
            for row in rows
        ],
    )


work = FlowWork(
    COMMAND,
    run=lambda settings, options: sweep(settings, options.store, options.refresh, options.notify),
    show=show,
    plan=show_what_would_be_tried,
    verdict=lambda summary, _settings, options: (
        EXIT_FAILED if options.require_promotion and not summary["promoted"] else EXIT_SUCCESS
    ),
)


def main(argv: list[str] | None = None) -> int:
    """`python -m flows.sweep`; gives the exit code."""
    return run_command(COMMAND, argv)
