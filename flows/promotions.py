"""Which model serves under a name and why: the history, and a person's word over the gate's."""

from __future__ import annotations

import sys

if __name__ == "__main__" and not __package__:  # a script cannot import what is ours
    print("refused: in the folder of the checkout, type: python -m flows.promotions", file=sys.stderr)
    sys.exit(2)

from flows._cli.start import start

if __name__ == "__main__":
    sys.exit(start("promotions"))

import re
from typing import Any

from rich.console import Console
from rich.table import Table

from flows._cli.command import Summary, Work, put, run_command
from flows._cli.commands.promotions import COMMAND, PromotionsSettings
from flows._cli.settings import Options
from flows._server.credentials import without_credentials
from tasks.seq2seq.errors import ArtifactError, SettingsError
from tasks.seq2seq.settings.experiment import NAME, Experiment
from tasks.seq2seq.settings.rules import nearest
from tasks.seq2seq.shown import shown
from tasks.storage.artifacts.bundle import read_experiment
from tasks.storage.artifacts.registry import find_bundle
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.kinds import BUNDLE
from tasks.storage.store.manifest import Handle, Manifest, short
from tasks.storage.store.promotions import Decision, decided_names, promote, read_promotions, roll_back

THERE, FORMER, GONE = "there", "former name", "gone"  # a decision's bundle


def decide_and_describe(settings: PromotionsSettings, options: Options) -> Summary:
    """Decides, where that is asked for, and gives the history as it then is."""
    store, name, reason = Store(options.store), settings.name, without_credentials(settings.reason or "")
    if name and reason and settings.promote:
        _promote(store, name, settings.promote, reason)
    elif name and reason and settings.rollback:
        _roll_back(store, _known(store, name), reason)
    names = [_known(store, name)] if name else decided_names(store)
    return {"store": store.shown, "names": [_describe(store, name) for name in names]}


def _known(store: Store, name: str) -> str:
    names = decided_names(store)
    if name not in names:
        raise SettingsError(
            f"no model was ever decided upon as {name!r} in {store.shown}{nearest(name, names)}; there are: "
            f"{', '.join(names) or 'none'}"
        )
    return name


def _promote(store: Store, name: str, model: str, reason: str) -> None:
    bundle = find_bundle(store, model).bundle
    experiment = read_experiment(bundle)  # refuses one that this version of the project cannot read
    if not re.fullmatch(NAME, name):
        raise SettingsError(f"{name!r} is not a name; expected letters, digits, dots, dashes and underscores")
    before = read_promotions(store, name)
    if before.promoted == bundle.digest:
        raise SettingsError(f"{short(bundle.digest)} serves as {name!r} already")
    holdout = before.holdout or _holdout(store, bundle, experiment)
    promote(store, name, bundle.digest, reason, holdout=holdout)


def _roll_back(store: Store, name: str, reason: str) -> None:
    before = read_promotions(store, name)
    model = before.promoted and before.before(before.promoted)
    if model:
        store.open(BUNDLE, model)  # one that is gone, or altered, cannot serve; this one is not pruned meanwhile
    roll_back(store, name, reason)


def _holdout(store: Store, bundle: Handle, experiment: Experiment) -> str | None:
    """What the bundle's own dataset held out, where it is in the store."""
    from tasks.promote import fix_holdout  # noqa: PLC0415 - it takes Prefect, and only a first promotion takes it

    try:
        dataset = store.open("dataset", Manifest.read(bundle.path).made_from["dataset"])
    except (ArtifactError, KeyError):
        return None
    return fix_holdout(experiment, dataset, store).digest


def _describe(store: Store, name: str) -> Summary:
    promotions = read_promotions(store, name)
    return {
        "name": name,
        "promoted": promotions.promoted,
        "holdout": promotions.holdout,
        "decisions": [_describe_decision(store, decision) for decision in promotions.decisions],
    }


def _describe_decision(store: Store, decision: Decision) -> Summary:
    return {**decision.model_dump(mode="json"), "bundle": _find(store, decision.model)}


def _find(store: Store, model: str) -> str:
    try:
        store.manifest("bundle", model)
    except ArtifactError:
        return FORMER if _has_former(store, model) else GONE
    return THERE


def _has_former(store: Store, model: str) -> bool:
    try:
        store.refuse_former("bundle", model)
    except ArtifactError:
        return True
    return False


def show(summary: Summary) -> None:
    """Prints the history of each name."""
    if not summary["names"]:
        put(f"no model was ever decided upon in {summary['store']}; train one with python -m flows.train_and_eval")
    for one in summary["names"]:
        serves = one["promoted"]
        put(f"{one['name']}: {short(serves) if serves else 'no model'} serves")
        if one["holdout"]:
            put(f"  models are compared on the holdout {short(one['holdout'])}")
        table = Table(box=None, pad_edge=True)
        for column in ("when (UTC)", "model", "", "by", "reason"):
            table.add_column(column, no_wrap=True, overflow="ignore")
        for decision in one["decisions"]:
            table.add_row(*map(shown, _row(decision)))
        Console(width=10_000, markup=False, highlight=False).print(table)


def _row(decision: dict[str, Any]) -> tuple[str, ...]:
    note = {THERE: "", FORMER: " (its folder has a former name)", GONE: " (its bundle is gone)"}[decision["bundle"]]
    return (
        decision["at"][:16].replace("T", " "),
        short(decision["model"]) + note,
        "promoted" if decision["promoted"] else "refused",
        decision["by"],
        decision["reason"],
    )


work = Work(run=decide_and_describe, show=show)


def main(argv: list[str] | None = None) -> int:
    """`python -m flows.promotions [NAME]`; gives the exit code."""
    return run_command(COMMAND, argv)
