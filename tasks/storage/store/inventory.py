"""What a store holds: how large, made from what and used by what, and what serves; nothing is opened for use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.seq2seq.errors import ArtifactError
from tasks.storage.store.artifact_store import KEYS, Store
from tasks.storage.store.kinds import KINDS
from tasks.storage.store.making import Making
from tasks.storage.store.promotions import Promotions, decided_names, read_promotions


@dataclass(frozen=True)
class Stored:
    """A folder of a store that should be an artifact; of one whose manifest cannot be read, `fault` says why.

    `path`: where it lies on this machine, or would; `where`: as people are shown it. `bytes`: of all its files.
    `made_from`: digests by their names. `key`: of its step; None where it is not known.
    """

    kind: str
    digest: str
    path: Path
    where: str
    bytes: int
    made_at: datetime
    name: str | None
    made_from: Mapping[str, str]
    key: str | None
    fault: str | None = None


@dataclass(frozen=True)
class Inventory:
    """All artifacts of a store, oldest first, who serves, and which artifact each step made last, by kind and key."""

    artifacts: list[Stored]
    promotions: Mapping[str, Promotions]
    index: Mapping[tuple[str, str], str]

    @property
    def bytes(self) -> int:
        """Of all artifacts."""
        return sum(one.bytes for one in self.artifacts)

    def promoted_as(self, digest: str) -> list[str]:
        """The names under which a bundle serves."""
        return [name for name, one in self.promotions.items() if one.promoted == digest]

    def held_out_for(self, digest: str) -> list[str]:
        """The names whose models are compared by a holdout."""
        return [name for name, one in self.promotions.items() if one.holdout == digest]

    def used_by(self) -> dict[str, list[Stored]]:
        """What was made from an artifact, by its digest."""
        users: dict[str, list[Stored]] = {}
        for one in self.artifacts:
            for digest in dict.fromkeys(one.made_from.values()):
                users.setdefault(digest, []).append(one)
        return users

    def origins(self, digests: Iterable[str]) -> set[str]:
        """What artifacts were made from, directly or not, and they themselves; digests of files are among them."""
        made_from = {one.digest: one.made_from for one in self.artifacts}
        found, waiting = set[str](), list(digests)
        while waiting:
            digest = waiting.pop()
            if digest not in found:
                found.add(digest)
                waiting += made_from.get(digest, {}).values()
        return found

    def is_replaced(self, one: Stored) -> bool:
        """Whether no step finds an artifact any more, as its own has made another one since."""
        last = self.index.get((one.kind, one.key)) if one.key else None
        return last not in (None, one.digest) and one.digest not in self.index.values()


def take_inventory(store: Store) -> Inventory:
    """Looks through a store.

    Raises:
        ArtifactError: a record of promotions cannot be read; what serves is then not known.
    """
    artifacts = [
        _look(store, kind, digest, size, changed)
        for kind in KINDS
        for digest, (size, changed) in store.sizes(kind).items()
    ]
    return Inventory(
        artifacts=sorted(artifacts, key=lambda one: (one.made_at, one.kind, one.digest)),
        promotions=read_all_promotions(store),
        index={(kind, key): last.digest for kind, key, last in _makings(store)},
    )


def read_all_promotions(store: Store) -> dict[str, Promotions]:
    """Who serves, by all names under which anything was decided.

    Raises:
        ArtifactError: a record cannot be read.
    """
    return {name: read_promotions(store, name) for name in decided_names(store)}


def _look(store: Store, kind: str, digest: str, size: int, changed: float) -> Stored:
    path, where = store.folder(kind, digest), store.shown_at(kind, digest)
    try:
        manifest = store.manifest(kind, digest)
    except ArtifactError as error:
        at = datetime.fromtimestamp(changed, UTC)
        return Stored(kind, digest, path, where, size, at, None, {}, None, str(error))
    name = name_of(manifest.experiment)
    return Stored(kind, digest, path, where, size, manifest.made_at, name, manifest.made_from, manifest.key)


def name_of(experiment: Mapping[str, Any]) -> str | None:
    """The name that an experiment was given, or the problem or file that it is of, as far as its record says."""
    data = experiment.get("data")
    data = data if isinstance(data, Mapping) else {}
    train = str(data.get("train") or "").rsplit("/", 1)[-1].partition(".")[0]
    return str(experiment.get("name") or data.get("problem") or train or "") or None


def _makings(store: Store) -> list[tuple[str, str, Making]]:
    found = []
    for name in store.record_names(KEYS):
        kind, _, key = name.rpartition("-")
        if making := store.last_making(kind, key):
            found.append((kind, key, making))
    return found
