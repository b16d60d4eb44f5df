"""What the store holds, where things came from, whether they are sound, and a clean-up."""

from __future__ import annotations

import sys

if __name__ == "__main__" and not __package__:  # a script cannot import what is ours
    print("refused: in the folder of the checkout, type: python -m flows.store", file=sys.stderr)
    sys.exit(2)

from flows._cli.start import start

if __name__ == "__main__":
    sys.exit(start("store"))

import re
from collections.abc import Callable
from pathlib import Path

from flows._cli.command import EXIT_FAILED, EXIT_SUCCESS, Summary, put, run_command, say, write_summary
from flows._cli.commands.store import COMMAND, LEADERBOARD, LIST, PAGES, PRUNE, VERIFY, WHY, StoreSettings
from flows._cli.settings import Options
from flows._cli.table import Justify, print_table
from tasks.reporting.leaderboard import as_csv, as_page, board_rows, make_boards
from tasks.reporting.store_pages import FOLDER, INDEX, make_pages
from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.where import is_url
from tasks.storage.files.atomic import write_atomically
from tasks.storage.outputs.clean_up import clean_up, describe_pruning, plan_clean_up
from tasks.storage.outputs.origins import SOUND, trace_artifact, trace_prediction
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.experiments import list_experiments
from tasks.storage.store.inventory import Inventory, Stored, take_inventory
from tasks.storage.store.kinds import KINDS
from tasks.storage.store.manifest import short
from tasks.storage.store.verify import find_digests, verify, verify_records

_DIGITS = re.compile(r"[0-9a-f]{6,64}")
_UNITS = {"TiB": 2**40, "GiB": 2**30, "MiB": 2**20, "KiB": 2**10}


def work(settings: StoreSettings, options: Options) -> int:
    """Answers one of the commands; gives the exit code."""
    answer, show = _COMMANDS[settings.command]
    store = Store(options.store)
    summary = {"store": store.shown, "command": settings.command, **answer(settings, store)}
    write_summary(options.summary, summary)
    is_sound = not summary.get("faults")
    if not options.quiet:
        show(summary)
    elif not is_sound:
        _say_faults(summary)
    return EXIT_SUCCESS if is_sound else EXIT_FAILED


def list_artifacts(settings: StoreSettings, store: Store) -> Summary:
    """What there is, oldest first."""
    inventory = take_inventory(store)
    users = inventory.used_by()
    chosen = [
        one
        for one in inventory.artifacts
        if settings.kind in (None, one.kind) and settings.name in (None, one.name, *_names(inventory, one))
    ]
    return {
        "artifacts": [_describe(inventory, one, users.get(one.digest, [])) for one in chosen],
        "bytes": sum(one.bytes for one in chosen),
    }


def _names(inventory: Inventory, one: Stored) -> list[str]:
    return [*inventory.promoted_as(one.digest), *inventory.held_out_for(one.digest)]


def _describe(inventory: Inventory, one: Stored, users: list[Stored]) -> Summary:
    return {
        "kind": one.kind,
        "name": one.name,
        "digest": one.digest,
        "path": one.where,
        "bytes": one.bytes,
        "made_at": one.made_at.isoformat(timespec="seconds"),
        "made_from": dict(one.made_from),
        "used_by": [{"kind": user.kind, "digest": user.digest} for user in users],
        "promoted_as": inventory.promoted_as(one.digest),
        "held_out_for": inventory.held_out_for(one.digest),
        "replaced": inventory.is_replaced(one),
        "fault": one.fault,
    }


def show_list(summary: Summary) -> None:
    """Prints a line an artifact."""
    print_table(
        {"kind": "left", "name": "left", "digest": "left", "size": "right", "made (UTC)": "left", "from": "left",
         "used by": "left", "": "left"},
        [_row(one) for one in summary["artifacts"]],
    )  # fmt: skip
    print(f"{len(summary['artifacts']):,} artifacts, {_size(summary['bytes'])}, in {summary['store']}")


def _row(one: Summary) -> tuple[str, ...]:
    origins = " ".join(f"{name} {short(digest)}" for name, digest in one["made_from"].items())
    users = " ".join(f"{user['kind']} {short(user['digest'])}" for user in one["used_by"])
    notes = [
        *(f"serves as {name!r}" for name in one["promoted_as"]),
        *(f"held out for {name!r}" for name in one["held_out_for"]),
        *["replaced"] * one["replaced"],
        *[f"DAMAGED: {one['fault']}"] * bool(one["fault"]),
    ]
    made = one["made_at"][:16].replace("T", " ")
    return (
        one["kind"],
        one["name"] or "",
        short(one["digest"]),
        _size(one["bytes"]),
        made,
        origins,
        users,
        ", ".join(notes),
    )


def _size(n_bytes: int) -> str:
    """Bytes as a person reads them."""
    for unit, factor in _UNITS.items():
        if n_bytes >= factor:
            return f"{n_bytes / factor:,.1f} {unit}"
    return f"{n_bytes} B"


def trace(settings: StoreSettings, store: Store) -> Summary:
    """The way back from a prediction file or an artifact."""
    (word,) = settings.about
    if is_url(word):
        raise SettingsError(
            f"why looks at a file on this machine, or takes a digest, but got {word}; copy the file here, and its "
            f"account beside it"
        )
    if Path(word).exists() or not _DIGITS.fullmatch(word):
        origins = trace_prediction(store, Path(word).absolute())
    else:
        found = find_digests(store, word)
        if len(found) > 1:
            raise SettingsError(
                f"{word} begins the digests of {len(found)} artifacts: {_listed(found)}; give more digits"
            )
        origins = trace_artifact(store, *found[0])
    outside = ("a file, which is not in the store", "nobody wrote down where it was")
    wrong = [one for one in origins if one.state not in (SOUND, *outside)]
    return {
        "origins": [one.model_dump() for one in origins],
        "faults": [f"{one.what} {short(one.digest)}: {one.state}" for one in wrong],
    }


def _listed(found: list[tuple[str, str]]) -> str:
    return ", ".join(f"{kind} {short(digest)}" for kind, digest in found)


def show_trace(summary: Summary) -> None:
    """Prints a line a step, each behind what was made from it."""
    print_table(
        {"what": "left", "digest": "left", "made (UTC)": "left", "state": "left", "where": "left"},
        [
            (
                "  " * one["depth"] + one["what"],
                short(one["digest"]),
                one["facts"].get("made_at", "")[:16].replace("T", " "),
                one["state"],
                one["place"] or "",
            )
            for one in summary["origins"]
        ],
    )
    for one in summary["origins"]:
        for name in ("decoding", "settings"):
            if values := one["facts"].get(name):
                print(f"{name} of {one['what']}: {values}")
    _say_faults(summary)


def verify_store(settings: StoreSettings, store: Store) -> Summary:
    """Every file of all artifacts, or of some, against its digest."""
    inventory = [pair for digits in settings.about or [""] for pair in _chosen(store, digits)]
    found = list(verify(store, dict.fromkeys(inventory)))
    if not settings.about:
        found += verify_records(store)
    return {
        "checked": len(found),
        "bytes": sum(one.bytes for one in found),
        "faults": [one.fault for one in found if one.fault],
    }


def _chosen(store: Store, digits: str) -> list[tuple[str, str]]:
    if digits:
        return find_digests(store, digits)
    return [(kind, digest) for kind in KINDS for digest in store.digests(kind)]


def show_verified(summary: Summary) -> None:
    """Prints what is altered, and how much was looked at."""
    _say_faults(summary)
    n = len(summary["faults"])
    print(
        f"{summary['checked']:,} artifacts and records checked, {_size(summary['bytes'])}: "
        f"{f'{n} not as they were written' if n else 'all are as they were written'}"
    )


def _say_faults(summary: Summary) -> None:
    for fault in summary["faults"]:
        say(f"FAULT: {fault}")


def prune(settings: StoreSettings, store: Store) -> Summary:
    """Removes what may go, or says what would."""
    pruning = (plan_clean_up if settings.dry_run else clean_up)(settings, store.where)
    return describe_pruning(pruning, is_plan=settings.dry_run)


def show_pruned(summary: Summary) -> None:
    """Prints what went, or would go, and what stays though it was asked for."""
    gone = {*summary["removed"]}
    shown = summary["going"] if summary["dry_run"] else [one for one in summary["going"] if one["path"] in gone]
    print_table(
        {"what": "left", "name": "left", "digest": "left", "size": "right", "why": "left"},
        [
            (
                one["kind"] or one["what"],
                one["name"] or "",
                short(one["digest"]) if one["digest"] else Path(one["path"]).name,
                _size(one["bytes"]),
                one["reason"],
            )
            for one in shown
        ],
    )
    for one in summary["staying"]:
        print(f"stays: {one['kind']} {short(one['digest'])}: {one['reason']}")
    verb = "would go" if summary["dry_run"] else "removed"
    total = summary["going_bytes"] if summary["dry_run"] else summary["removed_bytes"]
    print(f"{verb}: {len(shown):,} of {summary['store']}, {_size(total)} of {_size(summary['bytes_before'])}")


def leaderboard(settings: StoreSettings, store: Store) -> Summary:
    """All experiments side by side, those on the same data together; written to files too where that is asked for."""
    boards = make_boards(list_experiments(store), next(iter(settings.about), None))
    if settings.csv:
        write_atomically(settings.csv, as_csv(boards))
    if settings.page:
        write_atomically(settings.page, as_page(boards, store.shown))
    return {"problems": boards}


def show_leaderboard(summary: Summary) -> None:
    """Prints a table for each dataset."""
    for board in summary["problems"]:
        put(f"{', '.join(board['names'])}, on dataset {short(board['dataset'])}:")
        rows = board_rows(board)
        numbers = {"", "trained in", "parameters", "size"}
        columns: dict[str, Justify] = {name: "right" if name in numbers else "left" for name in rows[0]}
        print_table(columns, [tuple(row.values()) for row in rows])
        put("")
    n = sum(len(board["experiments"]) for board in summary["problems"])
    put(f"{n:,} experiments on {len(summary['problems']):,} datasets, in {summary['store']}")


def write_pages(settings: StoreSettings, store: Store) -> Summary:
    """The store's index, and all experiments, as pages beside its artifacts."""
    pages = make_pages(store, settings.outputs)
    for name, page in pages.items():
        write_atomically(store.root / FOLDER / name, page)
    return {"page": str(store.root / FOLDER / INDEX)}


def show_pages(summary: Summary) -> None:
    """Prints where they begin."""
    put(f"open in a browser: {summary['page']}")


_COMMANDS: dict[str, tuple[Callable[[StoreSettings, Store], Summary], Callable[[Summary], None]]] = {
    LIST: (list_artifacts, show_list),
    WHY: (trace, show_trace),
    VERIFY: (verify_store, show_verified),
    PRUNE: (prune, show_pruned),
    LEADERBOARD: (leaderboard, show_leaderboard),
    PAGES: (write_pages, show_pages),
}


def main(argv: list[str] | None = None) -> int:
    """`python -m flows.store COMMAND`; gives the exit code."""
    return run_command(COMMAND, argv)
