"""Keeping a store in order: what may go, why, and taking it out while others work on the same store.

What serves, what models are compared by, what a running process has opened, and what any of these was made from, stays.
An artifact is taken out by one rename, while nobody holds it, and only if nothing that came meanwhile needs it.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from tasks.seq2seq.errors import ArtifactError
from tasks.storage.files.atomic import lock_if_free, remove_at_once, remove_left_over, remove_lock
from tasks.storage.store.artifact_store import KEYS, Store
from tasks.storage.store.inventory import Inventory, Stored, read_all_promotions, take_inventory
from tasks.storage.store.kinds import ABOUT, BUNDLE, KINDS, TRAINING
from tasks.storage.store.promotions import Promotions
from tasks.storage.store.use import unused

DAY_SECONDS = 86_400
Known = set[tuple[str, str]]  # kinds and digests
_OPENED = "a running process has opened it"
_STEP = re.compile(r"[a-z][a-z0-9_]*-[0-9a-f]{64}")
_CHECKPOINT = re.compile(r"\.checkpoint-([0-9a-f]{64})")


@dataclass(frozen=True)
class Rules:
    """What is asked to go.

    Args:
        older_than: days since it was made; None for any age.
        max_bytes: of all artifacts together; the oldest go first.
        keep_models: models kept of each name, the newest, beside the one that serves.
        replaced: whether what no step finds any more goes.
        keep_origins: whether everything stays that anything which stays was made from.
        unfinished_days: how long what a killed run left is kept for whoever goes on with it.
    """

    older_than: float | None = None
    max_bytes: int | None = None
    keep_models: int | None = None
    replaced: bool = False
    keep_origins: bool = True
    unfinished_days: float = 7.0


@dataclass(frozen=True)
class Item:
    """Something that goes: an artifact, or what a killed run left."""

    what: Literal["artifact", "checkpoint", "chunks", "left over"]
    path: Path
    bytes: int
    reason: str
    stored: Stored | None = None


@dataclass
class Pruning:
    """What goes, what was asked to go and stays, with the reason, and bytes of artifacts before."""

    going: list[Item]
    staying: list[tuple[Stored, str]]
    bytes_before: int
    removed: list[Item] = field(default_factory=list)


def plan_pruning(store: Store, rules: Rules) -> Pruning:
    """Says what would go.

    Raises:
        ArtifactError: a record of promotions cannot be read, so that nobody knows what serves.
    """
    inventory = take_inventory(store)
    asked = _asked(inventory, rules)
    fixed = _fixed(inventory.promotions)
    for one in inventory.artifacts:
        if one.digest not in fixed and not _is_unused(one):
            fixed[one.digest] = _OPENED
    asked |= _for_size(inventory, rules, asked, fixed)
    kept = _kept(inventory, rules, asked, fixed)
    going = [
        Item("artifact", one.path, one.bytes, asked[one.digest], one)
        for one in reversed(inventory.artifacts)  # what was made from others before them
        if one.digest in asked and one.digest not in kept
    ]
    staying = [(one, kept[one.digest]) for one in inventory.artifacts if one.digest in asked and one.digest in kept]
    return Pruning([*going, *_unfinished(store, rules)], staying, inventory.bytes)


def prune(store: Store, rules: Rules) -> Pruning:
    """Takes out what goes; what somebody came to need since the plan stays.

    Raises:
        ArtifactError: as planning.
    """
    plan = plan_pruning(store, rules)
    known = {(one.kind, one.digest) for one in take_inventory(store).artifacts}
    for item in plan.going:
        if item.stored is None:
            is_gone = _remove_unfinished(store, item)
        elif reason := _remove(store, item.stored, known, rules):
            plan.staying.append((item.stored, reason))
            is_gone = False
        else:
            is_gone = True
        if is_gone:
            plan.removed.append(item)
    _tidy(store)
    return plan


def _fixed(promotions: Mapping[str, Promotions]) -> dict[str, str]:
    """What stays in any case, and why."""
    fixed = {}
    for name, one in promotions.items():
        if one.holdout:
            fixed[one.holdout] = f"models are compared by it as {name!r}"
        if one.promoted and (before := one.before(one.promoted)):
            fixed[before] = f"--rollback of {name!r} leads to it"
    for name, one in promotions.items():
        if one.promoted is None:
            continue
        fixed[one.promoted] = f"it serves as {name!r}"
        decision = one.decision_of(one.promoted)
        if decision and decision.evaluation:
            fixed[decision.evaluation] = f"it proves the model that serves as {name!r}"
    return fixed


def _asked(inventory: Inventory, rules: Rules) -> dict[str, str]:
    """What the rules name, except for the one of size, and why."""
    asked: dict[str, str] = {}
    if rules.older_than is not None:
        before = datetime.now(UTC) - timedelta(days=rules.older_than)
        asked |= {
            one.digest: f"older than {rules.older_than:g} days" for one in inventory.artifacts if one.made_at < before
        }
    if rules.replaced:
        replaced = (one for one in inventory.artifacts if inventory.is_replaced(one))
        asked |= {one.digest: "no step finds it any more: its own has made another one since" for one in replaced}
    if rules.keep_models is not None:
        asked |= dict.fromkeys(_of_models(inventory, _surplus(inventory, rules.keep_models)), _surplus_reason(rules))
    return asked


def _surplus_reason(rules: Rules) -> str:
    return f"of a model that is not among the {rules.keep_models} newest of its name"


def _surplus(inventory: Inventory, n: int) -> set[str]:
    """The bundles of each name that are not its newest `n`; the one that serves does not count among them."""
    by_name: dict[str | None, list[str]] = {}
    for one in reversed(inventory.artifacts):
        if one.kind == BUNDLE and one.fault is None and not inventory.promoted_as(one.digest):
            by_name.setdefault(one.name, []).append(one.digest)
    return {digest for bundles in by_name.values() for digest in bundles[n:]}


def _of_models(inventory: Inventory, bundles: set[str]) -> set[str]:
    """Bundles with all that is about them, and all that was made for nothing else."""
    users, going = inventory.used_by(), set(bundles)
    while True:
        more = {
            one.digest
            for one in inventory.artifacts
            if one.digest not in going and (_is_about(one, going) or _is_only_for(users.get(one.digest, []), going))
        }
        if not more:
            return going
        going |= more


def _is_about(one: Stored, going: set[str]) -> bool:
    return one.kind in ABOUT and not going.isdisjoint(one.made_from.values())


def _is_only_for(users: Iterable[Stored], going: set[str]) -> bool:
    counted = [user for user in users if user.kind not in ABOUT]
    return bool(counted) and all(user.digest in going for user in counted)


def _for_size(inventory: Inventory, rules: Rules, asked: dict[str, str], fixed: dict[str, str]) -> dict[str, str]:
    """The oldest that nothing else which stays was made from, until the others are small enough."""
    if rules.max_bytes is None:
        return {}
    kept = _kept(inventory, rules, asked, fixed)
    left = {one.digest: one for one in inventory.artifacts if one.digest not in asked or one.digest in kept}
    stays = inventory.origins(fixed) if rules.keep_origins else {*fixed}
    users = Counter(digest for one in left.values() for digest in {*one.made_from.values()})
    going: dict[str, str] = {}
    size = sum(one.bytes for one in left.values())
    while size > rules.max_bytes:
        may_go = (
            one for one in left.values() if one.digest not in stays and not (rules.keep_origins and users[one.digest])
        )
        oldest = next(may_go, None)
        if oldest is None:
            break
        size -= left.pop(oldest.digest).bytes
        users.subtract({*oldest.made_from.values()})
        going[oldest.digest] = f"the store is larger than {rules.max_bytes:,} bytes"
    return going


def _kept(inventory: Inventory, rules: Rules, asked: dict[str, str], fixed: dict[str, str]) -> dict[str, str]:
    """What stays, and why."""
    kept = dict(fixed)
    others = [one.digest for one in inventory.artifacts if one.digest not in asked]
    for digest in others:
        kept.setdefault(digest, "nothing asks for it to go")
    if rules.keep_origins:
        for digest in inventory.origins([*fixed, *others]):
            kept.setdefault(digest, "something that stays was made from it")
    return kept


def _is_unused(one: Stored) -> bool:
    with unused(one.path) as is_unused:
        return is_unused


def _remove(store: Store, one: Stored, known: Known, rules: Rules) -> str | None:
    """Takes an artifact out, or says why it stays after all."""
    with store.changing(one.kind), unused(one.path) as is_unused:
        if not is_unused:
            return _OPENED
        # Whoever came to need it has opened it and is done: what came of that can be read now.
        if reason := _needed_now(store, one, known, rules):
            return reason
        store.remove(one.kind, one.digest)
    return None


def _needed_now(store: Store, one: Stored, known: Known, rules: Rules) -> str | None:
    if reason := _fixed(read_all_promotions(store)).get(one.digest):
        return reason
    there = {(kind, digest) for kind in KINDS for digest in store.digests(kind)} if rules.keep_origins else set()
    if any(one.digest in _made_from(store, *new) for new in there - known):
        return "something was made from it meanwhile"
    return None


def _made_from(store: Store, kind: str, digest: str) -> list[str]:
    try:
        return [*store.manifest(kind, digest).made_from.values()]
    except ArtifactError:
        return []


def _unfinished(store: Store, rules: Rules) -> Iterator[Item]:
    """What killed runs left: what nobody can go on with, and what nobody went on with for long."""
    for path in store.left_over():
        yield Item("left over", path, size_of(path), "a process that has ended was writing it")
    before = time.time() - rules.unfinished_days * DAY_SECONDS
    for path in sorted((store.root / TRAINING).glob(".checkpoint-*")):
        if _CHECKPOINT.fullmatch(path.name) and path.lstat().st_mtime < before and _is_free(_lock_of(store, path)):
            reason = f"no training went on from it for {rules.unfinished_days:g} days"
            yield Item("checkpoint", path, size_of(path), reason)


def _lock_of(store: Store, checkpoint: Path) -> Path:
    return store.place("locks", f"{TRAINING}-{checkpoint.name.removeprefix('.checkpoint-')}")


def _is_free(lock: Path) -> bool:
    if not lock.exists():  # which a plan does not make
        return True
    with lock_if_free(lock) as is_free:
        return is_free


def _remove_unfinished(store: Store, item: Item) -> bool:
    if item.what == "left over":
        return remove_left_over(item.path)
    with lock_if_free(_lock_of(store, item.path)) as is_free:
        if is_free and item.path.exists():
            remove_at_once(item.path)
    return is_free


def _tidy(store: Store) -> None:
    """Removes what only tells of artifacts that are gone: their places in the index, and locks of their steps."""
    for name in store.record_names(KEYS):
        kind, _, key = name.rpartition("-")
        with lock_if_free(store.place("locks", name)) as is_free:
            making = store.last_making(kind, key)
            if is_free and making and not store.has(kind, making.digest):
                store.remove_record(KEYS, name)
    names = {*store.record_names(KEYS)}
    for path in sorted((store.root / "locks").glob("*-*")):
        if _STEP.fullmatch(path.name) and path.name not in names:
            remove_lock(path)


def size_of(path: Path) -> int:
    """The bytes of a file, or of all files below a folder."""
    files = path.rglob("*") if path.is_dir() and not path.is_symlink() else [path]
    return sum(size for file in files if (size := _size(file)))


def _size(path: Path) -> int:
    try:
        return 0 if path.is_dir() else path.lstat().st_size
    except OSError:  # it is gone by now
        return 0
