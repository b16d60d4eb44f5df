"""Holding a store against what its artifacts, its index and its promotions say of themselves."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from tasks.seq2seq.errors import ArtifactError, SettingsError
from tasks.storage.store.artifact_store import Store, check_artifact
from tasks.storage.store.inventory import read_in_place
from tasks.storage.store.kinds import BUNDLE, HOLDOUT, KINDS
from tasks.storage.store.making import Making
from tasks.storage.store.promotions import decided_names, read_promotions


class Found(NamedTuple):
    """Something of a store that was checked; `fault` says what is wrong with it."""

    kind: str
    name: str
    bytes: int
    fault: str | None


def find_digests(store: Store, digits: str) -> list[tuple[str, str]]:
    """Kind and digest of the artifacts whose digests begin so.

    Raises:
        SettingsError: there is none.
    """
    found = [(kind, digest) for kind in KINDS for digest in store.digests(kind) if digest.startswith(digits)]
    if not digits or not found:
        raise SettingsError(f"no artifact in {store.root} has a digest that begins with {digits!r}")
    return found


def verify(store: Store, chosen: Collection[tuple[str, str]]) -> Iterator[Found]:
    """Reads every file of some artifacts."""
    for kind, digest in chosen:
        try:
            read_in_place(store, kind, digest)
            manifest = check_artifact(store.folder(kind, digest))
        except ArtifactError as error:
            yield Found(kind, digest, 0, str(error))
        else:
            yield Found(kind, digest, sum(entry.bytes for entry in manifest.files.values()), None)


def verify_records(store: Store) -> Iterator[Found]:
    """Reads the records of promotions, and the index of steps; what they name must be there.

    An index that leads nowhere is no fault: what it led to may have been removed, and the step makes it again.
    """
    for name in decided_names(store):
        yield Found("promotions", name, 0, _fault_of_promotions(store, name))
    for path in sorted((store.root / "keys").glob("[!.]*.json")):
        yield Found("keys", path.stem, 0, _fault_of_index(store, path.stem))


def _fault_of_promotions(store: Store, name: str) -> str | None:
    try:
        promotions = read_promotions(store, name)
        for kind, digest in ((BUNDLE, promotions.promoted), (HOLDOUT, promotions.holdout)):
            if digest:
                read_in_place(store, kind, digest)
    except ArtifactError as error:
        return f"promotions of {name!r}: {error}"
    return None


def _fault_of_index(store: Store, stem: str) -> str | None:
    path = store.place("keys", f"{stem}.json")
    if Making.read(path, stem.rpartition("-")[2]):
        return None
    return f"{path} was altered, or is another step's: the step is made again when it is asked for"
