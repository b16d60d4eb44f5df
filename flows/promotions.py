"""Which model serves under a name and why: the history, and a person's word over the gate's."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from flows._cli.settings import ROOT
from tasks.promote import fix_holdout
from tasks.seq2seq.errors import ArtifactError, Seq2SeqError, SettingsError
from tasks.seq2seq.settings.experiment import NAME, Experiment
from tasks.seq2seq.settings.rules import nearest
from tasks.storage.artifacts.bundle import read_experiment
from tasks.storage.artifacts.registry import find_bundle
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.manifest import Handle, Manifest, short
from tasks.storage.store.promotions import Decision, decided_names, promote, read_promotions, roll_back

EXIT_SUCCESS, EXIT_REFUSED = 0, 2


def main(argv: list[str] | None = None) -> int:
    """`python -m flows.promotions [NAME]`; gives the exit code."""
    options = _parser().parse_args(argv)
    store = Store(options.store)
    try:
        _check(options)
        if options.promote:
            _promote(store, options)
        elif options.rollback:
            roll_back(store, _known(store, options.name), options.reason)
        _show(store, [_known(store, options.name)] if options.name else decided_names(store))
    except Seq2SeqError as error:
        print(f"refused: {error}", file=sys.stderr)
        return EXIT_REFUSED
    return EXIT_SUCCESS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flows.promotions",
        description="Show which model serves under each name, and every decision that led there; or decide yourself. "
        'Example: python -m flows.promotions g2p --rollback --reason "wrong stress since Monday"',
    )
    parser.add_argument("name", nargs="?", help="a promoted name (all of them)")
    parser.add_argument("--store", type=Path, default=ROOT / "data" / "artifacts", help="folder of the artifact store")
    decision = parser.add_mutually_exclusive_group()
    decision.add_argument(
        "--promote", metavar="MODEL", help="let this bundle serve: the first digits of its digest, or its folder"
    )
    decision.add_argument("--rollback", action="store_true", help="let the model serve again that served before")
    parser.add_argument("--reason", help="why, for the record; required with --promote and --rollback")
    return parser


def _check(options: argparse.Namespace) -> None:
    deciding = options.promote or options.rollback
    flag = "--promote" if options.promote else "--rollback"
    if deciding and not options.name:
        raise SettingsError(f"{flag} needs the NAME under which the model is to serve")
    if deciding and not (options.reason or "").strip():
        raise SettingsError(f"{flag} needs --reason TEXT: the record shall say why a person decided")
    if options.reason and not deciding:
        raise SettingsError("--reason is for --promote or --rollback")


def _known(store: Store, name: str) -> str:
    names = decided_names(store)
    if name not in names:
        raise SettingsError(
            f"no model was ever decided upon as {name!r} in {store.root}{nearest(name, names)}; there are: "
            f"{', '.join(names) or 'none'}"
        )
    return name


def _promote(store: Store, options: argparse.Namespace) -> None:
    bundle = find_bundle(store, options.promote).bundle
    experiment = read_experiment(bundle)  # refuses one that this version of the project cannot read
    if not re.fullmatch(NAME, options.name):
        raise SettingsError(f"{options.name!r} is no name; expected letters, digits, dots, dashes and underscores")
    before = read_promotions(store, options.name)
    if before.promoted == bundle.digest:
        raise SettingsError(f"{short(bundle.digest)} serves as {options.name!r} already")
    holdout = before.holdout or _holdout(store, bundle, experiment)
    promote(store, options.name, bundle.digest, options.reason, holdout=holdout)


def _holdout(store: Store, bundle: Handle, experiment: Experiment) -> str | None:
    """What the bundle's own dataset held out, where it is in the store."""
    try:
        dataset = store.open("dataset", Manifest.read(bundle.path).made_from["dataset"])
    except (ArtifactError, KeyError):
        return None
    return fix_holdout(experiment, dataset, store).digest


def _show(store: Store, names: list[str]) -> None:
    if not names:
        print(f"no model was ever decided upon in {store.root}; train one with python -m flows.train_and_eval")
    for name in names:
        promotions = read_promotions(store, name)
        serves = promotions.promoted
        print(f"{name}: {short(serves) if serves else 'no model'} serves")
        if promotions.holdout:
            print(f"  models are compared on the holdout {short(promotions.holdout)}")
        table = Table(box=None, pad_edge=True)
        for column in ("when (UTC)", "model", "", "by", "reason"):
            table.add_column(column, no_wrap=True, overflow="ignore")
        for decision in promotions.decisions:
            table.add_row(*_row(decision, store))
        Console(width=10_000, markup=False, highlight=False).print(table)


def _row(decision: Decision, store: Store) -> tuple[str, ...]:
    return (
        f"{decision.at:%Y-%m-%d %H:%M}",
        short(decision.model) + _lost(store, decision.model),
        "promoted" if decision.promoted else "refused",
        decision.by,
        decision.reason,
    )


def _lost(store: Store, model: str) -> str:
    try:
        Manifest.read(store.folder("bundle", model))
    except ArtifactError:
        return " (its folder has a former name)" if _has_former(store, model) else " (its bundle is gone)"
    return ""


def _has_former(store: Store, model: str) -> bool:
    try:
        store.refuse_former("bundle", model)
    except ArtifactError:
        return True
    return False


if __name__ == "__main__":
    sys.exit(main())
